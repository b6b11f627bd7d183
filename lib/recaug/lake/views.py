"""A lake seen in part, or with other tables in some places."""

from collections.abc import Iterable

from recaug.lake.contracts import TABLES
from recaug.lake.ledger import Ledger
from recaug.lake.tables import Lake


class Room(Lake):
    """A lake in which the tables with a twin of this prefix are that twin, and all others are those of the lake."""

    def __init__(self, lake: Lake, prefix: str) -> None:
        super().__init__(lake.spark, lake.path, lake.catalog, lake.pseudonyms)
        self._lake, self._prefix, self.ledger = lake, prefix, lake.ledger

    @property
    def whole(self) -> Lake:
        """The lake that this is a room of."""
        return self._lake.whole

    def location(self, name: str) -> str:
        """Do as Lake does: every other method asks here where the table is."""
        return self._lake.location(self.named(name))

    def destination(self, name: str) -> str:
        """Do as Lake does: whatever changes a table asks here where it is."""
        return self._lake.destination(self.named(name))

    def named(self, name: str) -> str:
        """Do as Lake does: the twin where there is one."""
        twin = f"{self._prefix}_{name}"
        return twin if twin in TABLES else name


class UndeclaredTable(LookupError):
    """A table is used that was not declared: a mistake in the declaration or in what uses it."""


class View(Lake):
    """Some tables of a lake: those declared as read or written are read, the latter written; others are refused.

    Raises UndeclaredTable for another table, whatever is asked of it.
    """

    def __init__(self, lake: Lake, reads: Iterable[str], writes: Iterable[str]) -> None:
        super().__init__(lake.spark, lake.path, lake.catalog, lake.pseudonyms)
        self._lake, self._reads, self._writes = lake, frozenset(reads), frozenset(writes)
        self.ledger = Ledger(lake.ledger.guard)

    @property
    def whole(self) -> Lake:
        """The lake that this is a view of."""
        return self._lake.whole

    def location(self, name: str) -> str:
        """Do as Lake does: every other method asks here where the table is."""
        if name not in self._reads | self._writes:
            raise UndeclaredTable(f"table {name} is not declared; declared are {_names(self._reads | self._writes)}")
        return super().location(name)

    def destination(self, name: str) -> str:
        """Do as Lake does: whatever changes a table asks here where it is."""
        if name not in self._writes:
            raise UndeclaredTable(f"table {name} is not declared as written; declared are {_names(self._writes)}")
        return self.location(name)


def _names(tables: Iterable[str]) -> str:
    return ", ".join(sorted(tables)) or "none"
