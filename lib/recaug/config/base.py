"""What every section of the configuration is made of."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
PositiveFloat = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
PositiveShare = Annotated[float, Meta(gt=0, le=1)]
Index = Literal["exact", "ann"]  # how the nearest vectors are found: recommend/index.py
Seed = Annotated[int, Meta(ge=0, lt=2**31)]  # what every generator of random numbers takes


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A section of the YAML; a key that is not a field is an error."""


def twins(names: Iterable[str]) -> tuple[str, str] | None:
    """Two of the names that are one to SQL, which knows no case; None without such."""
    ordered = sorted(names, key=str.lower)
    return next((pair for pair in pairwise(ordered) if pair[0].lower() == pair[1].lower()), None)
