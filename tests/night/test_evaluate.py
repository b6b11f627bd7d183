"""Evaluate refuses candidates that know what they are to be proved on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.conftest import THIN_DAY, copied
from tests.night.nights import HEAD, context, day, line, note

from recaug.clickstream.splits import windows
from recaug.config import Config
from recaug.errors import ContractError
from recaug.evaluate.fidelity import ranking
from recaug.evaluate.tasks import recommend
from recaug.evaluate.trial import refuse_leaks
from recaug.night import augment, evaluate, ingest, prepare, train
from recaug.night.context import Context
from recaug.night.experiment import recommend_task, recorded_arms
from recaug.night.nightly import night_context
from recaug.results import Arm, ArmResult, Catalogue, Measured, Train, TrainedModel, Trial, Verdict

SASREC = {  # slow enough that the best epoch, of validation users who had no new item, knows these
    "epochs": 20,
    "patience": 4,
    "batch_rows": 16,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "warmup_share": 0.1,
    "clip_norm": 1.0,
}


def test_a_continuation_of_a_held_out_event_is_a_leak(
    night: tuple[Config, dict[str, Any]], spark: SparkSession, tmp_path: Path
) -> None:
    """Rows that follow each event of the validation and the test, as a generator that saw these would write them."""
    seen = night_context(copied(night[0], tmp_path), THIN_DAY, spark)
    events = seen.lake.read("events")
    first = events.agg(F.min("event_time")).first()
    assert first is not None
    held_out = events.where(F.col("event_date") >= F.lit(windows(THIN_DAY, seen.config.prepare).validation_start))
    leaking = held_out.withColumns(
        {
            "parent_event_id": F.col("event_id"),
            "event_id": F.concat(F.lit("generated-"), "event_id"),
            "event_time": F.lit(first[0]),  # dated early: what it follows gives it away
            "generator": F.lit("vae"),
            "generator_version": F.lit("1"),
            "run_id": F.lit(seen.run_id),
            "source_users": F.array("user_id"),
            "weight": F.lit(0.3),
            "fidelity": F.lit(0.5),
        }
    )
    rows = seen.lake.replace(leaking, "candidate_events", {"run_id": seen.run_id}, seen.run_id).rows
    assert rows >= 30
    with pytest.raises(ContractError, match=f"leak.* {rows} rows of candidate_events, parent"):
        evaluate.run(seen)


@pytest.fixture
def with_new_items(spark: SparkSession, tmp_path: Path) -> Context:
    """A night, up to its prepared tables, in which each of four kinds has an item that nobody had before the test."""
    random = np.random.default_rng(1)
    (tmp_path / "log").mkdir()
    lines = [
        line(f"u{user}", f"kind{user % 4}-{random.integers(15)}", day(number, hour + user / 100))
        for number in range(1, 4)
        for hour in (8, 10, 12)
        for user in range(80)
    ]
    lines += [line(f"u{user}", f"kind{user % 4}-new", day(4)) for user in range(80)]
    (tmp_path / "log" / "log.csv").write_text(HEAD + "".join(lines))
    names = [f"kind{kind}-{number}" for kind in range(4) for number in (*range(15), "new")]
    (tmp_path / "items.csv").write_text("id,title\n" + "".join(f"{name},{name.split('-')[0]}\n" for name in names))
    items = {"path": f"{tmp_path}/items.csv", "format": "csv", "options": {"header": "true"}, "item_id": "id"}
    night = context(
        spark,
        tmp_path,
        day(4).date(),
        source={"items": items | {"title": "title", "categorical": {}}},
        prepare={"train_days": 2, "validation_days": 1, "test_days": 1, "min_item_users": 0, "max_length": 8},
        negatives={"per_user": 5, "alpha": 0.0},
        training={"launcher": "local", "workers": 1},
        sasrec={"layers": "sasrec", "positions": "absolute", "blocks": 1, "dropout": 0.1, "optimiser": SASREC},
        augment={"generators": [{"kind": "rare_items", "events": 0, "draw": {"continuations": 2, "weight": 0.3}}]},
        evaluate={"seeds": 1},
    )
    ingest.run(night)
    prepare.run(night)
    note(night, "train", train.run(night))
    augment.run(night)
    return night


def test_generated_rows_teach_the_recommender_items_that_nobody_had(with_new_items: Context) -> None:
    words = with_new_items.lake.read("vocabulary").toPandas().set_index("item_id")
    assert len(words) == 64
    assert words.loc["kind2-new", ["users", "events"]].tolist() == [0, 0]
    trial = evaluate.run(with_new_items).metrics
    assert isinstance(trial, Trial)
    recall = {arm: result.measured.measures["overall"]["recall@20 rare"].mean for arm, result in trial.arms.items()}
    assert recall["none"] < 0.1
    assert recall["rare_items"] > 0.9
    # that the catalogue knows an item does not hide that its events are of the test
    lake = with_new_items.lake
    counted = F.when(F.col("item_id") == "kind1-new", 20).otherwise(F.col("events"))
    lake.replace(lake.read("vocabulary").withColumn("events", counted).persist(), "vocabulary", {}, "r")
    with pytest.raises(ContractError, match="leak.* 1 rows of vocabulary .item_id kind1-new, events 20, n 0"):
        refuse_leaks(recommend_task(with_new_items), recorded_arms(with_new_items))


def test_an_epoch_is_judged_by_as_many_users_as_are_named(
    night: tuple[Config, dict[str, Any]], spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommend, "WATCHED_USERS", 7)
    watched = recommend_task(night_context(night[0], THIN_DAY, spark)).validation
    assert watched is not None
    assert len(watched.histories) == 7


def test_an_arm_ranks_as_the_worst_of_the_generators_it_draws_from() -> None:
    def model(generator: str, fold: int, own: float) -> TrainedModel:
        values = (0.0, own, 0.9)  # of which the second is kept
        curves = [{"epoch": float(n), "validation_ndcg@10": value} for n, value in enumerate(values)]
        known = {"name": f"{generator}-fold{fold}", "folder": "", "seed": 0, "seconds": 0.0, "counts_ndcg": 0.04}
        return TrainedModel(generator=generator, fold=fold, curves=curves, epoch=1, **known)

    trained = Train(models=[model("vae", 0, 0.03), model("vae", 1, 0.01), model("gan", 0, 0.04), model("gan", 1, 0.04)])
    assert ranking(trained, ["gan", "counts", "vae"]) == pytest.approx(0.5)
    assert ranking(trained, ["gan"]) == pytest.approx(1.0)
    assert ranking(trained, ["counts", "classic"]) is None  # they are not trained


def test_what_a_trial_found_is_the_same_wherever_its_models_lie() -> None:
    def content(folder: str) -> str:
        model = TrainedModel(name="sasrec", folder=folder, seed=0, seconds=1.0)
        nothing = Catalogue(coverage=0.0, gini=0.0, novelty=0.0)
        result = ArmResult(arm=Arm(name="none"), measured=Measured(measures={}, catalogue=nothing, models=[model]))
        verdict = Verdict(decision="hold", reasons=("so it is",))
        known: dict[str, Any] = {
            "units": {},
            "baselines": {},
            "leaks": {},
            "tail_share": 0.5,
            "chosen": None,
            "verdict": verdict,
        }
        return evaluate.content_of(Trial(task="recommend", metric="ndcg@10", seeds=1, arms={"none": result}, **known))

    assert content("/a/models/sasrec-1") == content("s3a://b/models/sasrec-1") != content("/a/models/sasrec-2")
