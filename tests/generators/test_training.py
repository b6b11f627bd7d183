from pathlib import Path
from typing import Literal

import pytest
import torch
from pyspark.sql import SparkSession
from tests.training.conftest import MAX_LENGTH, N_ITEMS, small_config

from recaug.generators.training import GeneratorJob, train_generators
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.training.checkpoint import load_generator
from recaug.training.inputs import log_popularity, neighbours, validation_sample


@pytest.fixture
def job(toy: Lake, train_files: list[str], tmp_path: Path) -> GeneratorJob:
    rows = toy.read("sequences")
    return GeneratorJob(
        kind="vae",
        fold=0,
        models=Store(tmp_path / "models"),
        files=train_files,
        content_hash="a",
        rows=rows.where("split = 'train' AND fold != 0 AND length >= 2").count(),
        seed=1,
        n_items=N_ITEMS,
        log_popularity=log_popularity(toy.read("vocabulary")),
        neighbours=neighbours(toy.read("covisitation").where("fold != 0"), N_ITEMS, 10),
        validation=validation_sample(rows.where("split = 'validation' AND fold = 0"), MAX_LENGTH),
    )


def replaced(job: GeneratorJob, kind: Literal["vae", "gan"]) -> GeneratorJob:
    import dataclasses

    return dataclasses.replace(job, kind=kind)


@pytest.mark.parametrize("informed", [True, False])
@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_a_generator_learns_the_parity_of_users_it_never_saw(
    job: GeneratorJob, spark: SparkSession, kind: Literal["vae", "gan"], informed: bool
) -> None:
    config = small_config({kind: {"informed": informed}})
    (trained,) = train_generators([replaced(job, kind)], spark, config, "test")
    assert trained.name == f"{kind}-fold0"
    last = trained.curves[-1]
    assert {"distinct_items", "entropy", "duplicates", "validation_ndcg@10"} <= set(last)
    assert all("distinct_items" in curve for curve in trained.curves)
    assert ("loss_discriminator" in last) == (kind == "gan")
    contexts = job.validation.histories[job.validation.histories[:, 2] > 0]
    logits = load_generator(trained.folder).next_logits(contexts, torch.Generator().manual_seed(0))
    best = logits.scatter(1, contexts, -torch.inf).topk(5, dim=1).indices
    assert (best % 2 == contexts[:, :1] % 2).float().mean() > 0.8


def test_no_row_of_the_left_out_fold_is_read(job: GeneratorJob) -> None:
    from itertools import islice

    from recaug.generators.training import _Run
    from recaug.training.worker import Worker

    config = small_config()
    run = _Run(job, config.vae, config.covisitation, True, 1)
    for batch in islice(run.batches(Worker()), 30):
        assert (batch["fold"] != 0).all()
        assert (batch["length"] >= 2).all()


@pytest.mark.parametrize("loss", ["hinge", "wasserstein"])
def test_the_other_adversarial_losses_train(job: GeneratorJob, spark: SparkSession, loss: str) -> None:
    config = small_config({"gan": {"loss": loss, "warmup_epochs": 20, "gradient_penalty": 10.0, "informed": False}})
    (trained,) = train_generators([replaced(job, "gan")], spark, config, "test")
    assert trained.curves[-1]["distinct_items"] > N_ITEMS / 2
