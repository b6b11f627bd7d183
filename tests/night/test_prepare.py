"""Prepare reads nothing later than the cut, and writes the same rows wherever it ran."""

import datetime as dt
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from tests.night.nights import HEAD, context, day, line

from recaug.config import load
from recaug.errors import ContractError
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import ingest, prepare
from recaug.night.context import Context, StageResult

# Train on the days 1 to 6, validate on 7 and 8, test on 9 and 10.
DATE = dt.date(2017, 1, 10)
PREPARE = {"train_days": 6, "validation_days": 2, "test_days": 2, "min_item_users": 2, "max_length": 4}
REPEAT = {"task": "repeat", "folds": 2}
TABLES = ("vocabulary", "sequences", "user_features", "item_features", "covisitation", "negatives")


class Prepared(NamedTuple):
    """A night whose prepare has run."""

    folder: Path
    night: Context
    result: StageResult


def shop() -> list[str]:
    """Forty users, fifteen items; user n buys something on each day."""
    random = np.random.default_rng(1)
    return [
        line(f"u{user}", f"i{int(15 * random.random() ** 2)}", day(number, 8 + user / 10))
        for number in range(1, 11)
        for user in range(40)
    ]


def of_prepare(spark: SparkSession, folder: Path, **changes: object) -> Context:
    sections = {"prepare": PREPARE | changes, "negatives": {"per_user": 5}, "covisitation": {"window": 3}}
    return context(spark, folder, DATE, **sections)


def night(spark: SparkSession, folder: Path, lines: list[str], **changes: object) -> Context:
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "log.csv").write_text(HEAD + "".join(lines))
    made = of_prepare(spark, folder, **changes)
    ingest.run(made)
    return made


