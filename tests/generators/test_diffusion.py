from typing import Any

import msgspec
import pytest
import torch
from tests.training.models.conftest import N_ITEMS, checkerboard, share_of_own_parity
from torch import Tensor

from recaug.generators.diffusion import Diffusion, DiffusionTask
from recaug.generators.learning import Watch
from recaug.training.inputs import Validation
from recaug.training.models.behaviour_diffusion import BehaviourDiffusion

__all__ = ["checkerboard"]  # the fixture of the models' tests

SETTINGS: dict[str, Any] = {
    "hidden": 32,
    "dropout": 0.3,
    "informed": False,
    "optimiser": {"epochs": 1, "batch_rows": 256, "learning_rate": 0.01},
}


def a_task(changes: dict[str, Any] | None = None, discovery: bool = True) -> DiffusionTask:
    config = msgspec.convert(SETTINGS | (changes or {}), Diffusion)
    torch.manual_seed(0)
    model = BehaviourDiffusion(
        N_ITEMS,
        hidden=config.hidden,
        dropout=config.dropout,
        steps=config.steps,
        first_noise=config.first_noise,
        last_noise=config.last_noise,
        sampling_steps=config.sampling_steps,
    )
    nobody = torch.zeros(0, 12, dtype=torch.int64)
    watch = Watch(Validation(nobody, nobody, nobody, nobody[:, 0]), discovery, 0, torch.device("cpu"))
    return DiffusionTask(model, config, discovery, watch)


@pytest.mark.parametrize("changes", [{"steps": 1}, {"reconstruction": 0.0}, {"steps": 10, "sampling_steps": 5}])
def test_its_updates_teach_the_checkerboard(checkerboard: Tensor, changes: dict[str, Any]) -> None:
    task = a_task(changes)
    optimiser = torch.optim.AdamW(task.parts["model"].parameters, lr=1e-2)
    for _ in range(80):
        (update,) = task.updates({"items": checkerboard}, 0.0, 0)
        optimiser.zero_grad()
        (update.loss / update.weight).backward()
        optimiser.step()
    contexts = checkerboard[:, :6]
    logits = task.model.eval().next_logits(contexts, torch.Generator().manual_seed(0))
    assert share_of_own_parity(logits, contexts) > 0.9


def test_what_was_seen_is_left_out_of_what_is_to_come_in_discovery_alone(checkerboard: Tensor) -> None:
    losses = []
    for discovery in (True, False):
        task = a_task({"reconstruction": 0.0}, discovery)
        torch.manual_seed(1)
        (update,) = task.updates({"items": checkerboard}, 0.0, 0)
        losses.append(float(update.loss.detach() / update.weight))
    assert losses[0] < losses[1]  # fewer items to choose from


def test_the_whole_bag_counts_by_its_weight(checkerboard: Tensor) -> None:
    losses = []
    for reconstruction in (0.0, 0.5, 1.0):
        task = a_task({"reconstruction": reconstruction})
        torch.manual_seed(1)
        (update,) = task.updates({"items": checkerboard}, 0.0, 0)
        losses.append(float(update.loss.detach()))
    assert losses[2] - losses[0] == pytest.approx(2 * (losses[1] - losses[0]), rel=1e-4)
    assert losses[1] > losses[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attributes": True}, "attributes is true without informed"),
        ({"sampling_steps": 6}, "sampling_steps 6 is above steps 5"),
        ({"first_noise": 0.2}, "do not rise below 1"),
        ({"last_noise": 1.0}, "do not rise below 1"),
        ({"draw": {"histories": 1.0, "new_users": 0.5}}, "no prior that users could be drawn from"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(SETTINGS | changes, Diffusion)
