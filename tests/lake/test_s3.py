"""A lake and artifacts on S3: a real server of it, with access control, in a process of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.conftest import BRIEF, THIN_DAY, write_thin
from tests.training.test_loop import EIGHT_EPOCHS, Line, numbers

from recaug.errors import StorageError
from recaug.lake import filesystems
from recaug.lake.disks import ArrowDisk, check
from recaug.lake.store import META, Store
from recaug.training.checkpoint import finish_model, weights_hash, working_folder
from recaug.training.launchers.watch import ProgressReader
from recaug.training.loop import TrainingPlan, fit
from recaug.training.readers import reader
from recaug.training.wholeness import damage
from recaug.training.worker import Worker

ROOT = Path(__file__).parents[2]
JARS = ("*hadoop-aws-*.jar", "*aws-java-sdk-bundle-*.jar")  # as .ci/jars.py fetched them
# A night's plans, as they are: in a Java process of one night it costs more to compile them than to run them.
IN_BRIEF = {
    "spark.driver.extraJavaOptions": BRIEF,
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
KEY, SECRET = "OfTheTests", "SecretOfTheTests"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Address of a server with one bucket, `nights`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        url = f"http://127.0.0.1:{port}"
        client(url).create_bucket(Bucket="nights")
        yield url
    finally:
        server.terminate()
        server.wait(30)


def client(url: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    )


def hadoop(url: str) -> dict[str, str]:
    return {"fs.s3a.endpoint": url, "fs.s3a.access.key": KEY, "fs.s3a.secret.key": SECRET}


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Store:
    """A folder of a test's own in the bucket."""
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps(hadoop(endpoint)))
    return Store(f"s3a://nights/{request.node.name}")


def test_a_store_on_s3_promises_what_a_folder_does(store: Store) -> None:
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


def test_a_training_that_is_killed_goes_on_from_its_checkpoint_on_s3(store: Store) -> None:
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
def test_ranks_read_parquet_files_of_s3(store: Store, name: str, tmp_path: Path) -> None:
    import pandas as pd

    for number in range(3):
        pd.DataFrame({"a": range(number * 10, number * 10 + 10)}).to_parquet(tmp_path / "a", row_group_size=5)
        store.write(f"date=1/part {number}%20.parquet", (tmp_path / "a").read_bytes())
    files = [store.uri(file) for file in store.list("*/*")]
    groups = reader(name)(files, ["a"], 1, 2)
    assert [next(groups)["a"][0] for _ in range(4)] == [5, 15, 25, 5]
    groups.close()  # type: ignore[attr-defined]


def test_what_is_refused_is_one_line_that_names_the_place(
    endpoint: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Store("s3a://wrong/x")
    for refused in (lambda: check(wrong.root), lambda: wrong.write("a", ""), lambda: wrong.publish("", {}, "")):
        with pytest.raises(StorageError, match=r"^s3a://wrong/x.*: there is no such bucket; check .*fs.s3a.endpoint"):
            refused()
    nobody = hadoop(endpoint) | {"fs.s3a.endpoint": "http://127.0.0.1:1"}
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps(nobody))
    for refused in (lambda: check(store.root), lambda: store.write("a", ""), lambda: store.exists("a")):
        with pytest.raises(StorageError, match=r"^s3a://nights/.*: it cannot be reached; check .*fs.s3a.endpoint"):
            refused()


def test_a_buckets_own_settings_come_first(endpoint: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"fs.s3a.endpoint": "http://127.0.0.1:1", "fs.s3a.bucket.nights.endpoint": endpoint}
    monkeypatch.setenv(filesystems.ENVIRONMENT, json.dumps(hadoop(endpoint) | elsewhere))
    store.write("a", "1")
    assert store.read("a") == b"1"


@pytest.mark.slow
def test_a_night_with_lake_and_artifacts_on_s3_writes_the_rows_of_a_local_one(endpoint, night, thin_source, tmp_path):
    """And no file, table or line of it holds the credentials."""
    summary = night[1]
    jars = [jar for glob in JARS for jar in (Path.home() / ".ivy2" / "jars").glob(glob)]
    assert len(jars) == len(JARS), "run .ci/jars.py"
    settings = IN_BRIEF | {
        "spark.driver.extraClassPath": ":".join(map(str, jars)),
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    settings |= {f"spark.hadoop.{key}": value for key, value in hadoop(endpoint).items()}
    places = {"artifacts": "s3a://nights/artifacts", "lake": {"path": "s3a://nights/lake"}}
    path = write_thin(
        tmp_path / "night", thin_source, places | {"spark": {"settings": settings, "shuffle_partitions": 2}}
    )
    ended = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "nightly.py"), "--config", str(path), "--date", THIN_DAY.isoformat()],
        env=os.environ | {"PYTHONPATH": str(ROOT / "lib")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    s3 = client(endpoint)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="nights")
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    contents = {key: s3.get_object(Bucket="nights", Key=key)["Body"].read() for key in keys}
    there = json.loads(contents[f"artifacts/{THIN_DAY}/summary.json"])
    for same in ("rows", "metrics", "content_hash", "decision"):
        assert there[same] == summary[same], same
    assert not [key for key, content in contents.items() if SECRET.encode() in content]
    assert SECRET not in ended.stdout + ended.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["night"]  # nothing fell into a folder named s3a:
