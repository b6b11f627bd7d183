"""What follows the gate: generated rows are published, and recommended with, only where it says so."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.night.nights import note
from tests.training.conftest import MAX_LENGTH, N_ITEMS, USERS, small_config

from recaug.lake.contracts import TABLES
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import publish, recommend
from recaug.night.context import Context, StageResult
from recaug.results import Arm, ArmResult, Catalogue, Measured, Part, Refit, TrainedModel, Trial, Verdict
from recaug.training.checkpoint import finish_model
from recaug.training.models.sasrec import SASRec

DATE = dt.date(2017, 2, 4)


@pytest.fixture
def night(spark: SparkSession, own_toy: Lake, tmp_path: Path) -> Context:
    """The small lake, users to serve, titles, and candidates of two generators and of an earlier run."""
    lake = own_toy
    made = Context(spark, small_config(), DATE, lake, Store(tmp_path / "artifacts"))
    serve = lake.read("sequences").where("split = 'train'").withColumn("split", F.lit("serve"))
    lake.replace(serve.localCheckpoint(), "sequences", {"split": "serve"}, "r")
    lake.replace(filled(spark, "events", [("e0-0", DATE)], "event_id string, event_date date"), "events", {}, "r")
    items = [(f"i{item}", f"item {item}") for item in range(1, N_ITEMS + 1)]
    lake.replace(filled(spark, "items", items, "item_id string, title string"), "items", {}, "r")
    rows = [("a", "vae", made.run_id), ("b", "gan", made.run_id), ("c", "vae", made.run_id), ("d", "vae", "earlier")]
    candidates = filled(spark, "candidate_events", rows, "event_id string, generator string, run_id string")
    known = {"item_id": F.lit("i1"), "event_date": F.lit(DATE), "weight": F.lit(0.3), "parent_event_id": F.lit("e0-0")}
    lake.replace(candidates.withColumns(known), "candidate_events", {}, "r")
    return made


def filled(spark: SparkSession, table: str, rows: list[tuple], schema: str) -> DataFrame:
    """Rows of a table whose other columns are null."""
    given = spark.createDataFrame(rows, schema)
    others = [column.split(" ", 1) for column in TABLES[table].columns.split(", ")]
    return given.withColumns({name: F.lit(None).cast(kind) for name, kind in others if name not in given.columns})


def decided(night: Context, decision: str) -> Trial:
    """Record an evaluation of which the arm `vae` was chosen."""
    arms = {}
    for seed, arm in enumerate((Arm(name="none"), Arm(name="vae", parts=(Part(generators=("vae",)),)))):
        torch.manual_seed(seed)
        sizes = {"n_items": N_ITEMS, "dim": 8, "blocks": 1, "heads": 1, "dropout": 0.0, "max_length": MAX_LENGTH}
        folder = night.models.at(f"sasrec-{arm.name}")
        finish_model(folder, SASRec(**sizes), {"arguments": sizes})
        model = TrainedModel(name=arm.name, folder=folder.root, seed=0, seconds=1.0)
        nothing = Catalogue(coverage=0.0, gini=0.0, novelty=0.0)
        arms[arm.name] = ArmResult(arm=arm, measured=Measured(measures={}, catalogue=nothing, models=[model]))
    trial = Trial(
        task="recommend",
        metric="ndcg@10",
        seeds=1,
        units={},
        arms=arms,
        baselines={},
        leaks={},
        tail_share=0.5,
        chosen="vae",
        verdict=Verdict(decision=decision, reasons=("so it is",)),
    )
    note(night, "evaluate", StageResult(trial, "hash", decision, ("so it is",)))
    note(night, "refit", StageResult(Refit()))
    return trial


def test_what_the_gate_decides_is_what_is_published_and_recommended(night: Context) -> None:
    for decision, rows, arm in (("hold", None, "none"), ("publish", {"a", "c"}, "vae"), ("hold", set(), "none")):
        trial = decided(night, decision)
        published = publish.run(night)
        assert (published.decision, published.metrics.augmented) == (decision, len(rows or ()))
        assert night.lake.exists("augmented_events") == (rows is not None)
        if rows is not None:
            assert {row.event_id for row in night.lake.read("augmented_events").collect()} == rows
        recommended = recommend.run(night).metrics
        assert (recommended.arm, recommended.model) == (arm, trial.arms[arm].measured.models[0].folder)
        assert recommended.recommendations == USERS * night.config.recommend.k
        assert recommended.recall is None


def test_an_index_makes_the_lists_of_all_items_and_says_how_many_it_found(night: Context) -> None:
    pytest.importorskip("faiss")
    decided(night, "hold")
    lists = {}
    for index in ("exact", "ann"):
        settings = msgspec.structs.replace(night.config.recommend, index=index)
        asked = replace(night, config=msgspec.structs.replace(night.config, recommend=settings))
        found = recommend.run(asked).metrics
        assert (found.index, found.recall) == (index, None if index == "exact" else 1.0)
        rows = night.lake.read("recommendations").orderBy("user_id", "rank").select("user_id", "item_id").collect()
        lists[index] = [tuple(row) for row in rows]
    assert lists["ann"] == lists["exact"]
