"""What was written through a lake: who may commit, each slice as it was left, and whether it is so still."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from recaug.lake.content import content_hash

if TYPE_CHECKING:
    from recaug.lake.tables import Lake

ERASURE = "erasure"  # key of the note of commits that took erased users out of a table
CLEANING = "cleaning"  # key of that of commits that took out rows of nights past
UPKEEP = ("OPTIMIZE", "VACUUM START", "VACUUM END")  # operations that change no row


@dataclass
class Ledger:
    """The commits of a lake and of its rooms; each view has one of its own.

    guard: asked right before a commit; raises where none may be made, and gives what its note says beside the rest.
    written: `table slice` -> `version content_hash`, of the last commit of each slice.
    """

    guard: Callable[[], Mapping[str, Any]] = dict
    written: dict[str, str] = field(default_factory=dict)

    def enter(self, table: str, where: str, version: int, hashed: str) -> None:
        """Note a commit. where: the slice as SQL."""
        self.written[f"{table} {where}"] = f"{version} {hashed}"


def changed(lake: "Lake", outputs: Mapping[str, str]) -> str | None:
    """Say which slice has other rows than it was left with, and who wrote it since; None where none has.

    outputs: as Ledger.written. Rows that an erasure took out, and files that were put together, are no change. A slice
    is read only where its table has other commits since.
    """
    for place, left in outputs.items():
        table, where = place.split(" ", 1)
        version, hashed = left.split(" ")
        newest = lake.version(table)
        if newest == int(version):
            continue
        if newest is None or newest < int(version):
            return f"table {table} is gone, or restored to version {newest}"
        if (writer := _writer_since(lake, table, int(version))) is None:
            continue
        if content_hash(lake.read(table, newest).where(where))[1] != hashed:
            return f"table {table} (where {where}) has other rows since version {version}, by {writer}"
    return None


def _writer_since(lake: "Lake", table: str, version: int) -> str | None:
    """What the last commit after a version says of itself; None where none could add or change a row."""
    commits = lake.whole.delta(table).history().where(f"version > {version}").select("operation", "userMetadata")
    notes = [(row["operation"], row["userMetadata"] or "") for row in commits.collect()]
    others = [note or kind for kind, note in notes if kind not in UPKEEP and f'"{ERASURE}"' not in note]
    return others[0] if others else None
