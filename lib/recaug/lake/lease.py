"""One writer at a time: a lease on the lake, with a token that every commit carries and is checked against."""

import datetime as dt
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from recaug.errors import StorageError
from recaug.lake.claims import away, claim, overwrites
from recaug.lake.contracts import TABLES
from recaug.lake.failures import storage_error
from recaug.lake.literals import literal_rows
from recaug.lake.store import Store
from recaug.lake.tables import Lake

LEASES = "leases"
POLL_SECONDS = 2.0  # between looks of one who waits
NIGHT = "the night of "  # how the work of a night begins
RENEWALS = 3  # in the time after which a lease that is not renewed expires


class LakeHeldError(StorageError):
    """Another job writes the lake, or has since taken the lease over."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. machine: the boot and the space of process ids; started: of the process, epoch seconds."""

    work: str
    host: str
    machine: str
    pid: int
    started: float

    @classmethod
    def this(cls, work: str) -> "Holder":
        """This process. work: what it does, such as `the night of 2026-11-23`."""
        boot = Path("/proc/sys/kernel/random/boot_id")
        with suppress(OSError):
            machine = f"{boot.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
            return cls(work, socket.gethostname(), machine, os.getpid(), psutil.Process().create_time())
        return cls(work, socket.gethostname(), "", os.getpid(), psutil.Process().create_time())

    @property
    def said(self) -> str:
        """As the lease's row has it."""
        return json.dumps(asdict(self))

    def is_dead(self) -> bool:
        """Whether it was a process of this machine that is no more; of another machine nobody knows."""
        if not self.machine or self.machine != Holder.this("").machine:
            return False
        try:
            process = psutil.Process(self.pid)
            return process.create_time() != self.started or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


class Lease:
    """The right to write a lake, renewed by a thread until it is released.

    token: higher than that of every lease before. Its guard says so in each commit, and refuses where it is lost.
    """

    def __init__(self, lake: Lake, holder: Holder, token: int, seconds: float) -> None:
        self.lake, self.holder, self.token, self.seconds = lake, holder, token, seconds
        self.expires = time.time() + seconds
        self._seen = lake.version(LEASES)
        self._lock, self._ended = threading.Lock(), threading.Event()
        # a session of its own, for Delta keeps there which commit was the last
        self._own = Lake(lake.spark.newSession(), lake.path, lake.catalog)
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def guard(self) -> dict[str, Any]:
        """Give the token, for a commit's note. Raises LakeHeldError where another holds the lake now."""
        with self._lock:
            if self.lake.version(LEASES) != self._seen or time.time() > self.expires:
                self._renew()
        return {"lease": self.token}

    def release(self) -> None:
        """End it, so that the next need not wait; one that is lost already is not touched."""
        self._ended.set()
        self._thread.join()
        with suppress(PySparkException, Py4JError, OSError):  # it expires
            _update(self._own, self.token, self.token, self.holder, 0)

    def _keep(self) -> None:
        while not self._ended.wait(self.seconds / RENEWALS):
            with suppress(PySparkException, Py4JError, OSError, LakeHeldError), self._lock:  # the guard says so
                self._renew()

    def _renew(self) -> None:
        """Put its end off, also where it is over and nobody has taken the lake since."""
        began = time.time()
        _update(self._own, self.token, self.token, self.holder, self.seconds)
        row = _row(self._own)
        if row is None or row["token"] != self.token or row["holder"] != self.holder.said:
            raise LakeHeldError(
                f"lake {place(self.lake)}: this job lost its lease, which it did not renew in time, to "
                f"{_said(row)}; nothing was written since. Run it again with --resume"
            )
        self.expires, self._seen = began + self.seconds, self._own.version(LEASES)


@contextmanager
def hold(lake: Lake, work: str, seconds: float, wait: float = 0) -> Iterator[None]:
    """Hold the lake while the block runs; every commit through it carries the lease's token.

    seconds: after which a lease that is not renewed expires; one of a dead process of this machine has expired.
    wait: seconds to wait for another holder.
    Raises LakeHeldError, which names the holder, where it does not become free.
    """
    try:
        lease = _take(lake, Holder.this(work), seconds, time.time() + wait)
    except (PySparkException, Py4JError) as error:
        raise storage_error(error, f"table {LEASES} at {lake.location(LEASES)}") from error
    before, lake.ledger.guard = lake.ledger.guard, lease.guard
    try:
        yield
    finally:
        lake.ledger.guard = before
        lease.release()


