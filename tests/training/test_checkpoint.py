import shutil
from pathlib import Path

import pytest
import torch

from recaug.lake.store import Store
from recaug.training.checkpoint import (
    Checkpoint,
    Optimisers,
    finish_model,
    load_model,
    load_recommender,
    model_folder,
    read_checkpoint,
    restore,
    save_checkpoint,
    start_from,
    weights_hash,
    working_folder,
)
from recaug.training.models.behaviour_gan import BehaviourGAN
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.sasrec import SASRec

COUNTS = {"window": 2, "backward": 1.0, "decay": 0.9}
ITEMS = torch.tensor([[1, 2, 3, 0], [5, 0, 0, 0]])


def counts() -> CoVisitation:
    return CoVisitation(torch.randint(0, 11, (11, 4)), torch.rand(11, 4), **COUNTS)  # type: ignore[arg-type]


@pytest.mark.parametrize("informed", [("covisitation",), ("covisitation", "likeness"), ()])
@pytest.mark.parametrize("kind", ["vae", "gan", "sasrec"])
def test_a_finished_model_comes_back_to_the_last_bit(tmp_path: Path, kind: str, informed: tuple[str, ...]) -> None:
    arguments = {"n_items": 10, "hidden": 8, "z_dim": 4, "dropout": 0.1}
    alike = ItemLikeness(torch.randint(0, 11, (11, 3)), torch.rand(11, 3))
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
    folder = Store(tmp_path / "model")
    working_folder(folder).write("progress.json", "{}")
    meta = {"arguments": arguments, "covisitation": COUNTS if informed else None}
    finish_model(folder, model, meta)
    assert folder.finished()
    assert not working_folder(folder).list("**/*")
    loaded = load_model(folder.root)
    assert not loaded.training
    assert weights_hash(loaded) == weights_hash(model)
    again = load_recommender(folder.root) if kind == "sasrec" else load_model(folder.root)
    assert torch.equal(again.next_logits(ITEMS), model.eval().next_logits(ITEMS))  # type: ignore[operator]


def test_a_generator_is_no_recommender(tmp_path: Path) -> None:
    arguments = {"n_items": 10, "hidden": 8, "z_dim": 4, "dropout": 0.1}
    finish_model(Store(tmp_path / "m"), BehaviourVAE(**arguments), {"arguments": arguments})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="holds a BehaviourVAE, not a recommender"):
        load_recommender(str(tmp_path / "m"))


def test_what_made_a_model_names_its_folder(tmp_path: Path) -> None:
    models = Store(tmp_path)
    one = model_folder(models, "vae-fold0", {"seed": 1, "rows": "a"})
    assert one == model_folder(models, "vae-fold0", {"rows": "a", "seed": 1})
    assert one != model_folder(models, "vae-fold0", {"seed": 2, "rows": "a"})
    assert one.name.startswith("vae-fold0-")
    assert not one.finished()


def test_a_model_starts_from_one_of_another_vocabulary(tmp_path: Path) -> None:
    arguments = {"hidden": 8, "z_dim": 4, "dropout": 0.1}
    before = BehaviourVAE(10, covisitation=counts(), **arguments)  # type: ignore[arg-type]
    finish_model(Store(tmp_path / "m"), before, {"arguments": {"n_items": 10, **arguments}})
    fewer = CoVisitation(torch.randint(0, 4, (4, 4)), torch.rand(4, 4), **COUNTS)  # type: ignore[arg-type]
    after = BehaviourVAE(3, covisitation=fewer, **arguments)  # type: ignore[arg-type]
    fresh = {name: value.clone() for name, value in after.state_dict().items()}
    start_from(after, str(tmp_path / "m"), torch.tensor([0, 7, 0, 2]))  # the second item is new
    torch.testing.assert_close(after.head.output.weight[[1, 3]], before.head.output.weight[[7, 2]])
    torch.testing.assert_close(after.head.output.weight[2], fresh["head.output.weight"][2])
    torch.testing.assert_close(after.posterior.weight, before.posterior.weight)
    for name, value in after.named_buffers():
        torch.testing.assert_close(value, fresh[name])
    wider = BehaviourVAE(3, covisitation=fewer, **(arguments | {"hidden": 16}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"is \(8,\), not \(16,\)"):
        start_from(wider, str(tmp_path / "m"), torch.tensor([0, 7, 0, 2]))


def small() -> tuple[torch.nn.Module, Optimisers]:
    """A model after one step, and its optimiser."""
    module = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.1)
    module(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return module, {"model": optimiser}


def test_the_newest_finished_checkpoint_is_taken_and_what_is_not_finished_goes(tmp_path: Path) -> None:
    work, (module, optimisers) = Store(tmp_path), small()
    assert restore(read_checkpoint(work), *small()) == (0, [], None)
    best = {name: tensor + 1 for name, tensor in module.state_dict().items()}
    save_checkpoint(work, Checkpoint(2, [{"epoch": 1.0}, {"epoch": 2.0}], best), module, optimisers)
    work.write("checkpoint-9/model.safetensors", b"cut off")  # killed before its meta.json
    restored, states = small()
    reached = restore(read_checkpoint(work), restored, states)
    assert reached[:2] == (2, [{"epoch": 1.0}, {"epoch": 2.0}])
    assert reached.best is not None
    assert {name: tensor.tolist() for name, tensor in reached.best.items()} == {n: t.tolist() for n, t in best.items()}
    assert weights_hash(restored) == weights_hash(module)
    moments = [one["model"].state_dict()["state"][0]["exp_avg"] for one in (states, optimisers)]
    assert torch.equal(*moments)
    save_checkpoint(work, Checkpoint(10, [], None), module, optimisers)
    assert {name.split("/")[0] for name in work.list("**/*")} == {"checkpoint-10"}


def test_weights_without_meta_are_no_model_and_are_written_anew(tmp_path: Path) -> None:
    folder = Store(tmp_path / "m")
    arguments = {"n_items": 10, "dim": 8, "blocks": 1, "heads": 1, "dropout": 0.1, "max_length": 5}
    folder.write("model.safetensors", b"cut off")
    assert not folder.finished()
    finish_model(folder, SASRec(**arguments), {"arguments": arguments})  # type: ignore[arg-type]
    assert isinstance(load_model(folder.root), SASRec)


def test_the_newest_checkpoint_counts_where_a_crash_has_left_two(tmp_path: Path) -> None:
    work, module = Store(tmp_path / "work"), torch.nn.Linear(2, 1)
    save_checkpoint(work, Checkpoint(9, [{"epoch": 9.0}], None), module, {})
    shutil.copytree(work.address("checkpoint-9"), tmp_path / "older")
    with torch.no_grad():
        module.weight.add_(1)
    save_checkpoint(work, Checkpoint(10, [{"epoch": 10.0}], None), module, {})
    shutil.copytree(tmp_path / "older", work.address("checkpoint-9"))
    restored = torch.nn.Linear(2, 1)
    assert restore(read_checkpoint(work), restored, {}) == (10, [{"epoch": 10.0}], None)
    assert weights_hash(restored) == weights_hash(module)
