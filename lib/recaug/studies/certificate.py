"""The certificate of an erasure: what was asked, what is gone, what is looked for and not there, what expires when."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from recaug.errors import StorageError
from recaug.night.context import Context

STAYS = (
    "the shop's own log, which later nights read: rows of these users in it are ignored",
    "backups of the lake and of the artifacts",
    "counts, vocabulary and models of before, until the next night has made them anew; none of them is a start for it",
    "Delta's log: bounds of columns of files that are gone, until its own retention ends",
)


class Erased(NamedTuple):
    """What became of a table. before, after: versions. rows: deleted; left: of these users in the version after."""

    before: int | None
    after: int | None
    rows: int
    left: int


class Erasure(NamedTuple):
    """A request. nobody: ids that no row is of. pages: deleted."""

    users: list[str]
    moment: dt.datetime
    retain_hours: float
    nobody: list[str]
    pages: int


def certify(context: Context, request: Erasure, erased: Mapping[str, Erased]) -> str:
    """Write `erasures/<time>.json` among the artifacts; users are their SHA-256, with a key their pseudonyms.

    Returns its name.

    Raises StorageError, once it is written, where a table still has a row of one of them.
    """
    expires = request.moment + dt.timedelta(hours=request.retain_hours)
    keyed = context.lake.pseudonyms.fingerprint is not None
    hash_of = partial(context.lake.pseudonyms.of, "user_id") if keyed else _hash
    known = [user for user in request.users if user not in request.nobody]
    said = {
        "asked": request.moment.isoformat(),
        "done": dt.datetime.now(dt.UTC).isoformat(),
        "lake": context.lake.path or context.lake.catalog,
        "users": sorted(hash_of(user) for user in known),
        "nobody": sorted(hash_of(user) for user in request.nobody),
        "tables": {
            name: {
                "version_before": table.before,
                "version_after": table.after,
                "rows_deleted": table.rows,
                "rows_left": table.left,
            }
            for name, table in erased.items()
        },
        "rows_left": sum(table.left for table in erased.values()),
        "pages_deleted": request.pages,
        "old_versions_expire": f"{expires.isoformat()}, when jobs/erase.py runs next after it",
        "models": "made by the next night, without a start from those of before",
        "stays": list(STAYS),
    }
    name = f"erasures/{request.moment:%Y%m%dT%H%M%S}.json"
    context.artifacts.write(name, json.dumps(said, indent=2) + "\n")
    if said["rows_left"]:
        tables = ", ".join(table for table, done in erased.items() if done.left)
        raise StorageError(f"rows of erased users are left in {tables}; see {name}, and run the erasure again")
    return name


def _hash(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()
