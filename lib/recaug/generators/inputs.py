"""What a night gives its generators: tables, what is counted without a fold of the users, and last night's models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.covisitation import of_enough
from recaug.clickstream.noisy_counts import NoisyCounts, noisy_counts, one_row_a_user
from recaug.clickstream.sequences import train_events
from recaug.clickstream.terms import Neighbours, alike, item_terms
from recaug.config import CoVisitation
from recaug.errors import ContractError
from recaug.generators.private import Private
from recaug.lake.store import Store
from recaug.training.inputs import (
    Validation,
    log_popularity,
    log_shares,
    neighbours,
    popularity_and_head,
    validation_sample,
)

TRAIN = {"split": "train"}


class NightTables(Protocol):
    """The night's tables: vocabulary, sequences, covisitation, items and item_latents."""

    def read(self, name: str) -> DataFrame:
        """Read a table. Raises ContractError where there is none, or it knows what the night may not."""
        ...

    def content_hash(self, name: str, partition: Mapping[str, str] | None = None) -> str | None:
        """Hash the rows of a table, or of a partition of it."""
        ...

    def snapshot_files(self, name: str, partition: Mapping[str, str]) -> list[str]:
        """Give the addresses of a partition's files."""
        ...


@dataclass(frozen=True)
class Before:
    """Models to go on from. folders: (generator, fold) -> address of a finished model of the same code.

    epochs: (generator, fold) -> so many at most. places: (n_items + 1,), each item's index in their vocabulary, 0 for
    none.
    """

    folders: Mapping[tuple[str, int | None], str]
    epochs: Mapping[tuple[str, int | None], int]
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What is known without a fold of the users; pickled to the ranks.

    fold: left out; None: nobody is. rows: train rows of the others with two events or more, of which a private network
    has one a user; they decide the steps.
    log_popularity: (n_items + 1,). neighbours: co-visitation. validation: a sample of the fold's validation users.
    """

    fold: int | None
    rows: int
    log_popularity: np.ndarray
    neighbours: Neighbours
    validation: Validation

    @property
    def n_items(self) -> int:
        """Items of the vocabulary."""
        return len(self.log_popularity) - 1


@dataclass(frozen=True, eq=False)
class GeneratorInputs:
    """What generators learn and sample from.

    models: where models lie. counts: how co-visitation is counted. folds: of the users; (None,): nobody is left out.
    discovery: what a user has had does not come again. workers: ranks of a training. min_users: a pair counts if so
    many of the users that a model may know had it. cross_fitted: models of counts, too, leave a fold out. private: with
    it whatever is known of users has noise, so that one model serves all folds; None: nothing has.
    """

    models: Store
    tables: NightTables
    counts: CoVisitation
    seed: int
    folds: Sequence[int | None]
    max_length: int
    discovery: bool
    workers: int
    before: Before | None = None
    min_users: int = 1
    cross_fitted: bool = False
    private: Private | None = None

    @property
    def counted_folds(self) -> Sequence[int | None]:
        """Folds that the models of counts leave out; None alone where one model serves all.

        Exact counts serve all where a user's own pairs can be taken out of them: not with a least number of users, for
        whether a pair has enough depends on the user.
        """
        apart = self.cross_fitted or (self.min_users > 1 and self.private is None)
        return self.folds if apart else (None,)

    @property
    def learnt_folds(self) -> Sequence[int | None]:
        """Folds that networks leave out."""
        return self.folds if self.private is None else self.counted_folds

    def by_fold(self, folders: Mapping[int | None, str]) -> dict[int, str]:
        """Give each fold its own folder, or that of the model that serves all."""
        served = {fold: folders.get(fold, folders.get(None)) for fold in self.folds if fold is not None}
        return {fold: folder for fold, folder in served.items() if folder is not None}

    @cached_property
    def train_files(self) -> list[str]:
        """Addresses of the train rows' files."""
        return self.tables.snapshot_files("sequences", TRAIN)

    @cached_property
    def rows_hash(self) -> str:
        """Hash of the train rows and of the counts, and whose pairs of these count."""
        hashes = self.tables.content_hash("sequences", TRAIN), self.tables.content_hash("covisitation")
        private = "" if self.private is None else f" {self.private.made_of}"
        return f"{hashes[0]} {hashes[1]} {self.min_users}{private}"

    @cached_property
    def catalogue_hash(self) -> str:
        """Hash of what the catalogue says of the vocabulary's items."""
        return f"{self.tables.content_hash('items')} {self.tables.content_hash('vocabulary')}"

    @cached_property
    def alike(self) -> Neighbours:
        """Items alike in the catalogue's words and attributes."""
        terms = item_terms(self.tables.read("items"), self.tables.read("vocabulary"))
        return alike(terms, self.counts.neighbours)

    @cached_property
    def left_out(self) -> Mapping[int | None, LeftOut]:
        """What is known without each of `learnt_folds`.

        Raises ContractError where no other fold has a history of two events or more.
        """
        return {fold: self._without(fold) for fold in self.learnt_folds}

    def events(self, without: int | None = None) -> np.ndarray:
        """Train events of each item, with noise where that is asked for: (n_items + 1,)."""
        if self.private is None:
            return popularity_and_head(self.tables.read("vocabulary"))[0]
        return self._noisy[without].events

    def pairs(self, without: int | None) -> DataFrame:
        """Co-visitation without a fold, as far as it may be known: item_index, other_index, weight."""
        if self.private is not None:
            return self._noisy[without].pairs
        pairs = self.tables.read("covisitation")
        known = pairs if without is None else pairs.where(F.col("fold") != without)
        return of_enough(known, self.min_users).select("item_index", "other_index", "weight")

    @cached_property
    def _rows(self) -> Mapping[int, int]:
        """Train rows of two events or more, by fold."""
        rows = self.tables.read("sequences").where("split = 'train' AND length >= 2").groupBy("fold").count().collect()
        return {row["fold"]: row["count"] for row in rows}

    def _without(self, fold: int | None) -> LeftOut:
        others = sum(rows for other, rows in self._rows.items() if other != fold)
        if others == 0:
            raise ContractError(
                f"no history of two events or more outside fold {fold}; "
                "widen prepare.train_days or lower prepare.min_item_users"
            )
        sequences = self.tables.read("sequences")
        held_out = sequences.where("split = 'validation'")
        if fold is not None:
            held_out = held_out.where(F.col("fold") == fold)
        popularity = self._log_popularity(sequences, fold)
        return LeftOut(
            fold=fold,
            rows=others if self.private is None else self.private.users,
            log_popularity=popularity,
            neighbours=neighbours(self.pairs(fold), len(popularity) - 1, self.counts.neighbours),
            validation=validation_sample(held_out, self.max_length),
        )

    def _log_popularity(self, sequences: DataFrame, without: int | None) -> np.ndarray:
        if self.private is not None:
            return log_shares(self.events(without))
        of_fold = sequences.where((F.col("split") == "train") & (F.col("fold") == without))
        less = None if without is None else train_events(of_fold)
        return log_popularity(self.tables.read("vocabulary"), without=less)

    @cached_property
    def _noisy(self) -> Mapping[int | None, NoisyCounts]:
        """Counts with noise without each of `counted_folds`: of all users, or of halves; a user is in one of them."""
        assert self.private is not None
        users, words = one_row_a_user(self.tables.read("sequences")), self.tables.read("vocabulary")
        window, backward, n_items = self.counts.window, self.counts.backward, words.count()
        data = f"{self.rows_hash} {self.tables.content_hash('vocabulary')} window {window} without "
        return {
            fold: noisy_counts(
                users if fold is None else users.where(F.col("fold") != fold),
                n_items,
                window,
                backward,
                self.private.noise(f"{data}{fold}"),
            )
            for fold in self.counted_folds
        }


def counting(counts: CoVisitation) -> dict[str, Any]:
    """Give how a table of neighbours scores, as the arguments of models.covisitation.CoVisitation."""
    return {"window": counts.window, "backward": counts.backward, "decay": counts.decay}
