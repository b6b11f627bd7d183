import shutil
from collections import Counter
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from tests.training.conftest import MAX_LENGTH, USERS, histories

from recaug.errors import TrainingError
from recaug.training import readers
from recaug.training.batches import Columns, decode, row_batches
from recaug.training.readers import reader

COLUMNS = ["user_index", "items", "length", "fold"]

needs_petastorm = pytest.mark.skipif(find_spec("petastorm") is None, reason="no Petastorm on this runtime")


def test_a_pass_sees_every_row_once_with_its_items(train_files: list[str]) -> None:
    batches = list(islice(row_batches(train_files, COLUMNS, 8, seed=1, shuffle_rows=USERS), USERS // 8))
    users = np.concatenate([batch["user_index"].numpy() for batch in batches])
    assert sorted(users) == list(range(USERS))
    items = np.concatenate([batch["items"].numpy() for batch in batches])
    assert items.shape == (USERS, MAX_LENGTH)
    expected = histories()
    for user, row in zip(users, items, strict=True):
        assert row[row > 0].tolist() == expected[user].tolist()


def test_ranks_share_the_rows_without_overlap(train_files: list[str]) -> None:
    seen = []
    for rank in range(2):
        batches = row_batches(train_files, COLUMNS, 4, seed=1, shuffle_rows=8, rank=rank, size=2)
        seen.append({int(user) for batch in islice(batches, 200) for user in batch["user_index"]})
        batches.close()  # type: ignore[attr-defined]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(USERS))


def test_the_seed_alone_decides_the_order(train_files: list[str]) -> None:
    def order(seed: int) -> list[int]:
        batches = row_batches(train_files, COLUMNS, 8, seed=seed, shuffle_rows=40)
        return [int(user) for batch in islice(batches, 30) for user in batch["user_index"]]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1)[:USERS] != order(1)[USERS : 2 * USERS]  # every pass in another order


def test_no_row_is_lost_between_blocks(train_files: list[str]) -> None:
    batches = row_batches(train_files, COLUMNS, 7, seed=1, shuffle_rows=20)
    counts = Counter(int(user) for batch in islice(batches, 4 * USERS) for user in batch["user_index"])
    assert set(counts) == set(range(USERS))
    assert max(counts.values()) - min(counts.values()) <= 2


@needs_petastorm
@pytest.mark.parametrize("size", [1, 2])
def test_arrow_reads_what_petastorm_reads(train_files: list[str], size: int) -> None:
    for rank in range(size):
        through = [reader(name)(train_files, COLUMNS, rank, size) for name in ("petastorm", "arrow")]
        for one, other in islice(zip(*through, strict=True), 2 * len(train_files)):  # two passes or more
            for name in COLUMNS:
                assert decode(name, one[name]).tolist() == decode(name, other[name]).tolist()
        for groups in through:
            groups.close()  # type: ignore[attr-defined]


@needs_petastorm
def test_petastorm_reads_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reader(None).__module__.endswith("petastorm")
    monkeypatch.setattr(readers, "find_spec", lambda name: None)
    assert reader(None).__module__.endswith("arrow")


def test_arrow_takes_addresses_as_spark_lists_them(train_files: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "a night's lake, 100 %"
    folder.mkdir()
    shutil.copy(train_files[0].removeprefix("file://"), folder / "part.parquet")
    (group,) = islice(reader("arrow")([f"file://{folder}/part.parquet"], COLUMNS, 0, 1), 1)
    assert len(group["items"])


@pytest.mark.parametrize("name", [pytest.param("petastorm", marks=needs_petastorm), "arrow"])
def test_only_rows_to_keep_arrive(train_files: list[str], name: str) -> None:
    def keep(rows: Columns) -> np.ndarray:
        return (rows["fold"] == 1) & (rows["length"] > 2)

    batches = row_batches(train_files, COLUMNS, 8, seed=1, shuffle_rows=40, keep=keep, reader=name)
    for batch in islice(batches, 20):
        assert (batch["fold"] == 1).all()
        assert (batch["length"] > 2).all()


def test_fewer_row_groups_than_ranks_is_one_line(train_files: list[str]) -> None:
    with pytest.raises(TrainingError, match=r"fewer row groups than 9 ranks; set training\.workers lower"):
        next(row_batches(train_files, COLUMNS, 8, seed=1, shuffle_rows=8, rank=0, size=9))