def _take(lake: Lake, holder: Holder, seconds: float, until: float) -> Lease:
    """Take the lease: a commit that succeeds only where the row is still that which was seen to be free."""
    while True:
        if (row := _to_take(lake)) is not None:
            token = row["token"] + 1
            with suppress(PySparkException, Py4JError):  # another took it first
                _update(lake, row["token"], token, holder, seconds)
            row = _row(lake)
            if row is not None and row["token"] == token and row["holder"] == holder.said:
                return Lease(lake, holder, token, seconds)
        if time.time() >= until:
            row = _row(lake)
            who = _said(None if row is None or _is_free(row) else row)
            raise LakeHeldError(f"lake {place(lake)} is held by {who}; wait for it to end, or give --wait SECONDS")
        time.sleep(away() if overwrites(lake) else POLL_SECONDS)


def _to_take(lake: Lake) -> Row | None:
    """The lease where it is free, and nobody else takes it in this moment; else None."""
    row = _row(lake)
    if overwrites(lake) and (row is None or _is_free(row)):
        if not claim(Store(str(lake.path))):
            return None
        row = _row(lake)  # somebody may have been through meanwhile
    if row is None:
        row = _created(lake)
    return row if _is_free(row) else None


def _is_free(row: Row) -> bool:
    return not row["holder"] or row["expires"] < time.time() or Holder(**json.loads(row["holder"])).is_dead()


def _created(lake: Lake) -> Row:
    """Make the table, of a lease that nobody holds, unless another is first."""
    try:
        _create(lake)
    except (PySparkException, Py4JError):
        if _row(lake) is None:
            raise
    row = _row(lake)
    assert row is not None
    return row


def _create(lake: Lake) -> None:
    rows = literal_rows(lake.spark, [(0, "", None, None, None)], TABLES[LEASES].columns)
    writer = rows.write.format("delta").mode("errorifexists").option("delta.enableDeletionVectors", "false")
    if lake.path is not None:
        writer.save(lake.location(LEASES))
    else:
        writer.saveAsTable(lake.location(LEASES))


def _update(lake: Lake, token: int, after: int, holder: Holder, seconds: float) -> None:
    """Write the lease anew where its token is still this one, in one commit; 0 seconds release it."""
    now = time.time()
    values: dict[str, str | Column] = {
        "token": F.lit(after),
        "renewed": _moment(now),
        "expires": _moment(now + seconds),
    }
    if after != token:
        values |= {"since": _moment(now)}
    values["holder"] = F.lit(holder.said if seconds else "")
    own = F.col("token") == token
    if after == token:  # which it renews or releases: nobody else's of the same number
        own &= F.col("holder") == holder.said
    lake.delta(LEASES).update(own, values)


def _row(lake: Lake) -> Row | None:
    """The lease as it is now, times in epoch seconds; None where there is no table."""
    if not lake.exists(LEASES):
        return None
    times = (f"coalesce(double({name}), 0) AS {name}" for name in ("since", "expires"))
    return lake.read(LEASES).selectExpr("token", "holder", *times).first()


def held_by(lake: Lake) -> Holder | None:
    """Who holds the lake now; None where nobody does, or nobody that is alive."""
    row = _row(lake)
    if row is None or not row["holder"] or row["expires"] < time.time():
        return None
    holder = Holder(**json.loads(row["holder"]))
    return None if holder.is_dead() else holder


def _said(row: Row | None) -> str:
    """Who holds it, since when and until when it is certain."""
    if row is None or not row["holder"]:
        return "another job that is about to take it, or has just ended"
    holder = Holder(**json.loads(row["holder"]))
    since, expires = (f"{dt.datetime.fromtimestamp(row[name], dt.UTC):%F %T}" for name in ("since", "expires"))
    who = f"{holder.work} (process {holder.pid} on {holder.host})"
    return f"{who} since {since} UTC; its lease ends at {expires} UTC unless it is renewed"


def _moment(seconds: float) -> Column:
    return F.timestamp_seconds(F.lit(seconds))


def place(lake: Lake) -> str:
    """Where a lake is."""
    return lake.path or str(lake.catalog)
