"""Batches from a Delta snapshot's own files, sharded by rank."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from recaug.errors import TrainingError
from recaug.training.readers import reader as reader_of

# The numbers in the fixed-width binary columns, little-endian.
BINARY: Mapping[str, np.dtype] = {
    "items": np.dtype("int32"),
    "times": np.dtype("int64"),
    "continuations": np.dtype("int32"),
    "continuation_weights": np.dtype("float32"),
    "codes": np.dtype("int32"),
    "numbers": np.dtype("float32"),
    "parts": np.dtype("int8"),
    "pixels": np.dtype("uint8"),
    "query_terms": np.dtype("int32"),
    "item_terms": np.dtype("int32"),
    "counted_terms": np.dtype("int32"),
    "counted_logs": np.dtype("float32"),
}
Columns = Mapping[str, np.ndarray]
Keep = Callable[[Columns], np.ndarray]
BARREN = 10_000  # row groups in a row without a row to keep


def row_batches(
    files: Sequence[str],
    columns: Sequence[str],
    batch_rows: int,
    *,
    seed: int,
    shuffle_rows: int,
    rank: int = 0,
    size: int = 1,
    keep: Keep | None = None,
    reader: str | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Batches of the files' rows without end, each pass in another order that the seed decides.

    files: addresses such as file:///..., as lake.snapshot_files gives them. columns: scalars, or fixed-width binary.
    batch_rows: of this rank. shuffle_rows: rows are shuffled within blocks of about so many; the rows of
        one pass are best, and memory the limit.
    keep: rows of a row group that count, as a boolean (rows,). reader: see readers.reader.
    Yields column -> Tensor: (batch_rows, width) int64 of binary columns (float32 where they are such), (batch_rows,) of
    the others.
    Raises TrainingError if there are fewer row groups than ranks, or no row to keep.
    """
    order = np.random.default_rng([seed, rank])
    block: list[Columns] = []
    waiting = 0
    for group in _kept(reader_of(reader)(files, columns, rank, size, None), keep):
        block.append(group)
        waiting += len(next(iter(group.values())))
        if waiting < max(shuffle_rows, batch_rows):
            continue
        joined = {name: np.concatenate([part[name] for part in block]) for name in columns}
        shuffled = order.permutation(waiting)
        for start in range(0, waiting - batch_rows + 1, batch_rows):
            picked = shuffled[start : start + batch_rows]
            yield {name: torch.from_numpy(values[picked]) for name, values in joined.items()}
        rest = shuffled[waiting - waiting % batch_rows :]
        block, waiting = [{name: values[rest] for name, values in joined.items()}], len(rest)


def _kept(groups: Iterator[Columns], keep: Keep | None) -> Iterator[Columns]:
    """Numbers instead of bytes, and of these the rows to keep."""
    barren = 0
    for raw in groups:
        group = {name: decode(name, values) for name, values in raw.items()}
        if keep is not None:
            chosen = keep(group)
            group = {name: values[chosen] for name, values in group.items()}
        barren = 0 if len(next(iter(group.values()))) else barren + 1
        if barren > BARREN:
            raise TrainingError("no row to train on in this rank's files; more users or fewer workers are needed")
        yield group


def decode(name: str, values: np.ndarray | pd.Series) -> np.ndarray:
    """Bytes to numbers: (rows,) of bytes becomes (rows, width) int64 (float32 where they are such); others stay."""
    if name not in BINARY:
        return np.asarray(values)
    width = len(values.iloc[0] if isinstance(values, pd.Series) else values[0]) if len(values) else 0
    flat = np.frombuffer(b"".join(map(bytes, values)), dtype=BINARY[name])
    rows = flat.reshape(len(values), width // BINARY[name].itemsize)
    return rows.copy() if rows.dtype.kind == "f" else rows.astype(np.int64)
