"""What arrives is in the lake once, as the night that follows finds it; a crash neither loses nor doubles a row."""

import datetime as dt
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.night.nights import HEAD, context, day, line, note
from tests.night.test_ingest import LOG
from tests.night.test_verdict import filled
from tests.training.conftest import MAX_LENGTH, N_ITEMS, binary

from recaug.errors import ConfigError
from recaug.lake.lease import hold
from recaug.lake.pseudonyms import Pseudonyms
from recaug.lake.tables import Lake
from recaug.night import ingest, publish
from recaug.night.context import Context, StageResult
from recaug.night.recommend import named
from recaug.recommend.lists import top_lists
from recaug.recommend.retrieval import EveryItem
from recaug.results import (
    Arm,
    ArmResult,
    Augment,
    Catalogue,
    Faithfulness,
    Ingest,
    Measured,
    Part,
    Prepare,
    Publish,
    Recommend,
    Refit,
    Train,
    TrainedModel,
    Trial,
    Verdict,
)
from recaug.stream.batch import Batch
from recaug.stream.commits import Commits
from recaug.stream.job import run_stream
from recaug.stream.watch import Watch
from recaug.training.checkpoint import finish_model
from recaug.training.models.sasrec import SASRec

FILES = {"stream": {"source": {"kind": "files", "max_files_per_trigger": 1}}}
NIGHT, TODAY = dt.date(2017, 1, 1), 2  # the last night's date, and the number of the day after it
GENERATORS = [{"kind": "counts", "attributes": 0.0}, {"kind": "pseudo_prior", "up_to": 3}]


def write(folder: Path, name: str, lines: list[str], head: str = HEAD) -> None:
    (folder / "log").mkdir(exist_ok=True)
    path = folder / "log" / f"{name}.csv"
    path.write_text(head + "".join(lines))
    arrive(path)


def arrive(path: Path) -> None:
    """Let a file be a second younger than those before it: by that Spark orders them."""
    second = 1_700_000_000 + len([*path.parent.iterdir()])
    os.utime(path, (second, second))


def stream(night: Context, done: Callable[[Batch], None] | None = None) -> tuple[list[Batch], list[str]]:
    batches: list[Batch] = []
    said: list[str] = []

    def note_batch(batch: Batch) -> None:
        batches.append(batch)
        if done is not None:
            done(batch)

    run_stream(night, said.append, once=True, done=note_batch)
    return batches, said


def rows(lake: Lake, table: str, *columns: str) -> list[tuple]:
    """All rows of a table, sorted: an independent reader counts them."""
    frame = lake.read(table).select(*columns).toPandas()
    return sorted(map(tuple, frame.astype(str).to_numpy().tolist()))


def test_the_night_that_follows_finds_what_was_streamed_in_pieces(spark: SparkSession, tmp_path: Path) -> None:
    streamed, whole = tmp_path / "streamed", tmp_path / "whole"
    for folder in (streamed, whole):
        folder.mkdir()
        for number, start in enumerate(range(0, len(LOG), 4)):
            write(folder, f"part-{number}", LOG[start : start + 4])
    live, alone = context(spark, streamed, dt.date(2017, 1, 4), **FILES), context(spark, whole, dt.date(2017, 1, 4))
    batches, said = stream(live)
    ingest.run(alone)
    assert sum(batch.rows for batch in batches) == len(LOG)
    assert any("no generator is published" in text for text in said)
    for table, columns in (
        ("events", ("event_id", "user_id", "item_id", "event_time", "session_id", "price", "event_date")),
        ("events_quarantine", ("raw", "reasons", "source", "dated")),
    ):
        assert rows(live.lake, table, *columns) == rows(alone.lake, table, *columns)
    ingest.run(live)
    columns = ("event_id", "session_id", "event_order", "event_time", "event_date")
    assert rows(live.lake, "events", *columns) == rows(alone.lake, "events", *columns)
    assert rows(live.lake, "events_quarantine", "raw") == rows(alone.lake, "events_quarantine", "raw")


