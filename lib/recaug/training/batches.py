"""Batches from a Delta snapshot's own files, read by petastorm and sharded by rank."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from petastorm import make_batch_reader
from petastorm.errors import NoDataAvailableError
from torch import Tensor

from recaug.errors import TrainingError

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
}
Columns = Mapping[str, np.ndarray]


def row_batches(
    files: Sequence[str],
    columns: Sequence[str],
    batch_rows: int,
    *,
    seed: int,
    shuffle_rows: int,
    rank: int = 0,
    size: int = 1,
    keep: Callable[[Columns], np.ndarray] | None = None,
) -> Iterator[dict[str, Tensor]]:
    """Batches of the files' rows without end, each pass in another order that the seed decides.

    files: addresses such as file:///..., as lake.snapshot_files gives them. columns: scalars, or fixed-width binary.
    batch_rows: of this rank. shuffle_rows: rows are shuffled within blocks of about so many; the rows of
        one pass are best, and memory the limit.
    keep: rows of a row group that count, as a boolean (rows,).
    Yields column -> Tensor: (batch_rows, width) int64 of binary columns (float32 where they are such), (batch_rows,) of
    the others.
    Raises TrainingError if there are fewer row groups than ranks, or no row to keep.
    """
    order = np.random.default_rng([seed, rank])
    groups = _row_groups(files, columns, rank, size)
    block: list[Columns] = []
    waiting, barren = 0, 0
    for read in groups:
        group = read
        if keep is not None:
            chosen = keep(read)
            group = {name: values[chosen] for name, values in read.items()}
        rows = len(next(iter(group.values())))
        barren = 0 if rows else barren + 1
        if barren > 10_000:
            raise TrainingError("no row to train on in this rank's files; more users or fewer workers are needed")
        block.append(group)
        waiting += rows
        if waiting < max(shuffle_rows, batch_rows):
            continue
        joined = {name: np.concatenate([part[name] for part in block]) for name in columns}
        shuffled = order.permutation(waiting)
        for start in range(0, waiting - batch_rows + 1, batch_rows):
            picked = shuffled[start : start + batch_rows]
            yield {name: torch.from_numpy(values[picked]) for name, values in joined.items()}
        rest = shuffled[waiting - waiting % batch_rows :]
        block, waiting = [{name: values[rest] for name, values in joined.items()}], len(rest)


def _row_groups(files: Sequence[str], columns: Sequence[str], rank: int, size: int) -> Iterator[Columns]:
    """This rank's row groups in the files' order, without end."""
    # pyarrow deprecated what petastorm 0.12 calls; the calls work with the pinned versions
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm\b")
    # lists of varying length, which are not asked for
    warnings.filterwarnings("ignore", category=UserWarning, module=r"petastorm\.unischema")
    try:
        reader = make_batch_reader(
            list(files),
            schema_fields=[f"^{name}$" for name in columns],
            reader_pool_type="thread",
            workers_count=1,  # one reading thread keeps the order of row groups
            # petastorm 0.12 shuffles again for as long as its queue is full at the end of a pass, so its order
            # depends on time even with a seed; rows are shuffled above instead
            shuffle_row_groups=False,
            num_epochs=None,
            cur_shard=rank,
            shard_count=size,
        )
    except NoDataAvailableError as error:
        raise TrainingError(
            f"{len(files)} files hold fewer row groups than {size} ranks; set training.workers lower"
        ) from error
    try:
        for group in reader:
            yield {name: decode(name, getattr(group, name)) for name in columns}
    finally:
        reader.stop()
        reader.join()


def decode(name: str, values: np.ndarray | pd.Series) -> np.ndarray:
    """Bytes to numbers: (rows,) of bytes becomes (rows, width) int64 (float32 where they are such); others stay."""
    if name not in BINARY:
        return np.asarray(values)
    width = len(values.iloc[0] if isinstance(values, pd.Series) else values[0]) if len(values) else 0
    flat = np.frombuffer(b"".join(map(bytes, values)), dtype=BINARY[name])
    rows = flat.reshape(len(values), width // BINARY[name].itemsize)
    return rows.copy() if rows.dtype.kind == "f" else rows.astype(np.int64)
