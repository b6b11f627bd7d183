import dataclasses
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
import torch
from pyspark.sql import SparkSession
from tests.training.conftest import MAX_LENGTH, N_ITEMS, entry, small_config

from recaug.generators.diffusion import Diffusion
from recaug.generators.inputs import LeftOut
from recaug.generators.neural import Neural, NeuralJob
from recaug.generators.transformer import Transformer
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.training.checkpoint import load_model
from recaug.training.inputs import log_popularity, neighbours, validation_sample
from recaug.training.jobs import train
from recaug.training.worker import Worker


@pytest.fixture
def job(toy: Lake, train_files: list[str], tmp_path: Path) -> NeuralJob:
    rows = toy.read("sequences")
    config = small_config()
    left = LeftOut(
        fold=0,
        rows=rows.where("split = 'train' AND fold != 0 AND length >= 2").count(),
        log_popularity=log_popularity(toy.read("vocabulary")),
        neighbours=neighbours(toy.read("covisitation").where("fold != 0"), N_ITEMS, 10),
        validation=validation_sample(rows.where("split = 'validation' AND fold = 0"), MAX_LENGTH),
    )
    return NeuralJob(
        entry=entry(config, "vae"),
        left=left,
        models=Store(tmp_path / "models"),
        files=train_files,
        content_hash="a",
        seed=1,
        counts=config.covisitation,
        discovery=True,
        workers=1,
    )


def replaced(job: NeuralJob, kind: str, **changes: Any) -> NeuralJob:
    return dataclasses.replace(job, entry=entry(small_config(), kind, **changes))


@pytest.mark.parametrize("informed", [True, False])
@pytest.mark.parametrize("changes", [{}, {"full_softmax_items": 10}], ids=["whole", "candidates"])
@pytest.mark.parametrize("kind", ["vae", "gan"])
def test_a_generator_learns_the_parity_of_users_it_never_saw(
    job: NeuralJob, spark: SparkSession, kind: Literal["vae", "gan"], changes: dict[str, int], informed: bool
) -> None:
    (trained,) = train([replaced(job, kind, informed=informed, **changes)], spark, small_config().training, "test")
    assert trained.name == f"{kind}-fold0"
    last = trained.curves[-1]
    assert {"distinct_items", "entropy", "duplicates", "validation_ndcg@10"} <= set(last)
    assert all("distinct_items" in curve for curve in trained.curves)
    assert ("loss_discriminator" in last) == (kind == "gan")
    validation = job.left.validation
    contexts = validation.histories[validation.histories[:, 2] > 0]
    logits = load_model(trained.folder).next_logits(contexts, torch.Generator().manual_seed(0))
    best = logits.scatter(1, contexts, -torch.inf).topk(5, dim=1).indices
    assert (best % 2 == contexts[:, :1] % 2).float().mean() > 0.8


@pytest.mark.parametrize("informed", [True, False])
@pytest.mark.parametrize(
    "network",
    [Diffusion(hidden=32, dropout=0.2), Transformer(dim=16, dropout=0.1, events=MAX_LENGTH)],
    ids=["diffusion", "transformer"],
)
def test_so_do_the_others(job: NeuralJob, spark: SparkSession, network: Neural, informed: bool) -> None:
    changed = msgspec.structs.replace(network, informed=informed, optimiser=job.entry.optimiser)
    (trained,) = train([dataclasses.replace(job, entry=changed)], spark, small_config().training, "test")
    assert trained.name == f"{network.kind}-fold0"
    assert {"distinct_items", "validation_ndcg@10"} <= set(trained.curves[-1])
    validation = job.left.validation
    contexts = validation.histories[validation.histories[:, 2] > 0]
    logits = load_model(trained.folder).next_logits(contexts, torch.Generator().manual_seed(0))
    best = logits.scatter(1, contexts, -torch.inf).topk(5, dim=1).indices
    assert (best % 2 == contexts[:, :1] % 2).float().mean() > 0.8


def test_no_row_of_the_left_out_fold_is_read(job: NeuralJob) -> None:
    for batch in islice(job.batches(Worker()), 30):
        assert (batch["fold"] != 0).all()
        assert (batch["length"] >= 2).all()


@pytest.mark.parametrize("loss", ["hinge", "wasserstein"])
def test_the_other_adversarial_losses_train(job: NeuralJob, spark: SparkSession, loss: str) -> None:
    gan = replaced(job, "gan", loss=loss, warmup_epochs=20, gradient_penalty=10.0, informed=False)
    (trained,) = train([gan], spark, small_config().training, "test")
    assert trained.curves[-1]["distinct_items"] > N_ITEMS / 2
