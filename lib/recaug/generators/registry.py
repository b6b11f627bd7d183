"""The kinds of generators by their class paths; another one is named in the YAML by its own class path."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, cast, get_origin

import msgspec

from recaug.classes import import_class
from recaug.config.generators import Entry
from recaug.generators.base import Generator

KINDS = {
    "vae": "recaug.generators.vae:VAE",
    "gan": "recaug.generators.gan:GAN",
    "diffusion": "recaug.generators.diffusion:Diffusion",
    "transformer": "recaug.generators.transformer:Transformer",
    "counts": "recaug.generators.counts:Counts",
    "classic": "recaug.generators.classic:Classic",
    "rare_items": "recaug.generators.rare_items:RareItems",
    "pseudo_prior": "recaug.generators.pseudo_prior:PseudoPrior",
    "repeated": "recaug.generators.controls:Repeated",
    "popular": "recaug.generators.controls:Popular",
}


def resolve(kind: str) -> type[Generator]:
    """Give the class of a kind, or of a class path. Raises ValueError that lists the kinds."""
    if kind not in KINDS and ":" not in kind:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}, and no class path package.module:Class")
    generator = import_class(KINDS.get(kind, kind))
    if not issubclass(generator, Generator):
        raise ValueError(f"{kind} is no Generator; derive it from recaug.generators.base.Generator")
    if missing := _missing(generator):
        raise ValueError(f"{kind} lacks {', '.join(missing)}, which recaug.generators.base.Generator wants")
    return generator


def _missing(generator: type[Generator]) -> list[str]:
    """What every generator has to have and this one has not: methods, and class variables."""
    variables = [
        name
        for base in generator.__mro__
        for name, hint in vars(base).get("__annotations__", {}).items()
        if get_origin(hint) is ClassVar and not hasattr(generator, name)
    ]
    methods = [name for name in dir(generator) if getattr(getattr(generator, name), "__isabstractmethod__", False)]
    return sorted({*variables, *methods})


def decode(value: Any) -> Generator:
    """Make a generator of an entry of the YAML. Raises ValueError, or msgspec.ValidationError that names the key."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        raise ValueError(f"a generator is an entry with a kind: {', '.join(KINDS)}, or a class path")
    return msgspec.convert(value, resolve(kind))


def generators(entries: Iterable[Entry]) -> list[Generator]:
    """Give the entries of a configuration as what they are, which the configuration does not know of."""
    return [cast(Generator, entry) for entry in entries]


def classes() -> dict[str, type[Generator]]:
    """Give the registered kinds' classes, in order."""
    return {kind: resolve(kind) for kind in KINDS}
