"""The file system of an address for readers outside Spark, by Hadoop's settings: one table of schemes.

The driver reads the settings from its session once (hand_over), and Spark's Python workers get them in their
environment: nothing of them is written anywhere. What no setting says, the environment or the machine's role does.
"""

import datetime as dt
import getpass
import json
import os
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pyarrow import fs
from pyspark.sql import SparkSession

from recaug.errors import ConfigError

ENVIRONMENT = "RECAUG_FILE_SYSTEMS"  # of the driver and its workers: Hadoop's settings as JSON
S3A = (
    "access.key",
    "secret.key",
    "session.token",
    "endpoint",
    "endpoint.region",
    "connection.ssl.enabled",
    "aws.credentials.provider",
    "assumed.role.arn",
)
KEYS = (
    *(f"fs.s3a.{key}" for key in S3A),
    "fs.gs.storage.root.url",
    "fs.gs.auth.service.account.json.keyfile",
    "dfs.namenode.http-address",
)
PREFIXES = ("fs.s3a.bucket.", "fs.azure.account.")  # keys that hold the name of a bucket or an account
ANY_HOST = "0.0.0.0"  # nosec B104: so Hadoop writes that the name node's web address is that of its host
PATIENCE = 10.0  # seconds to connect, and to wait for an answer

Settings = Mapping[str, str]


class Place(NamedTuple):
    """An address in parts. authority: bucket, or host with port. path: from the root on, with its slash."""

    scheme: str
    authority: str
    path: str


def hand_over(session: SparkSession) -> None:
    """Take the session's settings of file systems for this process and for every Python worker that it starts."""
    hadoop = session._jsparkSession.sessionState().newHadoopConf()
    found = {key: "".join(value) for key in KEYS if (value := hadoop.getPassword(key)) is not None}
    for prefix in PREFIXES:
        below = (name for name in hadoop.getPropsWithPrefix(prefix))
        found |= {prefix + name: "".join(hadoop.getPassword(prefix + name)) for name in below}
    text = json.dumps(found, sort_keys=True)
    os.environ[ENVIRONMENT] = session.sparkContext.environment[ENVIRONMENT] = text


def parts(address: str) -> Place:
    """Take an address apart; a path without a scheme is local, and absolute from here on.

    Raises ConfigError for a scheme that is not in the table.
    """
    if (found := re.match(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/]*))?(/.*)?$", address, re.DOTALL)) is None:
        return Place("file", "", str(Path(address).absolute()))
    place = Place(found[1].lower(), found[2] or "", found[3] or "/")
    if place.scheme not in SCHEMES:
        raise ConfigError(f"{address} is on {place.scheme}; set a local folder, or one of {', '.join(SCHEMES)}")
    return place


def opened(address: str) -> tuple[fs.FileSystem, str]:
    """Give an address's file system and the path in it. Raises ConfigError for a scheme that is not in the table."""
    place = parts(address)
    system = _system(place.scheme, place.authority, os.environ.get(ENVIRONMENT, "{}"))
    return system, SCHEMES[place.scheme].path(place)


@lru_cache(maxsize=32)
def _system(scheme: str, authority: str, settings: str) -> fs.FileSystem:
    return SCHEMES[scheme].system(authority, json.loads(settings))


def _s3(bucket: str, settings: Settings) -> fs.FileSystem:
    """S3 by Hadoop's keys, a bucket's own first; without credentials there, by the environment or the role."""
    of = {key: settings.get(f"fs.s3a.bucket.{bucket}.{key}") or settings.get(f"fs.s3a.{key}") for key in S3A}
    given: dict[str, Any] = {"request_timeout": PATIENCE, "connect_timeout": PATIENCE}
    if of["access.key"] and of["secret.key"]:
        given |= {"access_key": of["access.key"], "secret_key": of["secret.key"]}
        given["session_token"] = of["session.token"] or None
    elif of["assumed.role.arn"]:
        given["role_arn"] = of["assumed.role.arn"]
    elif (of["aws.credentials.provider"] or "").endswith("AnonymousAWSCredentialsProvider"):
        given["anonymous"] = True
    if endpoint := of["endpoint"]:
        scheme, _, host = endpoint.rpartition("://")
        given |= {"endpoint_override": host.rstrip("/")}
        given["scheme"] = scheme or ("http" if of["connection.ssl.enabled"] == "false" else "https")
        if region := re.fullmatch(r"s3[.-]([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?", host):
            given["region"] = region[1]
    if of["endpoint.region"]:
        given["region"] = of["endpoint.region"]
    return fs.S3FileSystem(**given)