def test_late_and_doubled_rows_and_broken_files_stop_nothing(spark: SparkSession, tmp_path: Path) -> None:
    night = context(spark, tmp_path, NIGHT, **FILES)
    write(tmp_path, "1", [line("u", "a", day(1)), line("v", "a", day(1))])
    note(night, "ingest", ingest.run(night))
    write(tmp_path, "2", [line("u", "b", day(2)), line("u", "b", day(2)), line("v", "c", "soon")])
    (tmp_path / "log" / "3.csv.gz").write_bytes(gzip.compress(HEAD.encode())[:-12])  # cut off
    arrive(tmp_path / "log" / "3.csv.gz")
    write(tmp_path, "4", [line("u", "b", day(2)), line("w", "a", day(1)), line("w", "a", day(2))])
    batches, _ = stream(night)
    counted = [(one.events, one.duplicates, one.quarantined, one.late) for one in batches]
    assert counted == [(0, 0, 0, 2), (1, 1, 1, 0), (0, 0, 1, 0), (1, 1, 0, 1)]  # the night's own rows are left to it
    assert rows(night.lake, "events", "user_id", "item_id") == [("u", "a"), ("u", "b"), ("v", "a"), ("w", "a")]
    assert ("['file cannot be read']", "3.csv.gz") in rows(night.lake, "events_quarantine", "reasons", "source")
    moved = msgspec.structs.replace(night.config.source.events, unique_by=["cost"])
    source = msgspec.structs.replace(night.config.source, event_log=moved)
    other = Context(spark, msgspec.structs.replace(night.config, source=source), NIGHT, night.lake, night.artifacts)
    with pytest.raises(ConfigError, match="another configuration"):
        stream(other)
    on_s3 = Context(spark, night.config, NIGHT, Lake(spark, "s3a://nights/lake"), night.artifacts)
    with pytest.raises(ConfigError, match="s3a://nights/lake a stream and a night can undo each other's commits"):
        stream(on_s3)


def test_only_what_is_no_night_keeps_the_stream_waiting(lake: Lake) -> None:
    watch = Watch(lake)
    with hold(lake, "the night of 2017-01-01", 60):
        assert watch.look().holder is None
    with hold(lake, "an erasure", 60):
        assert watch.free(patience=0).holder == "an erasure"
    assert watch.look().holder is None


@pytest.fixture
def published(spark: SparkSession, own_toy: Lake, tmp_path: Path) -> Context:
    """A small lake with a night that published continuations by the counts and earlier events, and made lists.

    Past the shop's own tables its users and events are pseudonyms.
    """
    night = context(spark, tmp_path, NIGHT, **FILES, augment={"generators": GENERATORS})
    given = msgspec.structs.replace(night.config.prepare, max_length=MAX_LENGTH)
    config = msgspec.structs.replace(night.config, prepare=given, refit=False)
    keyed = Lake(spark, own_toy.path, pseudonyms=Pseudonyms("0123456789abcdef" * 2))
    night = Context(spark, config, NIGHT, keyed, night.artifacts)
    own = night.lake.read("sequences").where("split = 'train'").withColumn("split", F.lit("serve"))
    serve = keyed.pseudonyms.hide(own, ("user_id",))
    night.lake.replace(serve.localCheckpoint(), "sequences", {"split": "serve"}, "r")
    items = [(f"i{item}", f"item {item}") for item in range(1, N_ITEMS + 1)]
    night.lake.replace(filled(spark, "items", items, "item_id string, title string"), "items", {}, "r")
    torch.manual_seed(0)
    sizes = {"n_items": N_ITEMS, "dim": 8, "blocks": 1, "heads": 1, "dropout": 0.0, "max_length": MAX_LENGTH}
    finish_model(night.models.at("sasrec"), SASRec(**sizes), {"arguments": sizes})
    record(night)
    return night


def record(night: Context) -> None:
    """Note a night that published and made lists; see published."""
    folder = night.models.at("sasrec").root
    arm = Arm(name="both", parts=(Part(generators=("counts", "pseudo_prior"), weight=2.0),))
    nothing = Catalogue(coverage=0.0, gini=0.0, novelty=0.0)
    model = TrainedModel(name="sasrec", folder=folder, seed=0, seconds=1.0)
    result = ArmResult(arm=arm, measured=Measured(measures={}, catalogue=nothing, models=[model]))
    verdict = Verdict(decision="publish", reasons=("so it is",))
    known: dict[str, Any] = {"units": {}, "baselines": {}, "leaks": {}, "tail_share": 0.5}
    trial = Trial(
        task="recommend", metric="ndcg@10", seeds=1, arms={"both": result}, chosen="both", verdict=verdict, **known
    )
    faith = Faithfulness(users=0, fall_reason=0.0, fall_random=0.0, larger=0.0)
    lists = {"arm": "both", "model": folder, "diversity": 0.0, "diversity_by_score": 0.0, "faithfulness": faith}
    counts: dict[str, Any] = {"rows": {}, "covisitation": 0, "negatives": 0, "windows": []}
    stages = {
        "ingest": Ingest(rows_in=0, events=0, duplicates=0, quarantined=0, items=0, reasons={}, days=(None, "")),
        "prepare": Prepare(users=0, events=0, items=0, cold=0, **counts),
        "train": Train(models=[]),
        "augment": Augment(sampled=0, candidates=0, generators={}),
        "evaluate": trial,
        "refit": Refit(),
        "publish": Publish(augmented=1, chosen="both"),
        "recommend": Recommend(recommendations=0, **lists),
    }
    for name, metrics in stages.items():
        note(night, name, StageResult(metrics, name, "publish" if name in ("evaluate", "publish") else "none"))


