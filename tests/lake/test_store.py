"""What a Store promises: files as a whole, folders that are finished or count for nothing."""

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from recaug import cli
from recaug.errors import ConfigError, StorageError
from recaug.lake.filesystems import opened
from recaug.lake.store import META, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without space left."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.parametrize("scheme", ["ftp", "http", "S4"])
def test_a_root_on_an_unknown_file_system_is_refused_in_one_line(scheme: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{scheme}://b/x is on {scheme.lower()}; set a local folder, or one of "):
        Store(f"{scheme}://b/x")


@pytest.mark.parametrize(
    ("address", "system", "path"),
    [
        ("dbfs:/Volumes/main/shop/nights", "local", "/Volumes/main/shop/nights"),
        ("dbfs:/nights", "local", "/dbfs/nights"),
        ("file:/a b/c", "local", "/a b/c"),
        ("S3A://bucket/nights/x=1", "s3", "bucket/nights/x=1"),
        ("s3://bucket", "s3", "bucket"),
        ("gs://bucket/nights/", "gcs", "bucket/nights"),
    ],
)
def test_an_address_is_a_file_system_and_a_path_in_it(address: str, system: str, path: str) -> None:
    opened_system, opened_path = opened(address)
    assert (opened_system.type_name, opened_path) == (system, path)


def test_an_address_keeps_its_scheme_for_spark(tmp_path: Path) -> None:
    store = Store("s3a://bucket/nights/")
    assert store.at("m").beside(".training").uri("a b") == "s3a://bucket/nights/m.training/a b"
    assert Store("dbfs:/Volumes/x").uri("checkpoint") == "dbfs:/Volumes/x/checkpoint"
    assert not store.is_local
    assert Store(tmp_path).is_local


def test_a_local_root_is_absolute_whatever_its_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Store("out").root == Store(f"file://{tmp_path}/out").root == Store(tmp_path / "out").root
    assert Store("out").address("a/b.json") == f"{tmp_path}/out/a/b.json"
    assert Store("out").uri("a b") == f"file://{tmp_path}/out/a%20b"
    assert Store("out").at("2017-01-21", "report").name == "report"
    assert Store("out").at("m").beside(".training").root == f"{tmp_path}/out/m.training"


def test_a_store_travels_by_pickle_and_equals_its_copy(store: Store) -> None:
    assert pickle.loads(pickle.dumps(store)) == store
    assert len({store, pickle.loads(pickle.dumps(store)), store.at("x")}) == 2


def test_what_is_written_is_read_and_listed(store: Store) -> None:
    assert store.list("**/*") == []
    store.write("2017-01-21/report/index.html", "é")
    store.write("2017-01-21/a.png", b"\x00\xff")
    store.write("z.json", "{}")
    assert store.read("2017-01-21/report/index.html") == "é".encode()
    assert store.list() == ["z.json"]
    assert store.list("**/*") == ["2017-01-21/a.png", "2017-01-21/report/index.html", "z.json"]
    assert store.list("**/index.html") == ["2017-01-21/report/index.html"]
    assert store.exists("z.json")
    assert not store.exists("2017-01-21")  # a folder is no file
    with pytest.raises(FileNotFoundError):
        store.read("nothing")


def test_a_write_that_fails_is_one_line_and_leaves_the_old_file(store: Store, request: pytest.FixtureRequest) -> None:
    store.write("a", "old")
    request.getfixturevalue("full")
    with pytest.raises(StorageError, match=r"/a: No space left on device; free space or set artifacts elsewhere$"):
        store.write("a", "new")
    assert store.read("a") == b"old"
    assert store.list("**/*") + store.list("**/.*") == ["a"]  # nothing half written stays


def test_a_folder_where_a_file_is_cannot_be_written(store: Store) -> None:
    store.write("a", "")
    for refused in (lambda: store.write("a/b", ""), lambda: store.append("a/b", "")):
        with pytest.raises(StorageError, match="set artifacts elsewhere"):
            refused()


@pytest.mark.parametrize("killed_at", range(3))
def test_a_publish_that_is_killed_counts_for_nothing_and_the_next_one_for_all(
    store: Store, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    files = {"model.safetensors": b"1", "table": b"2"}
    replace, done = os.replace, []

    def kill(source: Path, target: Path) -> None:
        if len(done) == killed_at:
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            store.publish("m", files, "{}")
    assert not store.finished("m")
    assert len(store.list("m/*")) == killed_at
    store.publish("m", files, "{}")
    assert store.finished("m")
    assert store.at("m").finished()
    assert store.list("m/*") == ["m/meta.json", "m/model.safetensors", "m/table"]


def test_a_finished_folder_is_left_as_it_is(store: Store) -> None:
    store.at("m").publish("", {"a": b"1"}, "first")
    store.publish("m", {"a": b"2", "b": b"3"}, "second")
    assert store.read("m/a") == b"1"
    assert store.read(f"m/{META}") == b"first"
    assert not store.exists("m/b")


def test_a_folder_that_is_removed_in_part_is_not_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.publish("m", {"a": b"1"}, "{}")

    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", fail)
        with pytest.raises(StorageError, match="m: Input/output error"):
            store.remove("m")
    assert store.list("m/*") == ["m/a"]
    store.remove("m")
    store.remove("m")  # nothing is there: nothing to do
    assert store.list("**/*") == []


def test_lines_are_whole_ones_from_where_the_reader_was(store: Store) -> None:
    assert list(store.lines("p")) == []
    store.append("p", "one")
    store.append("p", "two")
    assert list(store.lines("p")) == ["one", "two"]
    assert list(store.lines("p", after=1)) == ["two"]
    with open(store.address("p"), "ab") as file:
        file.write(b"three, cut \xff")
    assert list(store.lines("p", after=2)) == []
    store.append("p", "off")
    assert list(store.lines("p", after=2)) == ["three, cut \ufffdoff"]


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))), st.integers(0, 5))
def test_what_is_appended_comes_back_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], after: int
) -> None:
    store = Store(tmp_path_factory.mktemp("lines"))
    for line in lines:
        store.append("p", line)
    assert list(store.lines("p", after)) == lines[after:]


@pytest.mark.parametrize("job", [cli.main, cli.leaks, cli.forget, cli.benchmark, cli.augmentation, cli.complete])
def test_every_job_refuses_such_artifacts_with_exit_code_2_before_spark_starts(
    job: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object) -> None:
        raise AssertionError("Spark was started")

    monkeypatch.setattr(cli, "build", started)
    values = yaml.safe_load((Path(__file__).parents[2] / "conf" / "weeks.yaml").read_text())
    file = tmp_path / "night.yaml"
    file.write_text(yaml.safe_dump(values | {"artifacts": "ftp://bucket/nights"}))
    arguments = ["--config", str(file)]
    if job is cli.forget:
        arguments += ["--users", str(file)]
    elif job not in (cli.benchmark, cli.augmentation):
        arguments += ["--date", "2017-02-04"]
    assert job(arguments) == 2
    said = "ftp://bucket/nights is on ftp; set a local folder, or one of file, dbfs, s3a, s3, abfss, abfs, gs, hdfs"
    assert capsys.readouterr().err == f"error: {said}\n"
