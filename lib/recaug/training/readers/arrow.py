"""Row groups of Parquet files through pyarrow alone, for runtimes without petastorm. The same as petastorm's."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat

import numpy as np
from pyarrow import parquet

from recaug.errors import TrainingError
from recaug.lake.filesystems import opened


def row_groups(
    files: Sequence[str], columns: Sequence[str], rank: int, size: int, passes: int | None = None
) -> Iterator[Mapping[str, np.ndarray]]:
    """This rank's row groups in the files' order, so many times, or without end: column -> values as they are stored.

    Raises TrainingError if there are fewer row groups than ranks.
    """
    readers = [_opened(file) for file in files]
    try:
        places = [(reader, group) for reader in readers for group in range(reader.num_row_groups)]
        if len(places) < size:
            raise TrainingError(
                f"{len(files)} files hold fewer row groups than {size} ranks; set training.workers lower"
            )
        for _ in repeat(None) if passes is None else repeat(None, passes):
            for reader, group in places[rank::size]:
                table = reader.read_row_group(group, columns=list(columns))
                yield {name: table.column(name).to_numpy() for name in columns}
    finally:
        for reader in readers:
            reader.close(force=True)


def _opened(file: str) -> parquet.ParquetFile:
    system, path = opened(file)
    return parquet.ParquetFile(system.open_input_file(path))
