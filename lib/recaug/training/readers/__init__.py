"""What reads the rows of a training, a file each: petastorm, or pyarrow alone."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec

import numpy as np

RowGroups = Callable[[Sequence[str], Sequence[str], int, int, int | None], Iterator[Mapping[str, np.ndarray]]]


def reader_name(name: str | None) -> str:
    """Give a reader's name; None: petastorm where it is installed, else arrow."""
    return name or ("petastorm" if find_spec("petastorm") else "arrow")


def reader(name: str | None) -> RowGroups:
    """Give a reader by its name; None: see reader_name."""
    row_groups: RowGroups = importlib.import_module(f"recaug.training.readers.{reader_name(name)}").row_groups
    return row_groups
