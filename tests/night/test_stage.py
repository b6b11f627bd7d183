"""What decides a stage is what it declares, and nothing else."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyspark.sql import SparkSession
from tests.night.nights import context, note

from recaug.config import STAGES, Config, convert, load
from recaug.errors import ContractError
from recaug.lake.contracts import TABLES
from recaug.lake.views import UndeclaredTable
from recaug.night.context import StageResult, UndeclaredRecord
from recaug.night.nightly import RUN, check_order, inputs_of, is_done
from recaug.night.stage import NIGHT, candidates_hash, sections_hash
from recaug.results import Ingest, Prepare, Publish, Result, Train, Trial, Verdict
from recaug.studies.completion import COMPLETE
from recaug.studies.pictures import IMAGES

DEMO = load("conf/weeks.yaml")
DATE = dt.date(2017, 1, 10)
EMPTY: dict[str, Result] = {
    "ingest": Ingest(rows_in=0, events=0, duplicates=0, quarantined=0, items=0, reasons={}, days=(None, "2017-01-10")),
    "train": Train(models=[]),
    "evaluate": Trial(
        task="recommend",
        metric="ndcg@10",
        seeds=1,
        units={},
        arms={},
        baselines={},
        leaks={},
        tail_share=0.0,
        chosen=None,
        verdict=Verdict(decision="hold", reasons=()),
    ),
    "publish": Publish(augmented=0),
}


def changed(config: Config, key: str, value: Any) -> Config:
    """The configuration with another value of a dotted key."""
    builtins = msgspec.to_builtins(config)
    *sections, last = key.split(".")
    place = builtins
    for section in sections:
        place = place[section]
    place[last] = value
    return convert(builtins)


def test_the_stages_are_those_of_the_night_in_its_order() -> None:
    assert tuple(NIGHT) == tuple(RUN) == STAGES
    assert all(stage.name == name for name, stage in NIGHT.items())


def test_a_night_is_not_made_from_another_nights_tables(spark: SparkSession, tmp_path: Path) -> None:
    """night_out_of_order: the lists of one night were written from the sequences of the next."""
    before, after = DATE - dt.timedelta(days=1), DATE + dt.timedelta(days=1)
    older, night, newer = (context(spark, tmp_path, date) for date in (before, DATE, after))
    check_order(night, STAGES, again=False)
    prepared = Prepare(users=0, events=0, items=0, cold=0, rows={}, covisitation=0, negatives=0, windows=[])
    note(night, "prepare", StageResult(prepared, "hash"))
    check_order(night, ["recommend"], again=False)
    check_order(newer, STAGES, again=False)
    check_order(newer, ["ingest"], again=False)
    with pytest.raises(ContractError, match="recommend: the sequences are those of 2017-01-10; run prepare of"):
        check_order(newer, ["recommend"], again=False)
    with pytest.raises(ContractError, match=r"holds the night of 2017-01-10, later than 2017-01-09; .* with --again$"):
        check_order(older, STAGES, again=False)
    check_order(older, STAGES, again=True)
    with pytest.raises(ContractError, match="train: the sequences are those of 2017-01-10"):
        check_order(older, ["train", "augment"], again=True)


def test_what_is_declared_is_there_and_comes_before() -> None:
    written = {*COMPLETE.writes, "erased_users"}
    for number, stage in enumerate(NIGHT.values()):
        assert {*stage.reads, *stage.writes} <= set(TABLES) - {"runs"}
        assert set(stage.reads) <= written, stage.name
        assert set(stage.needs) <= set(STAGES[:number])
        written |= set(stage.writes)
    for stage in (*NIGHT.values(), COMPLETE, IMAGES):
        assert len(sections_hash(stage, DEMO)) == 16  # every section is a key


@pytest.mark.parametrize(
    ("key", "value", "first"),
    [
        ("source.events.session_gap_minutes", 31, "ingest"),
        ("prepare.folds", 3, "prepare"),
        ("negatives.alpha", 0.5, "prepare"),
        ("covisitation", {"decay": 0.5}, "prepare"),
        ("privacy.min_users", 2, "prepare"),
        ("training.workers", 1, "train"),
        ("augment.buckets", 8, "augment"),
        ("sasrec.dim", 32, "evaluate"),
        ("evaluate.gate.min_lift", 0.1, "evaluate"),
        ("recommend.k", 10, "recommend"),
        ("search_ranking.length", 10, "search"),
        ("tracking.experiment", "another", None),
        ("source.events.path", "/elsewhere", None),
        ("artifacts", "/elsewhere", None),
        ("training.launcher", "local", None),
        ("training.timeout_seconds", 1, None),
    ],
)
def test_a_change_decides_a_stage_and_what_follows_from_it(key: str, value: Any, first: str | None) -> None:
    other = changed(DEMO, key, value)
    moved = [name for name, stage in NIGHT.items() if sections_hash(stage, DEMO) != sections_hash(stage, other)]
    searched = key.partition(".")[0] in ("source", "prepare", "training", "search_ranking")
    after = STAGES[STAGES.index(first) :] if first else ()
    following = [name for name in after if name != "search" or searched]
    assert moved == following
    of_candidates = first is not None and STAGES.index(first) <= STAGES.index("augment")
    assert (candidates_hash(DEMO) != candidates_hash(other)) == of_candidates
    assert (DEMO.hash != other.hash) == (first is not None)


def test_no_section_has_a_name_that_is_none() -> None:
    with pytest.raises(KeyError):
        DEMO.sections_hash(["evaluate.gates"])
    assert DEMO.sections_hash(["seed", "training"]) == DEMO.sections_hash(["training", "seed"])


def test_a_stage_sees_what_it_declares(spark: SparkSession, tmp_path: Path) -> None:
    night = context(spark, tmp_path, DATE)
    note(night, "train", StageResult(EMPTY["train"], "weights"))
    augment = night.of_stage(NIGHT["augment"])
    assert augment.recorded("train").content_hash == "weights"
    assert augment.history("complete") == []
    with pytest.raises(UndeclaredTable, match="table runs is not declared"):
        augment.lake.read("runs")
    with pytest.raises(UndeclaredRecord, match="augment does not declare that it needs the record of evaluate"):
        augment.recorded("evaluate")
    with pytest.raises(UndeclaredRecord, match="augment does not declare that it reads the history of train"):
        augment.history("train")


def test_a_record_of_another_configuration_is_none(spark: SparkSession, tmp_path: Path) -> None:
    night = context(spark, tmp_path, DATE)
    note(night, "evaluate", StageResult(EMPTY["evaluate"], decision="publish"))
    same = context(spark, tmp_path, DATE, recommend={"k": 7}).of_stage(NIGHT["publish"])
    assert same.recorded("evaluate").decision == "publish"
    other = context(spark, tmp_path, DATE, augment={"buckets": 8}).of_stage(NIGHT["publish"])
    assert other.find("evaluate") is None
    with pytest.raises(ContractError, match="evaluate stage of 2017-01-10 has not run .*; run it before publish"):
        other.recorded("evaluate")
    assert list(night.night()) == ["evaluate"]


def test_a_stage_is_done_while_its_inputs_are_the_same(spark: SparkSession, tmp_path: Path) -> None:
    night, publish = context(spark, tmp_path, DATE), NIGHT["publish"]
    note(night, "evaluate", StageResult(EMPTY["evaluate"], "first"))
    inputs = inputs_of(night, publish)
    note(night, "publish", StageResult(EMPTY["publish"]), inputs)
    record = night.night()["publish"]
    assert is_done(night, record, inputs_of(night, publish))
    assert not is_done(night, None, inputs)
    note(night, "evaluate", StageResult(EMPTY["evaluate"], "second"))
    assert not is_done(night, record, inputs_of(night, publish))
    note(night, "evaluate", StageResult(EMPTY["evaluate"], "first"))
    assert is_done(night, record, inputs_of(night, publish))
    rows = spark.createDataFrame([], TABLES["vocabulary"].columns)
    night.lake.replace(rows, "vocabulary", {}, "run")
    assert not is_done(night, record, inputs_of(night, publish))


def test_an_earlier_nights_record_is_an_input_and_a_later_one_is_not(spark: SparkSession, tmp_path: Path) -> None:
    night = context(spark, tmp_path, DATE)
    note(night, "ingest", StageResult(EMPTY["ingest"], "own"))
    note(context(spark, tmp_path, DATE + dt.timedelta(days=1)), "ingest", StageResult(EMPTY["ingest"], "later"))
    assert inputs_of(night, NIGHT["ingest"]).records == {}
    note(context(spark, tmp_path, DATE - dt.timedelta(days=1)), "ingest", StageResult(EMPTY["ingest"], "earlier"))
    assert set(inputs_of(night, NIGHT["ingest"]).records) == {"ingest, history"}
