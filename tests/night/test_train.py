import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.training.conftest import N_ITEMS, small_config, write_tables

from recaug.errors import ContractError
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.train import generator_jobs, run
from recaug.training.checkpoint import load_generator


@pytest.fixture
def context(spark: SparkSession, lake: Lake, tmp_path: Path) -> Context:
    write_tables(lake)
    return Context(
        spark=spark,
        config=small_config({"augment": {"generators": ["vae", "gan"]}}),
        date=dt.date(2017, 2, 4),
        lake=lake,
        artifacts=tmp_path / "artifacts",
    )


def test_every_generator_is_trained_once_a_fold_and_found_again(context: Context) -> None:
    result = run(context)
    models = result.metrics["models"]
    assert sorted(models) == ["gan-fold0", "gan-fold1", "vae-fold0", "vae-fold1"]
    for name, model in models.items():
        assert Path(model["folder"]).parent == context.models
        assert model["curves"][-1]["validation_ndcg@10"] > 0
        assert load_generator(model["folder"]).next_logits is not None
        assert not model["reused"], name
    again = run(context)
    assert again.content_hash == result.content_hash
    assert all(model["reused"] for model in again.metrics["models"].values())


def test_nothing_of_the_left_out_fold_reaches_its_generator(context: Context) -> None:
    jobs = {(job.kind, job.fold): job for job in generator_jobs(context)}
    assert set(jobs) == {(kind, fold) for kind in ("vae", "gan") for fold in (0, 1)}
    rows = context.lake.read("sequences").where("split = 'train' AND length >= 2")
    for (_, fold), job in jobs.items():
        assert job.rows == rows.where(F.col("fold") != fold).count()
        assert job.n_items == N_ITEMS
        assert job.neighbours is not None
        counted = context.lake.read("covisitation").where(F.col("fold") != fold).agg(F.sum("weight")).first()
        assert counted is not None
        assert job.neighbours.weights.sum() <= counted[0] + 1e-3
        held_out = context.lake.read("sequences").where((F.col("split") == "validation") & (F.col("fold") == fold))
        assert len(job.validation.histories) == held_out.count()


def test_a_lake_without_histories_is_one_line(context: Context) -> None:
    alone = context.lake.read("sequences").where("fold = 0").persist()
    alone.count()
    context.lake.replace(alone, "sequences", {}, "r", files=4)
    with pytest.raises(ContractError, match="no history of two events or more outside fold 0"):
        run(context)
