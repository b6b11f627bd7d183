"""Evaluate refuses candidates that know what they are to be proved on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.night.nights import HEAD, context, day, line

from recaug.errors import ContractError
from recaug.night import evaluate, ingest, prepare
from recaug.night.context import Context

# Train on the days 1 to 6, validate on 7 and 8, test on 9 and 10.
WINDOWS = {"train_days": 6, "validation_days": 2, "test_days": 2, "min_item_users": 2, "max_length": 4}


@pytest.fixture
def prepared(spark: SparkSession, tmp_path: Path) -> Context:
    """A night of thirty users up to its prepared tables."""
    random = np.random.default_rng(1)
    (tmp_path / "log").mkdir()
    events = [
        line(f"u{user}", f"i{int(15 * random.random() ** 2)}", day(number, 8 + user / 10))
        for number in range(1, 11)
        for user in range(30)
    ]
    (tmp_path / "log" / "log.csv").write_text(HEAD + "".join(events))
    night = context(spark, tmp_path, day(10).date(), prepare=WINDOWS, negatives={"per_user": 5})
    ingest.run(night)
    prepare.run(night)
    return night


def continuations(night: Context, split: str) -> DataFrame:
    """Candidates that follow each event of a split's users, as a generator that saw the split would write them."""
    events = night.lake.read("events").where("event_type = 'purchase'")
    train = night.lake.read("sequences").where("split = 'train'").select(F.explode("event_ids").alias("event_id"))
    of_split = events.join(train, "event_id", how="left_semi" if split == "train" else "left_anti")
    return of_split.withColumns(
        {
            "parent_event_id": F.col("event_id"),
            "event_id": F.concat(F.lit("generated-"), "event_id"),
            "generator": F.lit("vae"),
            "arm": F.lit("vae"),
            "generator_version": F.lit("1"),
            "run_id": F.lit(night.run_id),
            "source_users": F.array("user_id"),
            "weight": F.lit(0.3),
            "fidelity": F.lit(0.5),
        }
    )


def written(night: Context, candidates: DataFrame) -> int:
    """Put candidates into the lake and count them."""
    return night.lake.replace(candidates, "candidate_events", {"run_id": night.run_id}, night.run_id).rows


def test_a_continuation_of_a_held_out_event_is_a_leak(prepared: Context) -> None:
    first = prepared.lake.read("events").agg(F.min("event_time")).first()
    assert first is not None
    # dated early: what it follows gives it away
    leaked = written(prepared, continuations(prepared, "held out").withColumn("event_time", F.lit(first[0])))
    assert leaked >= 30
    with pytest.raises(ContractError, match=f"leak.* {leaked} rows of candidate_events, parent"):
        evaluate.run(prepared)


def test_an_arm_ranks_as_the_worst_of_the_generators_it_draws_from() -> None:
    def of(own: float) -> dict[str, Any]:
        return {"curves": [{"validation_ndcg@10": 0.9}, {"validation_ndcg@10": own}], "counts_ndcg@10": 0.04}

    models = {"vae-fold0": of(0.03), "vae-fold1": of(0.01), "gan-fold0": of(0.04), "gan-fold1": of(0.04)}
    assert evaluate._ranking(models, ["gan", "counts", "vae"]) == {"ranking": pytest.approx(0.5)}
    assert evaluate._ranking(models, ["gan"]) == {"ranking": pytest.approx(1.0)}
    assert evaluate._ranking(models, ["counts", "classic"]) == {}  # they are not trained
