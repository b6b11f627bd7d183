"""Row groups of Parquet files through petastorm. Only this file knows petastorm."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from fsspec.implementations.arrow import ArrowFSWrapper
from petastorm import make_batch_reader
from petastorm.errors import NoDataAvailableError

from recaug.errors import TrainingError
from recaug.lake.filesystems import opened


def row_groups(
    files: Sequence[str], columns: Sequence[str], rank: int, size: int
) -> Iterator[Mapping[str, np.ndarray]]:
    """This rank's row groups in the files' order, without end: column -> values as they are stored.

    Raises TrainingError if there are fewer row groups than ranks.
    """
    # pyarrow deprecated what petastorm 0.12 calls; the calls work with the pinned versions
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm\b")
    # lists of varying length, which are not asked for
    warnings.filterwarnings("ignore", category=UserWarning, module=r"petastorm\.unischema")
    system, paths = opened(files[0])[0], [opened(file)[1] for file in files]
    try:
        reader = make_batch_reader(
            [f"file:///{path.lstrip('/')}" for path in paths],  # the scheme whose path petastorm takes as it is
            filesystem=_Files(system),
            schema_fields=[f"^{name}$" for name in columns],
            reader_pool_type="thread",
            workers_count=1,  # one reading thread keeps the order of row groups
            # petastorm 0.12 shuffles again for as long as its queue is full at the end of a pass, so its order
            # depends on time even with a seed; batches.py shuffles rows instead
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
            yield {name: getattr(group, name) for name in columns}
    finally:
        reader.stop()
        reader.join()


class _Files(ArrowFSWrapper):  # type: ignore[misc]
    """A file system by the paths that it has: those of buckets begin without a slash."""

    cachable = False

    def _strip_protocol(self, path: str) -> str:  # type: ignore[override]
        return path if self.root_marker else path.lstrip("/")
