"""Pictures from a folder of files to generated ones that are published or held, through the job."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from tests.conftest import THIN_DAY, merged, shipped
from tests.night.nights import logged

from recaug import cli
from recaug.clickstream.layouts import png
from recaug.lake import runs
from recaug.lake.tables import Lake

DATE = THIN_DAY.isoformat()
BRIEF = {"batch_rows": 16, "epochs": 1}


def shop(folder: Path, **changes: Any) -> Path:
    """Write 40 pictures of each of two classes, bright on the left or on the right, one file broken, and a YAML."""
    random = np.random.default_rng(0)
    for kind, bright in (("left", slice(0, 15)), ("right", slice(15, 30))):
        (folder / "pictures" / kind).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 90, (30, 30, 1), dtype=np.uint8)
            pixels[:, bright] += 150
            (folder / "pictures" / kind / f"{number}.png").write_bytes(png(pixels))
    (folder / "pictures" / "left" / "broken.png").write_bytes(b"\x89PNG but not for long")
    given = shipped("images/clothing")
    small = {
        "artifacts": str(folder / "artifacts"),
        "lake": {"path": str(folder / "lake")},
        "training": {"launcher": "local"},
        "evaluate": {"gate": {"bootstraps": 100, "min_units": 1}},
        "images": {
            "source": {
                "path": f"{folder}/pictures/*/*.png",
                "format": "binaryFile",
                "image_id": "regexp_extract(path, '([^/]+/[^/]+)[.]png', 1)",
                "image": "content",
                "label": "regexp_extract(path, '([^/]+)/[^/]+$', 1)",
                "split": None,
            },
            "size": 28,
            "channels": 1,
            "network": "perceptron",
            "generators": ["gan", "classic"],
            "per_class": [4, None],
            "seeds": 1,
            "epoch_steps": 8,
            "gan": {"z_dim": 8, "optimiser": BRIEF},
            "vae": {"z_dim": 4, "optimiser": BRIEF},
            "classifier": {"width": 4, "optimiser": BRIEF | {"learning_rate": 0.01}},
        },
    }
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(merged(merged(given, small), changes)))
    return path


def run(spark: SparkSession, path: Path) -> int:
    """Run the job on the tests' session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "build", lambda *given: spark)
        patch.setattr(type(spark), "stop", lambda self: None)
        return cli.pictures(["--config", str(path), "--date", DATE])


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's pictures, every model trained on two Horovod ranks."""
    folder = tmp_path_factory.mktemp("pictures")
    assert run(spark, shop(folder, training={"launcher": None, "workers": 2})) == 0
    return folder


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "artifacts" / DATE / "images" / "results.json").read_text())
    return found


def test_every_size_has_its_arms_with_intervals_and_a_decision(made: Path) -> None:
    told = results(made)
    assert (told["images"], told["labels"]) == (80, ["left", "right"])
    assert told["problems"]["n"] == 1
    assert told["problems"]["example"].startswith("left/broken: ")
    assert list(told["sizes"]) == ["4", "all"]
    assert told["sizes"]["4"]["real"] == 8
    for size in told["sizes"].values():
        assert list(size["accuracy"]) == ["real", "gan", "classic", "gan-alone"]
        for one in size["accuracy"].values():
            assert 0 <= one["low"] <= one["mean"] <= one["high"] <= 1
        assert set(size["lift"]) == {"gan", "classic"}
        assert size["decision"] in ("publish", "hold")
        for kind, one in size["generators"].items():
            assert 0 < one["drawn"] <= size["real"]
            assert kind == "classic" or one["closest"] >= one["bound"]
    assert told["sizes"]["all"]["accuracy"]["real"]["mean"] > 0.8


def test_pictures_lie_in_a_table_as_png_with_where_they_come_from(spark: SparkSession, made: Path) -> None:
    told, table = results(made), DeltaTable(str(made / "lake" / "generated_images"))
    assert sum(table.get_add_actions(flatten=True).column("num_records").to_pylist()) == told["drawn"]
    rows = Lake(spark, str(made / "lake")).read("generated_images").toPandas()
    assert len(rows) == told["drawn"]
    assert rows["png"].map(lambda one: bytes(one[:4]) == b"\x89PNG").all()
    assert set(rows["per_class"]) == {0, 4}
    assert set(rows["label"]) == {"left", "right"}
    assert rows["run_id"].nunique() == 1
    classic = rows[rows["generator"] == "classic"]
    assert classic["parent_id"].str.match("(left|right)/").all()
    assert (classic["label"] == classic["parent_id"].str.split("/").str[0]).all()
    for (key, kind), part in rows.groupby(["per_class", "generator"]):
        size = told["sizes"][str(key) if key else "all"]
        published = size["decision"] == "publish" and size["chosen"] == kind
        assert set(part["decision"]) == {"publish" if published else "hold"}
        assert part["generator_version"].nunique() == 1


def test_the_page_shows_a_grid_of_each_model(spark: SparkSession, made: Path) -> None:
    folder = made / "artifacts" / DATE / "images"
    page = (folder / "index.html").read_text()
    assert page.count("data:image/png;base64,") == len(list(folder.glob("*.png"))) == 5
    assert "left/broken" in page
    record = runs.find(Lake(spark, str(made / "lake")), THIN_DAY, "images")
    assert record is not None
    assert record.decision in ("publish", "hold")
    assert len(record.reasons) == 2
    judges = {f"{arm}-{size}-seed0" for arm in ("real", "gan", "classic", "gan-alone") for size in ("4", "all")}
    assert logged(made / "artifacts") == {record.run_id: {"gan-4", "gan-all"} | judges}


def test_a_rerun_finds_the_models_and_writes_the_same_pictures(spark: SparkSession, made: Path) -> None:
    before, hashed = results(made), Lake(spark, str(made / "lake")).content_hash("generated_images")
    assert run(spark, made / "shop.yaml") == 0
    after = results(made)
    assert after["models"] == before["models"]
    assert after["training_seconds"] == before["training_seconds"]
    assert after["sizes"] == before["sizes"]
    assert Lake(spark, str(made / "lake")).content_hash("generated_images") == hashed


def test_a_generator_that_draws_copies_only_is_one_line(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shop(tmp_path, images={"per_class": [4], "generators": ["gan"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "recaug.studies.picture_rows.nearest_allowed", lambda pixels, seed: 2.0
        )  # further than black from white
        assert run(spark, path) == 4
    assert "gan-4: each picture that it drew is closer to a real one" in capsys.readouterr().err


def test_one_class_is_too_few(spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shop(tmp_path)
    shutil.rmtree(tmp_path / "pictures" / "right")
    assert run(spark, path) == 3
    assert "images.source.label: 1 class; two or more are needed" in capsys.readouterr().err