def _gs(_: str, settings: Settings) -> fs.FileSystem:
    """Google's by a key file of Hadoop's settings, or as its libraries find credentials."""
    if file := settings.get("fs.gs.auth.service.account.json.keyfile"):
        os.environ.setdefault("GOOGLE_APPLICATION_CREDENTIALS", file)
    url = urlsplit(settings.get("fs.gs.storage.root.url") or "https:")
    limit = dt.timedelta(seconds=3 * PATIENCE)
    return fs.GcsFileSystem(scheme=url.scheme, endpoint_override=url.netloc or None, retry_time_limit=limit)


def _azure(authority: str, settings: Settings) -> fs.FileSystem:
    """Azure's by an account's key or its OAuth client, else as Azure's library finds credentials; through fsspec."""
    host = authority.rpartition("@")[2]
    of = {
        option: settings.get(f"fs.azure.account.{key}.{host}") or settings.get(f"fs.azure.account.{key}")
        for option, key in OF_AZURE.items()
    }
    given = {option: value for option, value in of.items() if value}
    if "tenant_id" in given:  # it stands in the endpoint's path
        given["tenant_id"] = urlsplit(given["tenant_id"]).path.split("/")[1]
    return _by_fsspec("abfs", account_name=host.partition(".")[0], **given)


OF_AZURE = {  # adlfs' options by Hadoop's keys
    "account_key": "key",
    "client_id": "oauth2.client.id",
    "client_secret": "oauth2.client.secret",
    "tenant_id": "oauth2.client.endpoint",
}


def _hdfs(authority: str, settings: Settings) -> fs.FileSystem:
    """HDFS by libhdfs, which a Hadoop client brings; without it by WebHDFS, at dfs.namenode.http-address."""
    host, _, port = authority.partition(":")
    try:
        return fs.HadoopFileSystem(host or "default", int(port or 0))
    except OSError:  # there is no libhdfs, or no Java that it finds
        web, _, web_port = settings.get("dfs.namenode.http-address", f"{ANY_HOST}:9870").partition(":")
        user = os.environ.get("HADOOP_USER_NAME") or getpass.getuser()
        return _by_fsspec("webhdfs", host=host if web == ANY_HOST else web, port=int(web_port), user=user)


def _by_fsspec(protocol: str, **options: Any) -> fs.FileSystem:
    """A file system that pyarrow lacks."""
    import fsspec

    return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(protocol, **options)))


class Scheme(NamedTuple):
    """How an address is opened. system: of its authority and the settings. path: in that system.

    overwrites: whether a file that must not be there yet can still take another's place.
    """

    system: Callable[[str, Settings], fs.FileSystem]
    path: Callable[[Place], str]
    needs: str = "a folder that can be read and written"
    overwrites: bool = False


def _local(_: str, __: Settings) -> fs.FileSystem:
    return fs.LocalFileSystem()


def _below_bucket(place: Place) -> str:
    return (place.authority.partition("@")[0] + place.path).rstrip("/")


def _from_root(place: Place) -> str:
    return place.path.rstrip("/") or "/"


def _mounted(place: Place) -> str:
    """Databricks mounts its volumes and its own file system."""
    return place.path if place.path.startswith("/Volumes/") else f"/dbfs{place.path}"


S3 = Scheme(_s3, _below_bucket, "spark.hadoop.fs.s3a.endpoint, .access.key and .secret.key, or AWS_* or a role", True)
AZURE = Scheme(_azure, _below_bucket, "spark.hadoop.fs.azure.account.*, or AZURE_* or an identity, and adlfs")
SCHEMES: Mapping[str, Scheme] = {
    "file": Scheme(_local, _from_root),
    "dbfs": Scheme(_local, _mounted),
    "s3a": S3,
    "s3": S3,
    "abfss": AZURE,
    "abfs": AZURE,
    "gs": Scheme(_gs, _below_bucket, "spark.hadoop.fs.gs.*, or GOOGLE_APPLICATION_CREDENTIALS"),
    "hdfs": Scheme(_hdfs, _from_root, "HADOOP_HOME with its CLASSPATH, or spark.hadoop.dfs.namenode.http-address"),
}
