"""The catalogue of the thin night completed, from its YAML to its tables and its page."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from tests.conftest import THIN_DAY, merged, shipped
from tests.night.nights import logged

from recaug import cli
from recaug.config import load
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.lake.tables import Lake
from recaug.night.features import content_items, item_embedding_features, item_features_of, of_completion
from recaug.night.nightly import night_context
from recaug.report import completion as page
from recaug.results import Worth
from recaug.studies.worth import worth

ROOT = Path(__file__).parents[2]
DATE = THIN_DAY.isoformat()


@pytest.fixture(scope="module")
def completed(spark: SparkSession, thin_source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a catalogue completed on two Horovod ranks, and what the job printed."""
    folder = tmp_path_factory.mktemp("catalogue")
    given = shipped("catalogue/complete_journey")
    places = {
        "artifacts": str(folder / "artifacts"),
        "lake": {"path": str(folder / "lake")},
        "source": {
            "events": {"path": str(thin_source)},
            "items": {
                "path": str(thin_source.with_name("products.parquet")),
                # some products are of a million ounces, which no other says
                "numeric": {
                    "ounces": "IF(product_id % 50 = 0, 1000000 + product_id, "
                    "CAST(regexp_extract(package_size, '^([0-9.]+) OZ', 1) AS double))"
                },
            },
        },
        "prepare": {"train_days": 11, "validation_days": 5, "test_days": 5},
        "negatives": {"per_user": 20},
        "training": {"launcher": None, "workers": 2},
        "sasrec": {"dim": 16, "blocks": 1, "heads": 1, "item_features": 6, "item_features_from": "completed"}
        | {"optimiser": {"epochs": 2}},
        "evaluate": {"seeds": 1, "gate": {"bootstraps": 200}},
        "attributes": {
            "text_buckets": 256,
            "min_probability": 0.2,
            "classic": {"copies": 1, "noise": 0.1, "typos": 0.05, "dropped_words": 0.1},
            "neighbours": 10,
            "behaviour_dim": 16,
            "hidden": 32,
            "z_dim": 16,
            "optimiser": {"epochs": 5, "batch_rows": 128, "learning_rate": 0.01},
        },
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump(merged(given, places)))
    return folder, run(spark, folder / "shop.yaml")


