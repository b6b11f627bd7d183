"""A shop of shoes and hats: what is hidden is told, with probabilities that hold, and what contradicts is doubted."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from pyspark.sql import DataFrame, SparkSession
from tests.training.models.test_attribute_vae import CONFIG

from recaug.augment.attributes import Bounds, complete, latents, load, measure
from recaug.augment.calibration import Calibration, calibrate, probabilities
from recaug.clickstream.attributes import TEST, VALIDATION, Field
from recaug.evaluate.completion import imputed, summary
from recaug.lake.store import Store
from recaug.results import Predicted
from recaug.training.attributes import AttributeJob, Known, known
from recaug.training.checkpoint import finish_model
from recaug.training.inputs import Near
from recaug.training.models.item_fields import Seen, told_by_neighbours
from recaug.training.worker import Worker

N = 400
FIELDS = [
    Field("kind", "categorical", 2, 1),
    Field("tags", "multi_valued", 4, 2),
    Field("words", "text", 8, 2),
    Field("price", "numeric", 1, 1, tuple(np.linspace(0, 100, 201).tolist())),
]


@dataclass(frozen=True)
class Shop:
    """The rows of item_attributes, the models' folders and their calibration."""

    rows: DataFrame
    folders: tuple[str, ...]
    calibrations: dict[str, Calibration]


def frame() -> pd.DataFrame:
    """Item i is a shoe or a hat by i modulo 2; one word in ten is the other's.

    Item 0 has gaps, item 2 a wrong kind, item 4 a tag of a hat's beside one of a shoe's.
    """
    random, kind = np.random.default_rng(3), np.arange(N) % 2
    word = np.where((random.random(N) < 0.1) & (np.arange(N) > 4), 1 - kind, kind)
    codes = np.stack([kind + 1, 2 * kind + 1, 2 * kind + 2, 4 * word + 1, 4 * word + 2], axis=1).astype(np.int32)
    numbers = (2.0 * kind - 1 + 0.3 * random.standard_normal(N))[:, None].astype(np.float32)
    parts = random.choice([0, VALIDATION, TEST], p=[0.5, 0.25, 0.25], size=(N, len(FIELDS))).astype(np.int8)
    parts[:, 2], parts[:5] = 0, 0
    codes[0, :3], numbers[0] = 0, np.nan
    codes[2, 0], codes[4, 2] = 2, 3
    packed = {name: [row.tobytes() for row in array] for name, array in (("codes", codes), ("numbers", numbers))}
    ids = [f"i{number}" for number in range(N)]
    return pd.DataFrame({"item_id": ids, "item_index": 0, **packed, "parts": [row.tobytes() for row in parts]})


def judged(shop: Shop, min_probability: float, max_doubt: float, tolerance: float = 0.1) -> pd.DataFrame:
    bounds = Bounds(min_probability, max_doubt, tolerance)
    return complete(shop.rows, shop.folders, shop.calibrations, bounds).toPandas()


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    rows = spark.createDataFrame(frame()).repartition(2).persist()
    told = told_by_neighbours(FIELDS)
    near = Near(np.zeros((1, 1, 1), np.int64), np.zeros((1, 1, 1), np.float32), np.zeros((1, 2), np.float32))
    job = AttributeJob(
        config=CONFIG,
        models=Store(tmp_path_factory.mktemp("models")),
        files=[],
        content_hash="",
        rows=N,
        seed=0,
        fields=FIELDS,
        near=near,
        codes=np.zeros((1, sum(one.width for one in told)), np.int64),
        prior=np.full(sum(one.size for one in told), 0.5, np.float32),
        validation=known(frame()),
        workers=1,
    )
    torch.manual_seed(0)
    task, everything = job.task(Worker()), known(frame())
    optimiser = torch.optim.AdamW(task.parts["model"].groups(), lr=0.01)
    for step in range(150):
        batch = dict(zip(("item_index", "codes", "numbers", "parts"), everything, strict=True))
        for update in task.updates(batch, step / 150, 0):
            optimiser.zero_grad()
            (update.loss / update.weight).backward()
            optimiser.step()
    finish_model(job.folder, task.module, job.meta())
    folders = (job.folder.root,)
    return Shop(rows, folders, calibrate(load(folders), everything))


@pytest.fixture(scope="module")
def found(shop: Shop) -> dict[str, Predicted]:
    """What is measured where nothing is taken away."""
    return summary(measure(shop.rows, shop.folders, shop.calibrations))


def test_hidden_values_are_told_and_the_probabilities_hold(found: dict[str, Predicted]) -> None:
    assert found["kind"].ways["vae"].mean > 0.9
    assert found["kind"].ways["prior"].mean < 0.6
    assert found["tags"].ways["vae"].mean == 1  # both are among the five likeliest of four
    assert found["price"].ways["vae"].mean < 0.5 * found["price"].ways["prior"].mean
    assert found["price"].coverage == pytest.approx(0.9, abs=0.1)
    shares = [one for name in ("kind", "tags") for one in found[name].ways.values()]
    assert all(0 <= one.low <= one.mean <= one.high <= 1 for one in shares)
    assert found["kind"].calibration_error < 0.06
    assert found["tags"].calibration_error < 0.06
    hidden = int((np.stack([np.frombuffer(row, np.int8) for row in frame()["parts"]])[:, 0] == TEST).sum())
    assert found["kind"].ways["vae"].n == found["kind"].ways["neighbours"].n == hidden


