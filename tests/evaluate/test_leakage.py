"""Each kind of leak, planted into the tables of a small night, is found, and found by its own check."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from safetensors.numpy import save_file
from tests.night.nights import HEAD, context, day, line

from recaug.clickstream import covisitation
from recaug.clickstream.features import item_features, normalised, user_features
from recaug.clickstream.negatives import sample_negatives
from recaug.clickstream.sequences import histories
from recaug.clickstream.splits import train_end, window_events
from recaug.evaluate.arms import training_rows
from recaug.evaluate.leakage import leak_checks
from recaug.evaluate.task import Check
from recaug.lake.tables import conform
from recaug.night import ingest, prepare
from recaug.night.context import Context
from recaug.night.counting import counting_of, marked
from recaug.night.experiment import TrainingRows, tables_of
from recaug.results import Arm, Part, Train, TrainedModel
from recaug.training.inputs import log_popularity

# Train on the days 1 to 6, validate on 7 and 8, test on 9 and 10.
WINDOWS = {"train_days": 6, "validation_days": 2, "test_days": 2, "min_item_users": 2, "max_length": 4}
HOLDOUT = {"share": 0.2, "validation_share": 0.2, "folds": 4, "fold": 0}
Plant = Callable[[Context, DataFrame], DataFrame]


@pytest.fixture(scope="module")
def ingested(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of twenty users and its events; some come, and an item comes, after the train days."""
    folder, random = tmp_path_factory.mktemp("ingested"), np.random.default_rng(1)
    (folder / "log").mkdir()
    events = [
        line(f"u{user}", f"i{int(9 * random.random() ** 2)}", day(number, 8 + user / 10))
        for number in range(1, 11)
        for user in range(20)
    ]
    events += [line("newcomer", "i0", day(10, 20)), line("u0", "late", day(10, 21)), line("u1", "late", day(10, 21))]
    (folder / "log" / "log.csv").write_text(HEAD + "".join(events))
    ingest.run(context(spark, folder, day(10).date()))
    return folder


@pytest.fixture(scope="module", params=["time", "leave_one_out", "share", "users"])
def honest(
    request: pytest.FixtureRequest, spark: SparkSession, ingested: Path, tmp_path_factory: pytest.TempPathFactory
) -> Context:
    """A night of each split over the same events. `time` has candidates and arms."""
    folder = tmp_path_factory.mktemp("honest") / "night"
    shutil.copytree(ingested, folder)
    night = context(
        spark,
        folder,
        day(10).date(),
        prepare=WINDOWS | {"split": request.param, "holdout": HOLDOUT},
        negatives={"per_user": 5},
    )
    prepare.run(night)
    lake = night.lake
    if request.param != "time":
        return night
    lake.replace(following(night, "split = 'train'"), "candidate_events", {"run_id": night.run_id}, night.run_id)
    rows = lake.read("sequences").where("split = 'train'")
    arms = [
        training_rows(rows, lake.read("candidate_events").where(kept), lake.read("vocabulary"), 4, 2).withColumn(
            "arm", F.lit(arm)
        )
        for arm, kept in (("none", "false"), ("vae", "true"))
    ]
    for arm, made in zip(("none", "vae"), arms, strict=True):
        lake.replace(made, "training_rows", {"arm": arm}, night.run_id)
    return night


def checks_of(
    night: Context, folders: Mapping[str, str] | None = None, planted: Mapping[str, DataFrame] | None = None
) -> list[Check]:
    """Every check of a night; folders: of generators, by kind-foldK; planted: rows in a table's place."""
    models = [
        TrainedModel(name=name, folder=folder, seed=0, seconds=1.0, generator="vae", fold=int(name[-1]))
        for name, folder in (folders or {}).items()
    ]
    tables = replace(tables_of(night), training_rows=TrainingRows(night).read())
    instead = {name.replace("candidate_events", "candidates"): rows for name, rows in (planted or {}).items()}
    tables = replace(tables, **instead)
    arms = [Arm(name="none"), Arm(name="vae", parts=(Part(generators=("vae",)),))]
    return leak_checks(tables, night.config, arms, Train(models=models))


def events(night: Context) -> DataFrame:
    """Every event that counts, with its split."""
    return window_events(night.lake.read("events"), night.date, night.config.prepare)


