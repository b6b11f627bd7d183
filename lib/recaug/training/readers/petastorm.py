"""Row groups of Parquet files through petastorm. Only this file knows petastorm."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from petastorm import make_batch_reader
from petastorm.errors import NoDataAvailableError
from pyarrow.filesystem import FileSystem

from recaug.errors import TrainingError
from recaug.lake.filesystems import opened


def row_groups(
    files: Sequence[str], columns: Sequence[str], rank: int, size: int, passes: int | None = None
) -> Iterator[Mapping[str, np.ndarray]]:
    """This rank's row groups in the files' order, so many times, or without end: column -> values as they are stored.

    Raises TrainingError if there are fewer row groups than ranks.
    """
    # pyarrow deprecated what petastorm 0.12 calls; the calls work with the pinned versions
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm\b")
    # lists of varying length, which are not asked for
    warnings.filterwarnings("ignore", category=UserWarning, module=r"petastorm\.unischema")
    named = _Files(files)
    try:
        reader = make_batch_reader(
            [f"file://{path}" for path in named.paths],  # the scheme whose path petastorm takes as it is
            filesystem=named,
            schema_fields=[f"^{name}$" for name in columns],
            reader_pool_type="thread",
            workers_count=1,  # one reading thread keeps the order of row groups
            # petastorm 0.12 shuffles again for as long as its queue is full at the end of a pass, so its order
            # depends on time even with a seed; batches.py shuffles rows instead
            shuffle_row_groups=False,
            num_epochs=passes,
            cur_shard=rank,
            shard_count=size,
        )
    except NoDataAvailableError as error:
        raise TrainingError(
            f"{len(files)} files hold fewer row groups than {size} ranks; set training.workers lower"
        ) from error
    try:
        for group in reader:
            yield {name: getattr(group, name) for name in columns}
    finally:
        reader.stop()
        reader.join()


class _Files(FileSystem):
    """Some files of a file system of pyarrow.fs, by `/` and their paths, as what petastorm 0.12 asks for."""

    def __init__(self, files: Sequence[str]) -> None:
        places = [opened(file) for file in files]
        self.system = places[0][0]
        self.paths = {f"/{path.lstrip('/')}": path for _, path in places}

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open a file to read it."""
        return self.system.open_input_file(self.paths[path])

    def isfile(self, path: str) -> bool:
        """Say whether it is one of them."""
        return path in self.paths

    exists = isfile

    def isdir(self, path: str) -> bool:
        """Say that no folder is among them."""
        return False
