import shutil
from pathlib import Path

import pytest
import torch

from recaug.training.checkpoint import (
    finish_model,
    is_finished,
    load_checkpoint,
    load_generator,
    load_model,
    load_recommender,
    model_folder,
    save_checkpoint,
    start_from,
    weights_hash,
    working_folder,
)
from recaug.training.models.behaviour_gan import BehaviourGAN
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.covisitation import CoVisitation, Likeness
from recaug.training.models.sasrec import SASRec

COUNTS = {"window": 2, "backward": 1.0, "decay": 0.9}
ITEMS = torch.tensor([[1, 2, 3, 0], [5, 0, 0, 0]])


def counts() -> CoVisitation:
    return CoVisitation(torch.randint(0, 11, (11, 4)), torch.rand(11, 4), **COUNTS)  # type: ignore[arg-type]


@pytest.mark.parametrize("informed", [("covisitation",), ("covisitation", "likeness"), ()])
@pytest.mark.parametrize("kind", ["vae", "gan", "sasrec"])
def test_a_finished_model_comes_back_to_the_last_bit(tmp_path: Path, kind: str, informed: tuple[str, ...]) -> None:
    arguments = {"n_items": 10, "hidden": 8, "z_dim": 4, "dropout": 0.1}
    alike = Likeness(torch.randint(0, 11, (11, 3)), torch.rand(11, 3))
    extra = {name: {"covisitation": counts(), "likeness": alike}[name] for name in informed}
    model: torch.nn.Module
    if kind == "vae":
        model = BehaviourVAE(**arguments, **extra)  # type: ignore[arg-type]
    elif kind == "gan":
        arguments["spectral_norm"] = True
        model = BehaviourGAN(**arguments, **extra)  # type: ignore[arg-type]
    else:
        informed = ()
        arguments = {"n_items": 10, "dim": 8, "blocks": 1, "heads": 1, "dropout": 0.1, "max_length": 5}
        model = SASRec(**arguments)  # type: ignore[arg-type]
    folder = tmp_path / "model"
    meta = {"architecture": kind, "arguments": arguments, "covisitation": COUNTS if informed else None}
    finish_model(folder, model, meta)
    assert is_finished(folder)
    assert not working_folder(folder).exists()
    loaded = load_model(folder)
    assert not loaded.training
    assert weights_hash(loaded) == weights_hash(model)
    again = load_recommender(folder) if kind == "sasrec" else load_generator(folder)
    assert torch.equal(again.next_logits(ITEMS), model.eval().next_logits(ITEMS))  # type: ignore[operator]


def test_a_generator_is_no_recommender(tmp_path: Path) -> None:
    arguments = {"n_items": 10, "dim": 8, "blocks": 1, "heads": 1, "dropout": 0.1, "max_length": 5}
    finish_model(tmp_path / "m", SASRec(**arguments), {"architecture": "sasrec", "arguments": arguments})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="holds a SASRec, not a generator"):
        load_generator(tmp_path / "m")


def test_what_made_a_model_names_its_folder(tmp_path: Path) -> None:
    one = model_folder(tmp_path, "vae-fold0", {"seed": 1, "rows": "a"})
    assert one == model_folder(tmp_path, "vae-fold0", {"rows": "a", "seed": 1})
    assert one != model_folder(tmp_path, "vae-fold0", {"seed": 2, "rows": "a"})
    assert one.name.startswith("vae-fold0-")
    assert not is_finished(one)


def test_a_model_starts_from_one_of_another_vocabulary(tmp_path: Path) -> None:
    arguments = {"hidden": 8, "z_dim": 4, "dropout": 0.1}
    before = BehaviourVAE(10, covisitation=counts(), **arguments)  # type: ignore[arg-type]
    finish_model(tmp_path / "m", before, {"architecture": "vae", "arguments": {"n_items": 10, **arguments}})
    fewer = CoVisitation(torch.randint(0, 4, (4, 4)), torch.rand(4, 4), **COUNTS)  # type: ignore[arg-type]
    after = BehaviourVAE(3, covisitation=fewer, **arguments)  # type: ignore[arg-type]
    fresh = {name: value.clone() for name, value in after.state_dict().items()}
    start_from(after, tmp_path / "m", torch.tensor([0, 7, 0, 2]))  # the second item is new
    torch.testing.assert_close(after.output.weight[[1, 3]], before.output.weight[[7, 2]])
    torch.testing.assert_close(after.output.weight[2], fresh["output.weight"][2])
    torch.testing.assert_close(after.posterior.weight, before.posterior.weight)
    for name, value in after.named_buffers():
        torch.testing.assert_close(value, fresh[name])
    wider = BehaviourVAE(3, covisitation=fewer, **(arguments | {"hidden": 16}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"is \(8,\), not \(16,\)"):
        start_from(wider, tmp_path / "m", torch.tensor([0, 7, 0, 2]))


def test_the_newest_checkpoint_counts_where_a_crash_has_left_two(tmp_path: Path) -> None:
    work, module = tmp_path / "work", torch.nn.Linear(2, 1)
    save_checkpoint(work, 9, module, {}, [{"epoch": 9}])
    shutil.copytree(work / "checkpoint-9", tmp_path / "older")
    with torch.no_grad():
        module.weight.add_(1)
    save_checkpoint(work, 10, module, {}, [{"epoch": 10}])
    shutil.copytree(tmp_path / "older", work / "checkpoint-9")
    restored = torch.nn.Linear(2, 1)
    assert load_checkpoint(work, restored, {}) == (10, [{"epoch": 10}])
    assert weights_hash(restored) == weights_hash(module)