def test_less_is_known_without_a_modality(shop: Shop, found: dict[str, Predicted]) -> None:
    ways = summary(measure(shop.rows, shop.folders, shop.calibrations, ablations=True))["kind"].ways
    assert set(ways) >= {"only words", "without words", "without words and price", "only behaviour"}
    whole = found["kind"].ways["vae"].mean
    assert 0.8 < ways["only words"].mean <= 1
    assert ways["only behaviour"].mean < 0.65  # there is none
    assert ways["without words and price"].mean <= ways["without words"].mean <= whole + 0.05


def test_a_gap_is_filled_and_nothing_else(shop: Shop) -> None:
    rows = judged(shop, 0.3, 0.0, 0.5)
    assert set(rows["item_id"]) == {"i0"}
    by_attribute = dict(list(rows.groupby("attribute")))
    assert by_attribute["kind"]["code"].tolist() == [1]
    assert sorted(by_attribute["tags"]["code"]) == [1, 2]
    assert 0 < by_attribute["price"]["number"].item() < 45
    assert rows["probability"].between(0.3, 1).all()


def test_below_the_confidence_the_gap_stays(shop: Shop) -> None:
    assert judged(shop, 1.0, 0.0).empty


def test_a_value_that_all_else_contradicts_is_doubtful(shop: Shop) -> None:
    rows = judged(shop, 0.8, 0.02)
    rows = rows[rows["likelier"].notna()]
    kinds = rows[rows["attribute"] == "kind"].set_index("item_id")
    assert "i2" in kinds.index
    assert len(kinds) < 0.1 * N
    assert kinds.loc["i2", ["code", "likelier"]].tolist() == [2, 1]
    assert kinds.loc["i2", "probability"] < 0.02
    assert kinds.loc["i2", "likelier_probability"] > 0.8
    tags = rows[rows["attribute"] == "tags"].set_index("item_id")
    assert tags.loc[["i4"], ["code", "likelier"]].to_numpy().tolist() == [[3, 2]]  # the tag that it lacks
    assert tags.loc["i4", "probability"] < 0.02 * 0.5  # half of the items have it
    assert len(tags) < 0.1 * N


def test_the_same_whatever_the_partitions(shop: Shop) -> None:
    once, again = (
        judged(replace(shop, rows=rows), 0.3, 0.02).sort_values(["item_id", "attribute", "code"])
        for rows in (shop.rows, shop.rows.repartition(5))
    )
    pd.testing.assert_frame_equal(once.reset_index(drop=True), again.reset_index(drop=True))


def test_items_alike_lie_together(shop: Shop) -> None:
    found = latents(shop.rows, shop.folders).toPandas().set_index("item_id")
    vectors = np.stack(list(found["latent"]))
    kind = found.index.str[1:].astype(int).to_numpy() % 2
    own, other = (vectors[kind == one].mean(axis=0) for one in (0, 1))
    nearer = np.linalg.norm(vectors - own, axis=1) < np.linalg.norm(vectors - other, axis=1)
    assert np.mean(nearer == (kind == 0)) > 0.95


def test_a_temperature_turns_overconfidence_back() -> None:
    field, random = Field("a", "categorical", 3, 1), torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 3, generator=random)
    truth = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=random) + 1
    told = torch.cat([torch.full((4000, 1), -torch.inf), 5 * logits], dim=1)  # five times too sure
    rows = Known(torch.zeros(4000, dtype=torch.int64), truth, torch.zeros(4000, 0), torch.ones(4000, 1).long())

    class Told:
        fields = (field,)

        def present(self, seen: Seen) -> torch.Tensor:
            return torch.ones(len(seen.items), 2, dtype=torch.bool)

        def read(self, seen: Seen) -> None:
            """Nothing is read."""

        def tell(self, experts: None, visible: torch.Tensor, one: Field) -> torch.Tensor:
            return told

    (slope, *_) = calibrate(Told(), rows)["a"]  # type: ignore[arg-type]
    assert slope == pytest.approx(1 / 5, rel=0.1)
    chances = probabilities(field, told, Calibration(slope))
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(4000, dtype=torch.float64))


def test_the_imputer_tells_the_kind_from_the_price() -> None:
    rows, layout = known(frame()), FIELDS
    found = imputed(rows, layout)
    assert set(found) == {"kind", "tags", "price"}  # text is not imputed
    asked = rows.parts[:, 0] == TEST
    assert found["kind"].n == asked.sum()
    told = ((rows.parts[asked][:, [1, 3]] == 0).any(dim=1)).double().mean()  # tags or price are not hidden, too
    assert found["kind"].mean > 0.97 * float(told)
    of_price = rows.numbers[rows.parts[:, 3] == TEST].abs()  # what the median tells
    assert found["price"].mean < 0.7 * float(of_price.nanmean())
    codes = rows.codes.clone()
    codes[asked, 0] = 3 - codes[asked, 0]
    other = imputed(Known(rows.items, codes, *rows[2:]), layout)["kind"].mean
    assert other == pytest.approx(1 - found["kind"].mean)  # it has not seen what it is asked


def test_a_large_catalogue_is_not_imputed() -> None:
    wide = [Field("kind", "categorical", 101, 1)]
    assert imputed(Known(*(torch.zeros(2, 1, dtype=torch.int64) for _ in range(4))), wide) == {}