def following(night: Context, which: str) -> DataFrame:
    """Continuations of some events, as a generator would write them: the item that the user had."""
    return (
        events(night)
        .where(which)
        .join(night.lake.read("vocabulary").select("item_id"), "item_id", how="left_semi")
        .selectExpr(
            "concat('generated-', event_id) AS event_id",
            "user_id",
            "item_id",
            "'purchase' AS event_type",
            "event_time",
            "cast(null AS string) AS session_id",
            "cast(null AS double) AS price",
            "cast(null AS double) AS quantity",
            "cast(null AS string) AS query",
            f"DATE'{night.date}' AS event_date",
            "'vae' AS generator",
            "'1' AS generator_version",
            f"'{night.run_id}' AS run_id",
            "array(user_id) AS source_users",
            "event_id AS parent_event_id",
            "0.3D AS weight",
            "0.5D AS fidelity",
        )
    )


def vocabulary_with_test_items(night: Context, rows: DataFrame) -> DataFrame:
    counts = events(night).groupBy("item_id").agg(F.count("*").cast("int").alias("all"))
    return rows.join(counts, "item_id").withColumn("events", F.col("all")).drop("all")


def with_held_out_event(split: str, of: str) -> Plant:
    def plant(night: Context, rows: DataFrame) -> DataFrame:
        held = events(night).where(f"split = '{of}'").groupBy("user_id").agg(F.min("event_id").alias("held"))
        longer = F.when(F.col("split") == split, F.concat("event_ids", F.array("held"))).otherwise(F.col("event_ids"))
        joined = rows.join(held, "user_id", how="left")
        return joined.withColumn("event_ids", F.coalesce(longer, "event_ids")).drop("held")

    return plant


def seen_targets(split: str) -> Plant:
    def plant(night: Context, rows: DataFrame) -> DataFrame:
        known = F.array_union("seen", F.filter("targets", lambda target: target > 0))
        return rows.withColumn("seen", F.when(F.col("split") == split, known).otherwise(F.col("seen")))

    return plant


def counts_of_all_events(night: Context, rows: DataFrame) -> DataFrame:
    people = night.lake.read("sequences").where("split = 'serve'").select("user_id", "user_index", "fold")
    way = counting_of(night)
    whole = histories(events(night), night.lake.read("vocabulary"), people)
    return marked(covisitation.counts(whole, way.window, way.backward), way)


def user_features_of_all_events(night: Context, rows: DataFrame) -> DataFrame:
    return normalised(user_features(events(night), train_end(night.date, night.config.prepare))).join(
        rows.select("user_id", "user_index"), "user_id"
    )


def item_features_of_all_events(night: Context, rows: DataFrame) -> DataFrame:
    return normalised(item_features(events(night), train_end(night.date, night.config.prepare))).join(
        rows.select("item_id", "item_index"), "item_id"
    )


def negatives_that_spare_what_is_held_out(night: Context, rows: DataFrame) -> DataFrame:
    words = night.lake.read("vocabulary").orderBy("item_index").toPandas()
    settings = night.config.negatives
    serve = night.lake.read("sequences").where("split = 'serve'")
    drawn = sample_negatives(serve, words["events"].to_numpy(), settings.alpha, settings.per_user, 1)
    return drawn.withColumn("event_date", F.lit(night.date))


def a_held_out_parent(night: Context, rows: DataFrame) -> DataFrame:
    first = events(night).agg(F.min("event_time")).first()[0]  # type: ignore[index]
    followed = following(night, "split != 'train' AND user_id != 'newcomer'")
    return rows.unionByName(followed.withColumn("event_time", F.lit(first)))


def a_late_history(night: Context, rows: DataFrame) -> DataFrame:
    late = {
        "parent_event_id": F.lit(None).cast("string"),
        "user_id": F.lit("generated"),
        "event_time": F.lit(day(10)),
    }
    return rows.unionByName(following(night, "split = 'train'").limit(1).withColumns(late))


def a_source_without_train_events(night: Context, rows: DataFrame) -> DataFrame:
    sources = F.array(F.lit("newcomer"))
    return rows.unionByName(following(night, "split = 'train'").limit(1).withColumn("source_users", sources))


