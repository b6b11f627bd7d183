"""What goes wrong with a GAN is provoked, and the measures of every epoch see it.

`python -m tests.training.test_collapse` prints what each remedy does to a training that collapses.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from tests.training.conftest import N_ITEMS, binary, entry, histories, small_config
from torch import Tensor
from torch.nn.functional import softplus

from recaug.generators.gan import GANTask
from recaug.generators.learning import Watch
from recaug.lake.store import Store
from recaug.training.inputs import Validation
from recaug.training.loop import Batch, TrainingPlan, fit
from recaug.training.models.behaviour_gan import GENERATOR_LOSSES, BehaviourGAN
from recaug.training.worker import Worker

EPOCHS, STEPS, BATCH_ROWS = 10, 20, 32
ROWS = torch.from_numpy(np.stack([np.frombuffer(binary(row), "<i4") for row in histories() if len(row) > 1])).long()

# A generator that learns fast, hardly any noise, a discriminator that follows slowly, and none of the remedies.
COLLAPSING = {
    "z_dim": 1,
    "warmup_epochs": 0,
    "likelihood_weight": 0.0,
    "spectral_norm": False,
    "learning_rate": 0.05,
    "discriminator_learning_rate": 0.001,
}
# A discriminator that learns a hundred times as fast as the generator.
OVERPOWERED = COLLAPSING | {"z_dim": 8, "learning_rate": 0.0005, "discriminator_learning_rate": 0.05}


def batches() -> Iterator[Batch]:
    random = torch.Generator().manual_seed(0)
    while True:
        yield {"items": ROWS[torch.randint(len(ROWS), (BATCH_ROWS,), generator=random)]}


def last_epoch(work: Path, **changes: Any) -> dict[str, float]:
    """Train on the users of even and of odd items and give the last epoch's figures."""
    gan = entry(small_config(), "gan")
    values = msgspec.structs.asdict(gan) | {"dropout": 0.0, "informed": False} | changes
    rate = values.pop("learning_rate")
    optimiser = msgspec.structs.replace(
        values.pop("optimiser"),
        epochs=EPOCHS,
        batch_rows=BATCH_ROWS,
        learning_rate=rate,
        clip_norm=1e9,
        warmup_share=0.0,
    )
    config = msgspec.structs.replace(gan, **values, optimiser=optimiser)
    torch.manual_seed(1)
    model = BehaviourGAN(
        N_ITEMS,
        hidden=config.hidden,
        z_dim=config.z_dim,
        dropout=0.0,
        spectral_norm=config.spectral_norm,
        minibatch_statistics=config.minibatch_statistics,
    )
    sample = Validation(
        ROWS, torch.zeros(2, 0, dtype=torch.int64), ROWS[:, 1:2], torch.ones(len(ROWS), dtype=torch.int64)
    )
    curves = fit(
        GANTask(model, config, False, Watch(sample, False, 0, torch.device("cpu"))),
        batches(),
        Worker(),
        Store(work),
        TrainingPlan("gan", optimiser, STEPS, seed=0, checkpoint_epochs=EPOCHS),
    )
    return curves[-1]


def test_collapse_shows_in_the_samples_and_the_likelihood_mends_it(tmp_path: Path) -> None:
    collapsed = last_epoch(tmp_path / "collapsed", **COLLAPSING)
    mended = last_epoch(tmp_path / "mended", **COLLAPSING | {"warmup_epochs": 2, "likelihood_weight": 1.0})
    assert collapsed["distinct_items"] < N_ITEMS / 4
    assert collapsed["entropy"] < 1
    assert collapsed["duplicates"] > 0.9
    assert mended["distinct_items"] > N_ITEMS / 2
    assert mended["entropy"] > 2
    assert mended["duplicates"] < 0.5


def test_a_vanishing_gradient_shows_in_its_norm_and_the_non_saturating_loss_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = last_epoch(tmp_path / "mended", **OVERPOWERED)

    def minimax(fake_logits: Tensor) -> Tensor:
        """L_G = log(1 - D(G(z))), whose slope vanishes where the discriminator is sure."""
        return -softplus(fake_logits)

    monkeypatch.setitem(GENERATOR_LOSSES, "non_saturating", minimax)
    vanishing = last_epoch(tmp_path / "vanishing", **OVERPOWERED)
    assert vanishing["loss_discriminator"] < 1 < 2 * np.log(2)  # it tells real from generated
    assert vanishing["gradient_generator"] < mended["gradient_generator"] / 3


REMEDIES: dict[str, dict[str, Any]] = {
    "none": {},
    "noise: `z_dim: 8`": {"z_dim": 8},
    "`loss: hinge`": {"loss": "hinge"},
    "`loss: wasserstein`, `gradient_penalty: 10`": {"loss": "wasserstein", "gradient_penalty": 10.0},
    "`spectral_norm: true`": {"spectral_norm": True},
    "`minibatch_statistics: true`": {"minibatch_statistics": True},
    "rates: the generator's and the discriminator's `0.005`": {
        "learning_rate": 0.005,
        "discriminator_learning_rate": 0.005,
    },
    "`warmup_epochs: 2`": {"warmup_epochs": 2},
    "`likelihood_weight: 1`": {"likelihood_weight": 1.0},
    "the last two": {"warmup_epochs": 2, "likelihood_weight": 1.0},
}


if __name__ == "__main__":
    print("| remedy | distinct items of 40 | entropy, nats | duplicates | gradient of the generator |")
    print("|---|---|---|---|---|")
    for remedy, changes in REMEDIES.items():
        with TemporaryDirectory() as folder:
            found = last_epoch(Path(folder), **COLLAPSING | changes)
        cells = (found["distinct_items"], found["entropy"], found["duplicates"], found["gradient_generator"])
        print(f"| {remedy} | {cells[0]:.0f} | {abs(cells[1]):.2f} | {cells[2]:.2f} | {cells[3]:.3f} |")
