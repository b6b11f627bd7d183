"""Pseudonyms: what stands for the names of people, events and sessions wherever the shop's own tables are left."""

import hashlib
import hmac
from collections.abc import Callable, Collection
from functools import partial

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

LETTERS = 32  # of a pseudonym: hexadecimal, 128 bits


class Pseudonyms:
    """HMAC-SHA-256 of names under a key (RFC 2104), its first LETTERS; without a key every name stands for itself.

    A name's column is part of what is hashed, so that a user and a session of one number are not alike.
    """

    def __init__(self, key: str | None = None) -> None:
        self._key = None if key is None else key.encode()

    @property
    def fingerprint(self) -> str | None:
        """What tells one key from another and says nothing else of it; None without one."""
        return None if self._key is None else self.of("fingerprint", "")[:16]

    def of(self, column: str, name: str) -> str:
        """Give the pseudonym of a name in a column, such as user_id."""
        return name if self._key is None else _hashed(name, self._key, column)

    def in_frame(self, rows: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
        """Put pseudonyms into columns of names; null stays null."""
        return rows if self._key is None else rows.assign(**{c: rows[c].map(self._hash(c), "ignore") for c in columns})

    def hide(self, rows: DataFrame, columns: Collection[str]) -> DataFrame:
        """Do as in_frame. The key travels with the task's Python code: no plan, and so no log of Spark's, shows it."""
        if self._key is None or not columns:
            return rows
        return rows.withColumns({column: self._column(column)(column) for column in columns})

    def reveal(self, rows: DataFrame, own: DataFrame, column: str) -> DataFrame:
        """Put the shop's names back into a column. own: rows with these names, of all who may be in `rows`."""
        if self._key is None:
            return rows
        names = own.select(F.col(column).alias("_own")).distinct()
        named = names.withColumn(column, self._column(column)("_own"))
        return rows.join(named, column, how="inner").withColumn(column, F.col("_own")).drop("_own")

    def _hash(self, column: str) -> Callable[[str], str]:
        assert self._key is not None
        return partial(_hashed, key=self._key, column=column)

    def _column(self, column: str) -> Callable[[str], F.Column]:
        hash_of = self._hash(column)

        def pseudonym(names: pd.Series) -> pd.Series:
            return names.map(hash_of, "ignore").astype(object)

        return F.pandas_udf(pseudonym, "string")  # type: ignore[call-overload]


def _hashed(name: str, key: bytes, column: str) -> str:
    return hmac.digest(key, f"{column}\x1f{name}".encode(), hashlib.sha256).hex()[:LETTERS]


BARE = Pseudonyms()