@pytest.fixture(scope="module")
def ingested(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's events, which prepare leaves as they are, once for all tests."""
    folder = tmp_path_factory.mktemp("shop")
    night(spark, folder, shop())
    return folder


@pytest.fixture
def of_shop(spark: SparkSession, ingested: Path, tmp_path: Path) -> Callable[..., Context]:
    """The night of the shop, in a copy of its own; takes changes to `prepare`."""

    def make(**changes: object) -> Context:
        shutil.copytree(ingested, tmp_path / "shop")
        return of_prepare(spark, tmp_path / "shop", **changes)

    return make


def learnt(lake: Lake) -> dict[str, set]:
    """What models learn from, by item names."""
    names = {row.item_index: row.item_id for row in lake.read("vocabulary").collect()}
    train = lake.read("sequences").where("split = 'train'")
    return {
        "vocabulary": {tuple(row) for row in lake.read("vocabulary").collect()},
        "train": {
            (
                row.user_id,
                row.window,
                bytes(row["items"]),
                bytes(row.times),
                tuple(row.event_ids),
                tuple(row.seen),
                row.n_events,
            )
            for row in train.collect()
        },
        "pairs": {
            (names[row.item_index], names[row.other_index], row.weight) for row in lake.read("covisitation").collect()
        },
        "features": {
            tuple(row)[1:] for name in ("user_features", "item_features") for row in lake.read(name).collect()
        },
        "negatives": {names[row.item_index] for row in lake.read("negatives").collect()},
    }


def layout(lake: Lake) -> list[list[tuple]]:
    """The rows of each file of the train split, in order."""
    files = lake.snapshot_files("sequences", {"split": "train"})
    tables = [pq.ParquetFile(file.removeprefix("file://")).read(["user_index", "window"]) for file in files]
    return [[tuple(row.values()) for row in table.to_pylist()] for table in tables]


@pytest.fixture(scope="module")
def prepared(spark: SparkSession, ingested: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The shop's tables, of tasks that shuffle into one partition; read them, change nothing."""
    folder = tmp_path_factory.mktemp("prepared")
    shutil.copytree(ingested, folder, dirs_exist_ok=True)
    made = of_prepare(spark, folder, **REPEAT)
    return Prepared(folder, made, of_partitions(made, 1))


def of_partitions(made: Context, partitions: int) -> StageResult:
    """Run the stage with so many shuffle partitions."""
    made.spark.conf.set("spark.sql.shuffle.partitions", partitions)
    try:
        return prepare.run(made)
    finally:
        made.spark.conf.set("spark.sql.shuffle.partitions", 2)


def test_the_same_rows_and_files_whatever_the_partitions(
    spark: SparkSession, prepared: Prepared, tmp_path: Path
) -> None:
    shutil.copytree(prepared.folder, tmp_path / "shop")
    made, expected = of_prepare(spark, tmp_path / "shop", **REPEAT), prepared.night
    result = of_partitions(made, 8)
    assert result == prepared.result
    assert [made.lake.content_hash(name) for name in TABLES] == [expected.lake.content_hash(name) for name in TABLES]
    files = layout(made.lake)
    assert files == layout(expected.lake)
    assert len(files) == prepare.FILES
    assert all(rows == sorted(rows) for rows in files)
    assert result.metrics.users == result.metrics.rows["serve"] == 40
    assert result.metrics.windows == ["2017-01-01", "2017-01-07", "2017-01-09", "2017-01-11"]
    assert result.metrics.negatives == 200
    assert made.lake.version("sequences") == 1


def test_nothing_after_the_cut_reaches_what_models_learn_from(
    spark: SparkSession, tmp_path: Path, prepared: Prepared
) -> None:
    late = ["u0", "u1", "u2", "new", "newer"]
    planted = [line(user, item, day(number)) for user in late for item in ("leak", "i0") for number in (7, 8, 9, 10)]
    never = [line(user, "after", day(11)) for user in late]
    made = night(spark, tmp_path / "planted", shop() + planted + never, **REPEAT)
    prepare.run(made)
    found = [learnt(prepared.night.lake), learnt(made.lake)]
    assert found[0]["vocabulary"] == found[1]["vocabulary"]
    assert found[0]["train"] == found[1]["train"]
    assert found[0]["pairs"] == found[1]["pairs"]
    assert found[0]["features"] == found[1]["features"]
    assert "leak" not in found[1]["negatives"]
    rows = made.lake.read("sequences")
    assert rows.where("user_id IN ('new', 'newer') AND split = 'train'").count() == 0
    test = rows.where("user_id = 'new' AND split = 'test'").first()
    assert (test.length, test.n_events, test.cold, sorted(test.targets)[0]) == (2, 4, True, 0)  # type: ignore[union-attr]
    assert made.lake.read("events").where("item_id = 'after'").count() == 0


def test_discovery_looks_for_what_is_new_to_the_user(of_shop: Callable[..., Context]) -> None:
    made = of_shop(task="discovery")
    prepare.run(made)
    for row in made.lake.read("sequences").collect():
        items = np.frombuffer(row["items"], "<i4")[: row.length]
        assert len(set(items)) == len(items)
        assert not set(row.targets) & set(row.seen)
        assert set(items) <= set(row.seen)


def test_a_day_of_log_cannot_be_cut_into_windows_of_days(spark: SparkSession, tmp_path: Path) -> None:
    made = night(spark, tmp_path, [line("u", "a", day(10)), line("v", "a", day(10))])
    with pytest.raises(
        ContractError,
        match=r"^the train window, 2017-01-01 up to 2017-01-07, has no event that counts; the lake's events are of "
        r"2017-01-10 to 2017-01-10: [^\n]*$",
    ):
        prepare.run(made)
    assert not made.lake.exists("vocabulary")


def test_without_an_item_that_enough_users_had_there_is_no_vocabulary(of_shop: Callable[..., Context]) -> None:
    made = of_shop(min_item_users=100)
    with pytest.raises(ContractError, match=r"^no item of the days [^\n]* has 100 users; lower prepare.min_item_users"):
        prepare.run(made)
    assert not made.lake.exists("vocabulary")


def test_a_core_that_nobody_belongs_to_is_refused(of_shop: Callable[..., Context]) -> None:
    made = of_shop(core=100)
    with pytest.raises(ContractError, match=r"^the days [^\n]* have no users and items with 100 [^\n]*prepare.core$"):
        prepare.run(made)
    assert not made.lake.exists("vocabulary")


def test_prepare_wants_ingest_first(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no table events"):
        prepare.run(context(spark, tmp_path, DATE))


def test_leave_one_out_of_an_order_only_log(spark: SparkSession, tmp_path: Path) -> None:
    config = load("conf/beauty.yaml")
    path = Path(config.source.events.path)
    if not path.exists():
        pytest.skip(f"no {path}: this test reads the Amazon reviews data")
    lines = [line.split() for line in gzip.decompress(path.read_bytes()).decode().splitlines()[:200]]
    (tmp_path / "log.txt").write_text("\n".join(" ".join(line) for line in lines))
    events = msgspec.structs.replace(config.source.events, path=str(tmp_path / "log.txt"))
    config = msgspec.structs.replace(config, source=msgspec.structs.replace(config.source, event_log=events))
    made = Context(
        spark, config, dt.date(2014, 7, 1), Lake(spark, path=f"{tmp_path}/lake"), Store(tmp_path / "artifacts")
    )
    assert ingest.run(made).metrics.events == sum(len(line) - 1 for line in lines)
    prepare.run(made)
    names = {row.item_index: row.item_id for row in made.lake.read("vocabulary").collect()}
    assert set(names.values()) == {item for line in lines for item in line[1:-2]}
    for row in made.lake.read("sequences").where("split IN ('validation', 'test')").collect():
        items = next(line[1:] for line in lines if line[0] == row.user_id)
        history, target = (items[:-1], items[-1]) if row.split == "test" else (items[:-2], items[-2])
        known = [item for item in history if item in names.values()]
        found = np.frombuffer(row["items"], "<i4")[: row.length]
        assert [names[item] for item in found] == known[-config.prepare.max_length :]
        assert [names.get(item) for item in row.targets] == [target if target in names.values() else None]