def arriving(folder: Path) -> None:
    """A new user's two files, and one of a user with a long history beside the second."""
    at = [day(TODAY, 12 + minute / 60) for minute in range(4)]
    write(folder, "1", [line("new", "i2", at[0]), line("new", "i4", at[1])])
    write(folder, "2", [line("new", "i6", at[2]), line("u7", "i2", at[3])])


def test_a_batch_that_is_killed_between_its_commits_is_there_once(
    published: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, killed, commit = published.lake, list[int](), Commits.events

    def killed_once(self: Commits, events: pd.DataFrame) -> int | None:
        if not killed:
            killed.append(self.number)
            raise OSError(5, "killed", "between two commits")
        return commit(self, events)

    arriving(tmp_path)
    monkeypatch.setattr(Commits, "events", killed_once)
    with pytest.raises(Exception, match="killed"):
        stream(published)
    assert not lake.exists("events")
    before = rows(lake, "augmented_events", "event_id", "item_id")
    assert before
    batches, said = stream(published)
    assert any(f"rows by counts, pseudo_prior of {NIGHT}; lists by the recommender of {NIGHT}" in text for text in said)
    real = lake.own("events").toPandas()
    assert sorted(zip(real["user_id"], real["item_id"], strict=True)) == [
        ("new", "i2"), ("new", "i4"), ("new", "i6"), ("u7", "i2"),
    ]  # fmt: skip
    drawn = lake.read("augmented_events").toPandas()
    assert drawn["event_id"].is_unique
    assert set(before) <= set(zip(drawn["event_id"], drawn["item_id"], strict=True))
    assert len(drawn) == len(before) + batches[1].generated  # the first is not written again
    follows = drawn[drawn["parent_event_id"].notna()]
    parents = lake.read("events").toPandas().set_index("event_id").loc[follows["parent_event_id"]]
    known = lake.pseudonyms.of("user_id", "new")
    assert set(parents["user_id"]) == {known} and set(follows["generator"]) == {"counts@stream"}  # u7 has enough events
    assert set(parents["item_id"]) <= {"i2", "i4", "i6"} and (follows.groupby("parent_event_id").size() <= 8).all()
    assert follows["weight"].unique().round(6).tolist() == [round(2 * 0.3 / 8, 6)]
    earlier = drawn[drawn["parent_event_id"].isna()]
    assert earlier["generator"].unique().tolist() == ["pseudo_prior@stream"] and earlier["user_id"].nunique() == 1
    assert {tuple(users) for users in drawn["source_users"]} == {(known,)}
    listed = lake.own("recommendations").where(F.col("event_date") == day(TODAY).date()).toPandas()
    assert sorted(listed["user_id"].unique()) == ["new", "u7"]
    assert listed.groupby("user_id")["rank"].apply(list).map(lambda ranks: ranks == list(range(1, 21))).all()
    history = pd.DataFrame(
        {"user_id": ["new"], "user_index": [0], "seen": [[2, 4, 6]], "items": [binary(np.array([2, 4, 6]))]}
    )
    model = published.models.at("sasrec").root
    expected = top_lists(lake.spark.createDataFrame(history), EveryItem(model), 20, True, 0.0).orderBy("rank")
    new = lake.own("recommendations").where("user_id = 'new'").orderBy("rank")
    assert [row["item_id"] for row in new.collect()] == [f"i{row['item_index']}" for row in expected.collect()]
    assert scores(new) == pytest.approx(scores(expected), abs=1e-6)
    past = [[f"i{item}" for item in row[0]] for row in expected.select("because.item_index").collect()]
    assert [row[0] for row in new.select("because.item_id").collect()] == past
    titles = lake.read("items").select("item_id", "title")
    names = lake.read("vocabulary").select("item_index", "item_id").join(titles, "item_id", how="left")
    by_night = named(expected, names).orderBy("rank")  # the same words as a night's
    assert [row["reason"] for row in new.collect()] == [row["reason"] for row in by_night.collect()]


def scores(listed: DataFrame) -> list[float]:
    return [row["score"] for row in listed.collect()]


def test_a_new_model_is_taken_without_a_restart_and_a_night_takes_the_streams_place(
    published: Context, tmp_path: Path
) -> None:
    lake, later = (
        published.lake,
        Context(published.spark, published.config, NIGHT + dt.timedelta(days=1), published.lake, published.artifacts),
    )
    arriving(tmp_path)
    (tmp_path / "log" / "2.csv").unlink()
    write(tmp_path, "2", [line("newer", "i6", day(TODAY + 1))])
    _, said = stream(published, lambda batch: record(later) if batch.number == 0 else None)
    assert [text for text in said if f"rows by counts, pseudo_prior of {later.date}" in text]
    days = {row["event_date"] for row in lake.read("augmented_events").select("event_date").distinct().collect()}
    assert days == {NIGHT + dt.timedelta(days=1), NIGHT + dt.timedelta(days=2)}
    publish.hold(Context(lake.spark, later.config, NIGHT + dt.timedelta(days=2), lake, later.artifacts), ("over",))
    assert lake.read("augmented_events").count() == 0