def run(spark: SparkSession, config: Path, code: int = 0, job: Callable[[list[str]], int] = cli.complete) -> str:
    """Run the job in the tests' session, and give what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr(cli, "build", lambda *_: spark)
        patch.setattr(type(spark), "stop", lambda _: None)
        patch.setattr(cli, "say", lambda *words: lines.append(" ".join(map(str, words))))
        assert job(["--config", str(config), "--date", DATE]) == code
    return "\n".join(lines)


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "artifacts" / DATE / "attributes" / "results.json").read_text())
    return found


def test_what_was_hidden_is_told_better_than_by_the_neighbours(completed: tuple[Path, str]) -> None:
    of = results(completed[0])["attributes"]
    assert set(of) == {"department", "brand", "product_category", "package_size", "ounces"}
    assert of["ounces"]["ways"]["vae"]["mean"] < of["ounces"]["ways"]["prior"]["mean"]  # a distance
    for one in (of[name] for name in of if name != "ounces"):
        ways = one["ways"]
        assert ways["vae"]["mean"] > max(ways["prior"]["mean"], ways["neighbours"]["mean"])
        assert ways["vae"]["n"] == ways["prior"]["n"] > 100
        assert one["calibration_error"] < 0.2
    alone = of["product_category"]["ways"]
    assert alone["only text"]["mean"] > alone["neighbours"]["mean"]


def test_the_tables_are_as_the_results_say(spark: SparkSession, completed: tuple[Path, str]) -> None:
    folder, _ = completed
    found = results(folder)
    filled = DeltaTable(str(folder / "lake" / "completed_attributes"))
    counts = filled.get_add_actions(flatten=True).column("num_records").to_pylist()
    assert sum(counts) == found["completed"] > 0
    lake = Lake(spark, str(folder / "lake"))
    rows = lake.read("completed_attributes").join(lake.read("items"), "item_id", how="inner")
    assert rows.count() == found["completed"]
    assert rows.where("probability < 0.2 OR probability > 1").isEmpty()
    assert rows.where("categorical[attribute] IS NOT NULL").isEmpty()  # only gaps are filled
    assert rows.where("value IS NULL OR value = ''").isEmpty()
    known = lake.read("attribute_values").select("attribute", "value")
    coded = rows.where("attribute != 'ounces'")
    assert coded.join(known, ["attribute", "value"], how="left_anti").isEmpty()
    assert rows.where("attribute = 'ounces' AND double(value) IS NULL").isEmpty()
    assert found["gaps"]["package_size"] == lake.read("items").where("categorical['package_size'] IS NULL").count() > 0
    assert found["filled"].get("package_size", 0) <= found["gaps"]["package_size"]
    doubtful = (
        lake.read("doubtful_attributes").where("attribute != 'ounces'").join(lake.read("items"), "item_id", how="inner")
    )
    assert doubtful.where("categorical[attribute] != value OR likelier = value OR probability >= 0.01").isEmpty()
    numbers = lake.read("doubtful_attributes").where("attribute = 'ounces'").join(lake.read("items"), "item_id")
    assert numbers.where("double(value) != numeric['ounces'] OR probability >= 0.01").isEmpty()  # as they were given
    assert doubtful.count() + numbers.count() == found["doubtful"]
    assert numbers.count() > 0


def test_the_run_is_recorded_and_the_page_is_there(spark: SparkSession, completed: tuple[Path, str]) -> None:
    folder, printed = completed
    record = runs.find(Lake(spark, str(folder / "lake")), THIN_DAY, "complete")
    assert record is not None
    assert record.metrics.completed == results(folder)["completed"]
    assert record.cpu_seconds > 0
    assert logged(folder / "artifacts")[record.run_id] == set(results(folder)["curves"])
    assert {"items", "vocabulary", "covisitation"} <= set(record.input_versions)
    index = folder / "artifacts" / DATE / "attributes" / "index.html"
    assert index.read_text().count("<svg") == 2
    assert "product_category" in printed
    assert printed.endswith(f"report:   {index}")


def test_a_rerun_finds_the_model_and_writes_the_same_rows(spark: SparkSession, completed: tuple[Path, str]) -> None:
    folder, _ = completed
    before, rows = results(folder), Lake(spark, str(folder / "lake")).content_hash("completed_attributes")
    printed = run(spark, folder / "shop.yaml")
    assert "prepare    done before, skipped" in printed
    after, lake = results(folder), Lake(spark, str(folder / "lake"))
    assert lake.content_hash("completed_attributes") == rows is not None
    assert after["models"] == before["models"]
    assert after["train_seconds"] == before["train_seconds"]


def test_without_the_section_it_says_so(spark: SparkSession, completed: tuple[Path, str]) -> None:
    folder, _ = completed
    given = yaml.safe_load((folder / "shop.yaml").read_text())
    del given["attributes"]
    (folder / "without.yaml").write_text(yaml.safe_dump(given))
    run(spark, folder / "without.yaml", code=2)


def test_the_fewer_modalities_the_less_is_told(completed: tuple[Path, str]) -> None:
    rows = page.ablation(results(completed[0]))
    assert {row["modality"] for row in rows if row["attribute"] == "brand"} == {
        "department",
        "product_category",
        "package_size",
        "text",
        "ounces",
        "behaviour",
    }
    rows = [row for row in rows if row["attribute"] != "ounces"]  # a distance
    one, two = (sum(row[name] for row in rows) / len(rows) for name in ("without", "without_two"))
    alone = sum(row["alone"] for row in rows) / len(rows)
    assert one > two > alone


def test_what_was_completed_may_enter_the_recommenders_item_embedding(
    spark: SparkSession, completed: tuple[Path, str]
) -> None:
    night = night_context(load(completed[0] / "shop.yaml"), THIN_DAY, spark)
    found = {source: item_embedding_features(night, source)[:, :6] for source in ("catalogue", "completed", "latents")}
    for features in found.values():
        assert features.shape[0] == night.lake.read("vocabulary").count() + 1
        assert (np.abs(features[1:]).sum(axis=1) > 0).mean() > 0.95
        assert not features[0].any()
    assert not np.allclose(found["catalogue"], found["latents"])
    assert not np.allclose(found["catalogue"], found["completed"])


def test_the_gate_decides_which_recommender_reads_completed_attributes(
    spark: SparkSession, completed: tuple[Path, str]
) -> None:
    folder, printed = completed
    told = results(folder)["worth"]
    assert set(told) == {"content", "sasrec"}
    for name, verdict in told.items():
        lift = verdict["lift"]["overall"]
        if verdict["decision"] == "publish":
            assert max(lift["low"], verdict["lift"]["cold"]["low"]) > 0
        assert f"{name:<10} {verdict['decision']}: with completed attributes: ndcg@10 changes by" in printed
    night = night_context(load(folder / "shop.yaml"), THIN_DAY, spark)
    record = runs.find(night.lake, THIN_DAY, "complete")
    assert record is not None
    before, of = night.lake.read("items"), {}
    for decision in ("hold", "publish"):
        verdicts = {name: msgspec.convert(verdict | {"decision": decision}, Worth) for name, verdict in told.items()}
        noted = msgspec.structs.replace(record.metrics, worth=verdicts)
        runs.record(night.lake, dataclasses.replace(record, metrics=noted))
        items = content_items(night)
        filled = items.where("size(multi_valued) > 0").count()
        assert (filled > 0) == (decision == "publish")
        assert items.count() == before.count()
        of[decision] = item_features_of(night)
    # published, but of a later day than this night: it has learnt from events that the night may not know
    earlier = night_context(load(folder / "shop.yaml"), THIN_DAY - dt.timedelta(days=1), spark)
    assert content_items(earlier).where("size(multi_valued) > 0").isEmpty()
    with pytest.raises(ContractError, match="completed_attributes is of the completion of 2017-01-21"):
        item_features_of(earlier)
    with pytest.raises(ContractError, match="item_latents is of the completion of 2017-01-21"):
        of_completion(earlier, "item_latents")
    # what is proved of completed attributes says nothing of the latents
    sasrec = msgspec.structs.replace(night.config.sasrec, item_features_from="latents")
    training = msgspec.structs.replace(night.config.training, launcher="local", workers=1)
    by_latents = dataclasses.replace(
        night, config=msgspec.structs.replace(night.config, sasrec=sasrec, training=training)
    )
    assert item_features_of(by_latents) is None
    of_latents = worth(by_latents)["sasrec"]
    assert of_latents.arm == "with latents"
    assert of_latents.lift["overall"].mean != 0
    proved = record.metrics.worth | {"sasrec": msgspec.structs.replace(of_latents, decision="publish")}
    noted = msgspec.structs.replace(record.metrics, worth=proved)
    runs.record(night.lake, dataclasses.replace(record, metrics=noted))
    assert np.array_equal(item_features_of(by_latents), item_embedding_features(night, "latents"))
    assert np.array_equal(item_features_of(night), item_embedding_features(night, "catalogue"))
    runs.record(night.lake, record)
    assert np.array_equal(of["hold"], item_embedding_features(night, "catalogue"))
    assert np.array_equal(of["publish"], item_embedding_features(night, "completed"))


def test_enhanced_copies_keep_the_parts_of_their_item(spark: SparkSession, completed: tuple[Path, str]) -> None:
    lake = Lake(spark, str(completed[0] / "lake"))
    items, copies = lake.read("item_attributes").toPandas(), lake.read("enhanced_attributes").toPandas()
    assert set(copies["copy"]) == {1}
    both = items.merge(copies, on="item_id", suffixes=("", "_of_copy"))
    assert len(both) == len(items) == len(copies)
    assert (both["parts"] == both["parts_of_copy"]).all()  # what is hidden of an item is hidden of its copies
    assert 0.02 < (both["codes"] != both["codes_of_copy"]).mean() < 0.6  # typed wrongly, or a word less
    given = both["numbers"].map(lambda packed: np.frombuffer(packed, "<f4")[0])
    noisy = both["numbers_of_copy"].map(lambda packed: np.frombuffer(packed, "<f4")[0])
    assert (given.isna() == noisy.isna()).all()
    assert (given != noisy)[given.notna()].mean() > 0.9


def test_a_night_that_asks_for_what_no_completion_has_written_says_so(spark: SparkSession, lake: Lake) -> None:
    config = load(ROOT / "conf" / "weeks.yaml")
    sasrec = msgspec.structs.replace(config.sasrec, item_features=6, item_features_from="completed")
    places = msgspec.structs.replace(config.lake, path=lake.path)
    night = night_context(msgspec.structs.replace(config, sasrec=sasrec, lake=places), THIN_DAY, spark)
    with pytest.raises(ContractError, match="no table completed_attributes"):
        item_features_of(night)


def test_every_item_has_similar_ones_and_new_items_too(spark: SparkSession, completed: tuple[Path, str]) -> None:
    folder, _ = completed
    printed = run(spark, folder / "shop.yaml", job=cli.similar)
    lake = Lake(spark, str(folder / "lake"))
    rows = lake.read("similar_items").toPandas()
    latents = lake.read("item_latents").select("item_id", "latent").toPandas().set_index("item_id")["latent"]
    assert set(rows["item_id"]) == set(latents.index)
    assert rows.groupby("item_id")["rank"].apply(sorted).map(lambda ranks: ranks == list(range(1, 11))).all()
    assert not (rows["item_id"] == rows["similar_id"]).any()
    assert set(map(str, rows["event_date"])) == {DATE}

    places = np.stack(list(latents)).astype(np.float64)
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    known = {row["item_id"] for row in lake.read("vocabulary").collect()}
    new = next(item for item in sorted(latents.index) if item not in known)
    for item in (new, min(known)):  # brute force
        cosine = places @ places[latents.index.get_loc(item)]
        cosine[latents.index.get_loc(item)] = -1
        own = rows[rows["item_id"] == item].sort_values("rank")["score"]
        assert own.to_numpy() == pytest.approx(np.sort(cosine)[::-1][:10], abs=2e-5)

    items = lake.read("items").select("item_id", "categorical").toPandas().set_index("item_id")["categorical"]
    one = rows[rows["reason"].str.contains("both department ")].iloc[0]
    assert items[one["item_id"]]["department"] == items[one["similar_id"]]["department"]
    assert f"both department {items[one['item_id']]['department']}" in one["reason"]

    found = json.loads((folder / "artifacts" / DATE / "similar_items" / "results.json").read_text())
    assert (found["rows"], found["new_listed"]) == (len(rows), found["new"])
    assert {"latents", "random", "popularity", "same brand", "content", "counts"} <= found["ways"].keys()
    assert found["ways"]["popularity"]["hits"]["tail"]["mean"] == 0
    assert found["ways"]["latents"]["hits"]["overall"]["mean"] > found["ways"]["random"]["hits"]["overall"]["mean"]
    assert "| latents |" in printed
    assert runs.find(lake, THIN_DAY, "similar").metrics.rows == len(rows)  # type: ignore[union-attr]
