"""A lake and artifacts on real servers of files: S3 and HDFS."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.conftest import PLACES_OF_TODAY, THIN_DAY
from tests.faults.nights import SAME, Undisturbed, came_to, differs
from tests.faults.writes import kill
from tests.lake.remote import SECRET, SERVERS, Server
from tests.night.drivers import Java, Night, run
from tests.training.test_loop import EIGHT_EPOCHS, Line, numbers

from recaug.errors import StorageError
from recaug.lake import filesystems
from recaug.lake.claims import claim
from recaug.lake.disks import ArrowDisk, check
from recaug.lake.store import META, Store
from recaug.training.checkpoint import finish_model, weights_hash, working_folder
from recaug.training.launchers.watch import ProgressReader
from recaug.training.loop import TrainingPlan, fit
from recaug.training.readers import reader
from recaug.training.wholeness import damage
from recaug.training.worker import Worker

DATE = THIN_DAY.isoformat()
OF_TODAY = [place for place in SERVERS if place in PLACES_OF_TODAY]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """Gives a server by its name; each is started once."""
    servers: dict[str, Server] = {}

    def server(name: str) -> Server:
        if name not in servers:
            servers[name] = SERVERS[name](tmp_path_factory.mktemp(name))
        return servers[name]

    yield server
    for each in servers.values():
        each.stop()


@pytest.fixture(params=list(SERVERS))
def server(started: Callable[[str], Server], request: pytest.FixtureRequest) -> Server:
    return started(request.param)


@pytest.fixture
def s3(started: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    found = started("s3")
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps(found.settings))
    return found


@pytest.fixture
def store(server: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Store:
    """A folder of a test's own on the server."""
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps(server.settings))
    return Store(f"{server.address}/stores/{request.node.originalname}")


def test_a_store_on_a_server_promises_what_a_folder_does(store: Store) -> None:
    assert store.list("**/*") == []
    store.write("2017-01-21/report/index.html", "é")
    store.write("z.json", "old")
    store.write("z.json", "{}")
    assert store.read("2017-01-21/report/index.html") == "é".encode()
    assert store.list() == ["z.json"]
    assert store.list("**/*") == ["2017-01-21/report/index.html", "z.json"]
    assert store.list("**/index.html") == store.list("2017-*/report/*") == ["2017-01-21/report/index.html"]
    assert store.exists("z.json")
    assert not store.exists("2017-01-21")  # a folder is no file
    with pytest.raises(FileNotFoundError):
        store.read("nothing")
    store.append("p", "one")
    store.append("p", "two")
    assert list(store.lines("p", after=1)) == ["two"]


def test_a_folder_is_finished_moved_and_removed_without_a_rename(store: Store) -> None:
    store.publish("m", {"a/b": b"1"}, "{}")
    assert store.finished("m")
    store.at("m").publish("", {"a/b": b"2"}, "second")
    assert store.read(f"m/{META}") == b"{}"
    aside = store.at("m").move_aside("damaged")
    assert aside.finished()
    assert aside.read("a/b") == b"1"
    assert not store.finished("m")
    aside.remove()
    aside.remove()  # nothing is there: nothing to do
    assert store.list("**/*") == []


def test_a_folder_that_is_copied_in_part_is_not_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.publish("m", {"a": b"1", "z": b"2"}, "{}")
    write, written = ArrowDisk.write, []

    def killed(disk: ArrowDisk, path: str, content: bytes) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write(disk, path, content)

    with monkeypatch.context() as patched:
        patched.setattr(ArrowDisk, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            store.at("m").move_aside("damaged")
    assert store.finished("m")
    assert len(written) == 1
    assert not [name for name in store.list("**/*") if "damaged" in name and name.endswith(META)]


def test_a_training_that_is_killed_goes_on_from_its_checkpoint_there(store: Store) -> None:
    """To the same weights, to the last bit; and rank 0 finishes the model there."""
    whole, resumed = Line(), Line()
    plan = TrainingPlan("line", EIGHT_EPOCHS, 5, seed=3, checkpoint_epochs=2, watched=None)
    fit(whole, numbers(), Worker(), store.at("whole"), plan)
    work = working_folder(store.at("m"))
    with pytest.raises(KeyboardInterrupt):
        fit(Line(stop_after=5), numbers(), Worker(), work, plan)
    assert work.list(f"checkpoint-*/{META}") == [f"checkpoint-4/{META}"]
    look = ProgressReader([(store.at("m"), 40)])
    assert look.again()[0]
    fit(resumed, numbers(), Worker(), work, plan)
    assert weights_hash(resumed.module) == weights_hash(whole.module)
    finish_model(store.at("m"), resumed.module, {"arguments": {}})
    assert damage(store.at("m").root) is None
    assert work.list("**/*") == []
    look.again()
    assert look.steps == 40


@pytest.mark.parametrize("name", ["petastorm", "arrow"])
def test_ranks_read_parquet_files_of_a_server(store: Store, name: str, tmp_path: Path) -> None:
    import pandas as pd

    for number in range(3):
        pd.DataFrame({"a": range(number * 10, number * 10 + 10)}).to_parquet(tmp_path / "a", row_group_size=5)
        store.write(f"date=1/part {number}%20.parquet", (tmp_path / "a").read_bytes())
    files = [store.uri(file) for file in store.list("*/*")]
    groups = reader(name)(files, ["a"], 1, 2)
    assert [next(groups)["a"][0] for _ in range(4)] == [5, 15, 25, 5]
    groups.close()  # type: ignore[attr-defined]


def test_what_is_refused_is_one_line_that_names_the_place(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, store = Store("s3a://wrong/x"), Store("s3a://nights/x")
    for refused in (lambda: check(wrong.root), lambda: wrong.write("a", ""), lambda: wrong.publish("", {}, "")):
        with pytest.raises(StorageError, match=r"^s3a://wrong/x.*: there is no such bucket; check .*fs.s3a.endpoint"):
            refused()
    nobody = {**s3.settings, "fs.s3a.endpoint": "http://127.0.0.1:1"}
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps(nobody))
    for refused in (lambda: check(store.root), lambda: store.write("a", ""), lambda: store.exists("a")):
        with pytest.raises(StorageError, match=r"^s3a://nights/.*: it cannot be reached; check .*fs.s3a.endpoint"):
            refused()


def test_of_two_that_claim_a_lake_at_once_one_has_it(s3: Server) -> None:
    together = threading.Barrier(2)

    def claimed(_: int) -> bool:
        together.wait()
        return claim(Store("s3a://nights/claimed"), settle=2.0)

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(claimed, range(2))) == 1


