"""Model folders: named after what made them, finished with their meta.json, found again instead of trained again.

A finished model is addressed by text, as results and Spark's tasks carry it; who writes one holds its Store.
"""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import safetensors.torch
import torch
from torch import Tensor, nn

from recaug.classes import class_path, import_class
from recaug.lake.store import META, Store
from recaug.results import Curve
from recaug.training.best import State
from recaug.training.models.attribute_vae import AttributeVAE
from recaug.training.models.covisitation import CoVisitation, ItemLikeness
from recaug.training.models.sasrec import SASRec
from recaug.training.wholeness import damage, sources_hash, sums

WEIGHTS = "model.safetensors"
BEST = "best.safetensors"  # of a checkpoint
DAMAGED = "damaged"  # in the name of a folder that is set aside
Optimisers = dict[str, torch.optim.Optimizer]


def code_version() -> str:
    """Hash of the sources that decide weights: recaug.training and recaug.generators; see sources_hash."""
    return sources_hash("training", "generators")


def model_folder(models: Store, kind: str, made_of: Mapping[str, Any]) -> Store:
    """`<models>/<kind>-<hash16>`, the hash of everything that decides the weights and of the code."""
    ingredients = msgspec.json.encode({**made_of, "code": code_version()}, order="sorted")
    return models.at(f"{kind}-{hashlib.sha256(ingredients).hexdigest()[:16]}")


def working_folder(folder: Store) -> Store:
    """Where a model is while it trains: checkpoints and progress lines."""
    return folder.beside(".training")


def finish_model(folder: Store, module: nn.Module, meta: Mapping[str, Any]) -> None:
    """Publish weights and meta.json, and remove the working folder; a model that is finished already stays.

    meta: at least `arguments` (of the module's constructor).
    """
    files = {WEIGHTS: safetensors.torch.save(_saved(module.state_dict()))}
    said = {**meta, "architecture": class_path(type(module)), "code": code_version(), "files": sums(files)}
    folder.publish("", files, json.dumps(said, indent=1))
    working_folder(folder).remove()


def set_aside(folder: Store, say: Callable[[str], None] = print) -> None:
    """Move a finished folder whose files are not those that were finished out of the way, and say its name."""
    if folder.finished() and (why := damage(folder.root)):
        aside = folder.move_aside(DAMAGED)
        say(f"  warning: model {folder.name}: {why}; it is {aside.name} now, and made anew")


def load_model(folder: str) -> nn.Module:
    """Build a finished model, on the CPU, in evaluation mode. Its metadata: `read_meta`."""
    meta, state = read_meta(folder), read_weights(folder)
    extra: dict[str, nn.Module] = {}
    if settings := meta.get("covisitation"):  # the tables of neighbours lie among the weights
        counts, alike = _tables(state, "covisitation"), _tables(state, "likeness")
        extra["covisitation"] = CoVisitation(counts["neighbours"], counts["weights"], **settings)
        if alike:
            extra["likeness"] = ItemLikeness(**alike)
    module: nn.Module = import_class(meta["architecture"])(**meta["arguments"], **extra)
    module.load_state_dict(state)
    return module.eval()


def load_recommender(folder: str) -> SASRec:
    """Build a finished recommender: next_logits(items)."""
    module = load_model(folder)
    if not isinstance(module, SASRec):
        raise ValueError(f"{folder} holds a {type(module).__name__}, not a recommender")
    return module


def load_attribute_vae(folder: str) -> AttributeVAE:
    """Build a finished attribute VAE: tell(seen, visible, field)."""
    module = load_model(folder)
    if not isinstance(module, AttributeVAE):
        raise ValueError(f"{folder} holds a {type(module).__name__}, not an attribute VAE")
    return module


def start_from(module: nn.Module, folder: str, places: Tensor) -> None:
    """Take over the parameters of a finished model of the same architecture over another vocabulary.

    places: (n_items + 1,) int64, each item's index in the finished model; 0 for the new ones and for padding. New items
    keep their fresh weights. Buffers, which hold counts and popularity, stay the module's own.
    Raises ValueError where the names differ, or the shapes in more than the number of items.
    """
    state, known = read_weights(folder), places > 0
    known[0] = True
    before = read_meta(folder)["arguments"]["n_items"] + 1
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if (old := state.get(name)) is None:
                raise ValueError(f"{folder}: there is no {name}")
            if parameter.dim() and (len(old), len(parameter)) == (before, len(places)):
                old = torch.where(known.view(-1, *[1] * (old.dim() - 1)), old[places], parameter)
            if old.shape != parameter.shape:
                raise ValueError(f"{folder}: {name} is {tuple(old.shape)}, not {tuple(parameter.shape)}")
            parameter.copy_(old)


def read_meta(folder: str) -> dict[str, Any]:
    """Read a finished model's meta.json."""
    meta: dict[str, Any] = json.loads(Store(folder).read(META))
    return meta


def read_weights(folder: str) -> dict[str, Tensor]:
    """Read a finished model's weights and buffers, by name."""
    return safetensors.torch.load(Store(folder).read(WEIGHTS))


def weights_hash(module: nn.Module) -> str:
    """Hash of every weight and buffer, to the last bit."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class Checkpoint(NamedTuple):
    """How far a training came. epochs: done. curves: theirs. best: the weights of the best of them, if one is kept."""

    epochs: int
    curves: list[Curve]
    best: State | None


def save_checkpoint(work: Store, reached: Checkpoint, module: nn.Module, optimisers: Optimisers) -> None:
    """Publish what an interrupted training goes on from as a folder, and drop all others, finished or not."""
    epoch = reached.epochs
    others = {name.split("/")[0] for name in work.list("checkpoint-*/*")} - {_checkpoint(epoch)}
    states = io.BytesIO()
    torch.save({name: optimiser.state_dict() for name, optimiser in optimisers.items()}, states)
    files = {WEIGHTS: safetensors.torch.save(_saved(module.state_dict())), "optimisers.pt": states.getvalue()}
    if reached.best is not None:
        files[BEST] = safetensors.torch.save(_saved(reached.best))
    said = {"epoch": epoch, "curves": reached.curves, "files": sums(files)}
    work.publish(_checkpoint(epoch), files, json.dumps(said))
    for other in others:
        work.remove(other)


def read_checkpoint(work: Store) -> bytes:
    """Read the newest finished checkpoint whose files are whole, as bytes that every rank can restore.

    Empty where there is none. A damaged one is set aside, and its name is said.
    """
    metas = []
    for name in work.list(f"checkpoint-*/{META}"):
        if DAMAGED in name:
            continue
        folder = work.at(name.split("/")[0])
        set_aside(folder)
        metas += [(read_meta(folder.root), folder)] if folder.finished() else []
    if not metas:
        return b""
    newest, folder = max(metas, key=lambda held: int(held[0]["epoch"]))
    return msgspec.msgpack.encode((newest, {name: folder.read(name) for name in newest["files"]}))


def restore(held: bytes, module: nn.Module, optimisers: Optimisers) -> Checkpoint:
    """Give a model and its optimisers what `read_checkpoint` has read; of 0 epochs where that is empty."""
    if not held:
        return Checkpoint(0, [], None)
    meta, files = msgspec.msgpack.decode(held)
    module.load_state_dict(safetensors.torch.load(files[WEIGHTS]))
    states = torch.load(io.BytesIO(files["optimisers.pt"]), weights_only=True)
    for name, optimiser in optimisers.items():
        optimiser.load_state_dict(states[name])
    best = safetensors.torch.load(files[BEST]) if BEST in files else None
    return Checkpoint(meta["epoch"], meta["curves"], best)


def _checkpoint(epoch: int) -> str:
    return f"checkpoint-{epoch}"


def _saved(state: Mapping[str, Tensor]) -> State:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def _tables(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The buffers of the module of this name, which is nowhere twice; nothing where it is not there."""
    held = ((key.split("."), tensor) for key, tensor in state.items())
    return {key[-1]: tensor for key, tensor in held if key[-2:-1] == [name]}
