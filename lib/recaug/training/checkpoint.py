"""Model folders: named after what made them, written beside and renamed, found again instead of trained again."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import recaug
from recaug.training.models.attribute_vae import AttributeVAE
from recaug.training.models.behaviour_gan import BehaviourGAN
from recaug.training.models.behaviour_vae import BehaviourVAE
from recaug.training.models.covisitation import CountsGenerator, CoVisitation, Likeness
from recaug.training.models.image_classifier import ImageClassifier
from recaug.training.models.image_gan import ImageGAN
from recaug.training.models.image_vae import ImageVAE
from recaug.training.models.sasrec import SASRec

ARCHITECTURES: dict[str, type[nn.Module]] = {
    "sasrec": SASRec,
    "vae": BehaviourVAE,
    "gan": BehaviourGAN,
    "counts": CountsGenerator,
    "attributes": AttributeVAE,
    "image-gan": ImageGAN,
    "image-vae": ImageVAE,
    "image-classifier": ImageClassifier,
}


def code_version() -> str:
    """Hash of the sources that decide weights: recaug.training, its models, and recaug.generators."""
    digest, package = hashlib.sha256(), Path(recaug.__file__).parent
    for folder in ("training", "training/models", "generators"):
        for source in sorted((package / folder).glob("*.py")):
            digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def model_folder(parent: Path, kind: str, made_of: Mapping[str, Any]) -> Path:
    """`<parent>/<kind>-<hash16>`, the hash of everything that decides the weights and of the code."""
    ingredients = msgspec.json.encode({**made_of, "code": code_version()}, order="sorted")
    return parent / f"{kind}-{hashlib.sha256(ingredients).hexdigest()[:16]}"


def is_finished(folder: Path) -> bool:
    """A finished folder has its metadata: it appears by one rename."""
    return (folder / "meta.json").is_file()


def working_folder(folder: Path) -> Path:
    """Where a model is while it trains: checkpoints, progress.jsonl."""
    return folder.with_name(folder.name + ".training")


def finish_model(folder: Path, module: nn.Module, meta: Mapping[str, Any]) -> None:
    """Write weights and meta.json into the working folder, and rename it to `folder`.

    meta: at least `architecture` (a key of ARCHITECTURES) and `arguments` (of its constructor).
    """
    work = working_folder(folder)
    work.mkdir(parents=True, exist_ok=True)
    save_file(_state(module), work / "model.safetensors")
    (work / "meta.json").write_text(json.dumps({**meta, "code": code_version()}, indent=1))
    for checkpoint in work.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    if folder.exists():  # another training of the same model was first
        shutil.rmtree(work)
    else:
        work.rename(folder)


def load_model(folder: str | Path) -> nn.Module:
    """Build a finished model, on the CPU, in evaluation mode. Its metadata: `read_meta`."""
    meta, state = read_meta(folder), load_file(Path(folder) / "model.safetensors")
    extra: dict[str, nn.Module] = {}
    if settings := meta.get("covisitation"):  # the tables of neighbours lie among the weights
        counts, alike = _tables(state, "covisitation"), _tables(state, "likeness")
        extra["covisitation"] = CoVisitation(counts["neighbours"], counts["weights"], **settings)
        if alike:
            extra["likeness"] = Likeness(**alike)
    module = ARCHITECTURES[meta["architecture"]](**meta["arguments"], **extra)
    module.load_state_dict(state)
    return module.eval()


def load_generator(folder: str | Path) -> BehaviourVAE | BehaviourGAN | CountsGenerator:
    """Build a finished generator: next_logits and fidelity(items, generated, logits)."""
    module = load_model(folder)
    if not isinstance(module, (BehaviourVAE, BehaviourGAN, CountsGenerator)):
        raise ValueError(f"{folder} holds a {type(module).__name__}, not a generator")
    return module


def load_recommender(folder: str | Path) -> SASRec:
    """Build a finished recommender: next_logits(items)."""
    module = load_model(folder)
    if not isinstance(module, SASRec):
        raise ValueError(f"{folder} holds a {type(module).__name__}, not a recommender")
    return module


def load_attribute_vae(folder: str | Path) -> AttributeVAE:
    """Build a finished attribute VAE: tell(seen, visible, field)."""
    module = load_model(folder)
    if not isinstance(module, AttributeVAE):
        raise ValueError(f"{folder} holds a {type(module).__name__}, not an attribute VAE")
    return module


def start_from(module: nn.Module, folder: str | Path, places: Tensor) -> None:
    """Take over the parameters of a finished model of the same architecture over another vocabulary.

    places: (n_items + 1,) int64, each item's index in the finished model; 0 for the new ones and for padding. New items
    keep their fresh weights. Buffers, which hold counts and popularity, stay the module's own.
    Raises ValueError where the shapes differ in more than the number of items.
    """
    state, known = load_file(Path(folder) / "model.safetensors"), places > 0
    known[0] = True
    before = read_meta(folder)["arguments"]["n_items"] + 1
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            old = state[name]
            if parameter.dim() and (len(old), len(parameter)) == (before, len(places)):
                old = torch.where(known.view(-1, *[1] * (old.dim() - 1)), old[places], parameter)
            if old.shape != parameter.shape:
                raise ValueError(f"{folder}: {name} is {tuple(old.shape)}, not {tuple(parameter.shape)}")
            parameter.copy_(old)


def read_meta(folder: str | Path) -> dict[str, Any]:
    """Read a finished model's meta.json."""
    meta: dict[str, Any] = json.loads((Path(folder) / "meta.json").read_text())
    return meta


def weights_hash(module: nn.Module) -> str:
    """Hash of every weight and buffer, to the last bit."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def save_checkpoint(
    work: Path, epoch: int, module: nn.Module, optimisers: Mapping[str, torch.optim.Optimizer], curves: list[Any]
) -> None:
    """Write what an interrupted training goes on from, by one rename, and drop the older ones."""
    old = list(work.glob("checkpoint-*"))
    temporary = work / "unfinished"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(_state(module), temporary / "model.safetensors")
    torch.save({name: optimiser.state_dict() for name, optimiser in optimisers.items()}, temporary / "optimisers.pt")
    (temporary / "curves.json").write_text(json.dumps(curves))
    temporary.rename(work / f"checkpoint-{epoch}")
    for checkpoint in old:
        shutil.rmtree(checkpoint)


def load_checkpoint(
    work: Path, module: nn.Module, optimisers: Mapping[str, torch.optim.Optimizer]
) -> tuple[int, list[Any]]:
    """Restore the newest checkpoint. Returns its number of finished epochs (0: there is none) and its curves."""
    epochs = [int(checkpoint.name.rsplit("-", 1)[1]) for checkpoint in work.glob("checkpoint-*")]
    if not epochs:
        return 0, []
    newest = work / f"checkpoint-{max(epochs)}"
    module.load_state_dict(load_file(newest / "model.safetensors"))
    states = torch.load(newest / "optimisers.pt", weights_only=True)
    for name, optimiser in optimisers.items():
        optimiser.load_state_dict(states[name])
    return max(epochs), json.loads((newest / "curves.json").read_text())


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}


def _tables(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The buffers of the module of this name, which is nowhere twice; nothing where it is not there."""
    held = ((key.split("."), tensor) for key, tensor in state.items())
    return {key[-1]: tensor for key, tensor in held if key[-2:-1] == [name]}