def test_a_name_node_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps({"dfs.namenode.http-address": "127.0.0.1:1"}))
    store = Store("hdfs://127.0.0.1:1/x")
    for refused in (lambda: check(store.root), lambda: store.write("a", ""), lambda: store.exists("a")):
        with pytest.raises(StorageError, match=r"^hdfs://127.0.0.1:1/.*: it cannot be reached; .*http-address"):
            refused()


def test_a_buckets_own_settings_come_first(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    here = s3.settings["fs.s3a.endpoint"]
    elsewhere = {"fs.s3a.endpoint": "http://127.0.0.1:1", "fs.s3a.bucket.nights.endpoint": here}
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps({**s3.settings, **elsewhere}))
    store = Store("s3a://nights/stores/own")
    store.write("a", "1")
    assert store.read("a") == b"1"


class Ends(NamedTuple):
    """Ends a driver when it has written a file whose path has all these parts; in the place of faults' Writes."""

    parts: tuple[str, ...]

    def install(self) -> None:
        """Watch what this process writes."""
        write = ArrowDisk.write

        def watched(disk: ArrowDisk, path: str, content: bytes) -> None:
            write(disk, path, content)
            if all(part in path for part in self.parts):
                kill()

        ArrowDisk.write = watched  # type: ignore[method-assign]


class Nights(NamedTuple):
    """Nights of one configuration in one Java process, whose first minute costs as much as a night.

    local: what one in a local folder came to.
    """

    config: Path
    java: Java
    local: dict[str, Any]

    def at(self, folder: Path, server: Server) -> Path:
        """Write the same configuration with lake and artifacts on a server."""
        given = yaml.safe_load(self.config.read_text())
        given["artifacts"], given["lake"]["path"] = f"{server.address}/artifacts", f"{server.address}/lake"
        given["spark"]["settings"] |= {f"spark.hadoop.{key}": value for key, value in server.settings.items()}
        (folder / "night.yaml").write_text(yaml.safe_dump(given))
        return folder / "night.yaml"


@pytest.fixture(scope="module")
def nights(
    started: Callable[[str], Server], night_of_few: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nights]:
    """Of a thin night of few households, with all stages."""
    night_of_few.java.kill()
    given, config = yaml.safe_load(night_of_few.config.read_text()), tmp_path_factory.mktemp("servers") / "night.yaml"
    jars = ":".join(filter(None, (started(name).jars for name in OF_TODAY)))
    given["spark"]["settings"] |= {"spark.driver.extraClassPath": jars, "spark.hadoop.fs.s3a.path.style.access": "true"}
    config.write_text(yaml.safe_dump(given))
    process = Java(config)
    yield Nights(config, process, night_of_few.came_to)
    process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("server", OF_TODAY, indirect=True)
def test_a_night_on_a_server_that_is_killed_twice_comes_to_what_a_local_one_does(
    server: Server, nights: Nights, tmp_path: Path
) -> None:
    """Lake and artifacts are there alone; and no file, table or line holds the credentials."""
    config, log, said = nights.at(tmp_path, server), tmp_path / "log", ""
    for ends in (Ends(("models/vae", "checkpoint-1/", META)), Ends(("models/sasrec", META)), None):
        code = run(Night(config, DATE, log, ("--resume",), ends), nights.java)
        said += log.read_text()
        assert code == (0 if ends is None else -9), said
    server.fetch(tmp_path / "fetched")
    assert differs(nights.local, came_to(tmp_path / "fetched", DATE)) == SAME
    files = [file for file in (tmp_path / "fetched").rglob("*") if file.is_file()]
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]
    assert SECRET not in said
    assert sorted(file.name for file in tmp_path.iterdir()) == ["fetched", "log", "night.yaml"]  # none is named s3a:
