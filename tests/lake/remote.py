"""Real servers of files, each in a process of its own: S3 with access control; HDFS, a name node and a data node."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import boto3
import pyspark
from tests.servers import class_path, free_port, java, listens, wait

KEY, SECRET = "OfTheTests", "SecretOfTheTests"
SPARKS = ("activation*", "jakarta*", "jersey*", "log4j*", "slf4j-api*")  # jars of Spark's that Hadoop needs as well


class Server(Protocol):
    """A server. address: below which folders may be written; settings: Hadoop's, by which it is found.

    jars: class path that Spark's Java needs for it.
    """

    address: str
    settings: Mapping[str, str]
    jars: str

    def fetch(self, folder: Path) -> None:
        """Copy all that it holds into a local folder, by its own client."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


class S3:
    """A server of S3 with one bucket, `nights`."""

    def __init__(self, _: Path) -> None:
        self.jars = class_path("s3")
        port = free_port()
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: listens(port))
        self.address, self.url = "s3a://nights", f"http://127.0.0.1:{port}"
        self.settings = {"fs.s3a.endpoint": self.url, "fs.s3a.access.key": KEY, "fs.s3a.secret.key": SECRET}
        self._client().create_bucket(Bucket="nights")

    def fetch(self, folder: Path) -> None:
        """By Amazon's client."""
        client = self._client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket="nights")
        for name in (entry["Key"] for page in pages for entry in page["Contents"] if not entry["Key"].endswith("/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(client.get_object(Bucket="nights", Key=name)["Body"].read())

    def stop(self) -> None:
        """End its process."""
        self._server.terminate()
        self._server.wait(30)

    def _client(self) -> Any:
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        return boto3.client("s3", endpoint_url=self.url, region_name="us-east-1", **keys)


class Hdfs:
    """A name node and a data node in one Java process, of Hadoop's own classes for tests, and WebHDFS."""

    jars = ""  # Spark has its client

    def __init__(self, folder: Path) -> None:
        sparks = Path(pyspark.__file__).parent / "jars"
        jars = [class_path("hdfs"), *(str(jar) for glob in SPARKS for jar in sparks.glob(f"{glob}.jar"))]
        opens = "--add-opens=java.base/java.lang=ALL-UNNAMED"  # to the XML of WebHDFS, on Java 17
        self._java = java(":".join(jars), 400, opens)
        self._hadoop = self._java.jvm.org.apache.hadoop
        settings = self._hadoop.conf.Configuration()
        settings.set("hdfs.minidfs.basedir", str(folder))
        self._cluster = getattr(self._hadoop.hdfs, "MiniDFSCluster$Builder")(settings).numDataNodes(1).build()
        self._cluster.waitActive()
        self.address = str(self._cluster.getURI())
        self.settings = {"dfs.namenode.http-address": str(self._cluster.getHttpUri(0)).removeprefix("http://")}

    def fetch(self, folder: Path) -> None:
        """By Hadoop's client in the server's own process."""
        folder.mkdir()
        system = self._cluster.getFileSystem()
        for found in system.listStatus(self._hadoop.fs.Path("/")):
            system.copyToLocalFile(found.getPath(), self._hadoop.fs.Path(f"file://{folder}"))

    def stop(self) -> None:
        """End its process."""
        self._java.java_process.kill()
        self._java.java_process.wait()
        self._java.shutdown()


SERVERS: Mapping[str, type[S3] | type[Hdfs]] = {"s3": S3, "hdfs": Hdfs}