def an_item_of_the_test(night: Context, rows: DataFrame) -> DataFrame:
    return rows.unionByName(following(night, "split = 'train'").limit(1).withColumn("item_id", F.lit("late")))


def rows_with_the_next_item(night: Context, rows: DataFrame) -> DataFrame:
    serve = night.lake.read("sequences").where("split = 'serve'").select("user_index", F.col("items").alias("later"))
    return rows.join(serve, "user_index", how="left").withColumn("items", F.coalesce("later", "items")).drop("later")


def continuations_that_nobody_generated(night: Context, rows: DataFrame) -> DataFrame:
    slots = np.full(8, night.lake.read("vocabulary").count(), dtype="<i4").tobytes()
    return rows.withColumn("continuations", F.lit(bytearray(slots)))


# The table of each plant; a group is planted together, and every check but those of the names finds nothing.
PLANTS: list[dict[str, tuple[str, Plant]]] = [
    {
        "vocabulary": ("vocabulary", vocabulary_with_test_items),
        "sequences": ("sequences", with_held_out_event("train", "validation")),
        "user_features": ("user_features", user_features_of_all_events),
        "negatives": ("negatives", negatives_that_spare_what_is_held_out),
        "candidate_events, parent": ("candidate_events", a_held_out_parent),
        "candidate_events, time": ("candidate_events", a_late_history),
        "candidate_events, source": ("candidate_events", a_source_without_train_events),
        "candidate_events, item": ("candidate_events", an_item_of_the_test),
    },
    {
        "sequences": ("sequences", with_held_out_event("validation", "test")),
        "seen": ("sequences", seen_targets("test")),
        "item_features": ("item_features", item_features_of_all_events),
        "covisitation": ("covisitation", counts_of_all_events),
        "training_rows": ("training_rows", rows_with_the_next_item),
        "training_rows, generated": ("training_rows", continuations_that_nobody_generated),
    },
    {
        "sequences": ("sequences", with_held_out_event("test", "test")),
        "seen": ("sequences", seen_targets("validation")),
    },
]


def test_an_honest_night_leaks_nowhere(honest: Context) -> None:
    checks = checks_of(honest)
    assert len(checks) == (13 if honest.config.prepare.split == "time" else 7)
    assert [check for check in checks if check.leaks] == []


@pytest.mark.parametrize("honest", ["users"], indirect=True)
def test_a_held_out_users_history_in_a_train_row_is_a_leak(honest: Context) -> None:
    sequences = honest.lake.read("sequences")
    learnt = sequences.where("split = 'test'").withColumn("split", F.lit("train"))
    checks = checks_of(honest, planted={"sequences": sequences.unionByName(learnt)})
    assert {check.name for check in checks if check.leaks} == {"sequences", "seen"}


@pytest.mark.parametrize("honest", ["time"], indirect=True)
@pytest.mark.parametrize("plants", PLANTS, ids=["; ".join(plants) for plants in PLANTS])
def test_planted_leaks_are_found_by_their_checks(honest: Context, plants: dict[str, tuple[str, Plant]]) -> None:
    planted = dict[str, DataFrame]()
    for table, plant in plants.values():
        planted[table] = plant(honest, planted.get(table, honest.lake.read(table)))
    # as the lake would have them, made once
    checks = checks_of(
        honest, planted={table: conform(rows, table).localCheckpoint() for table, rows in planted.items()}
    )
    assert {check.name for check in checks if check.leaks} == set(plants)
    assert all(check.example for check in checks if check.leaks)


@pytest.mark.parametrize("honest", ["time"], indirect=True)
def test_a_generator_that_counted_its_own_fold_is_found(honest: Context, tmp_path: Path) -> None:
    popularity = np.exp(log_popularity(honest.lake.read("vocabulary")))  # of all folds
    save_file({"informed.popularity": popularity}, tmp_path / "model.safetensors")
    checks = checks_of(honest, {"vae-fold0": str(tmp_path)})
    assert checks[-1].name == "generator vae-fold0"
    assert checks[-1].leaks > 0
    save_file({"output.bias": popularity}, tmp_path / "model.safetensors")  # carries no counts: not looked at
    checks = checks_of(honest, {"vae-fold0": str(tmp_path)})
    assert not any(check.name.startswith("generator") for check in checks)
