"""What the nights have published: the recommender and histories of the newest, the generators of the newest gate."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame, Row

from recaug.generators.base import Generator
from recaug.generators.registry import generators
from recaug.lake.content import content_hash
from recaug.lake.contracts import REFIT
from recaug.lake.runs import RunRecord
from recaug.lake.slices import condition
from recaug.lake.tables import Lake
from recaug.lake.views import Room
from recaug.night.context import Context
from recaug.night.inputs import generator_inputs
from recaug.night.refit import served_arm
from recaug.results import Part


@dataclass(frozen=True)
class Vocabulary:
    """Items by their index, 0 for none. titles: None where there is no title. head: whether it is of the head."""

    item_ids: NDArray[Any]
    titles: NDArray[Any]
    head: NDArray[np.bool_]
    index: Mapping[str, int]

    @classmethod
    def read(cls, table: DataFrame, items: DataFrame) -> "Vocabulary":
        """Read it. table: vocabulary; items: the catalogue."""
        titled = table.join(items.select("item_id", "title"), "item_id", how="left")
        frame = titled.select("item_index", "item_id", "title", "head").toPandas().sort_values("item_index")
        ids, titles = np.array(["", *frame["item_id"]], dtype=object), np.array([None, *frame["title"]], dtype=object)
        head = np.array([False, *frame["head"]], dtype=bool)
        return cls(ids, titles, head, {item: index for index, item in enumerate(ids) if index})


@dataclass(frozen=True)
class Lists:
    """The newest night that made lists: its recommender, and what it knows of each user. made: when, UTC.

    people: user_id -> (items, times, event_ids, seen, n_events, fold), items as indices of its vocabulary.
    """

    date: dt.date
    made: dt.datetime
    folder: str
    vocabulary: Vocabulary
    people: Mapping[str, Row]


@dataclass(frozen=True)
class Published:
    """The newest night whose rows were published. folders: of each generator, by fold; parts: of the chosen arm."""

    date: dt.date
    made: dt.datetime
    vocabulary: Vocabulary
    generators: tuple[Generator, ...]
    folders: Mapping[str, Mapping[int, str]]
    parts: tuple[Part, ...]


class Pinned(Lake):
    """The tables of a night as its stages left them."""

    def __init__(self, lake: Lake, versions: Mapping[str, int]) -> None:
        super().__init__(lake.spark, lake.path, lake.catalog, lake.pseudonyms)
        self._lake, self._versions = lake, versions

    def location(self, name: str) -> str:
        """Do as the lake does."""
        return self._lake.location(name)

    def own(self, name: str, version: int | None = None) -> DataFrame:
        """Read a table at the night's version."""
        return super().own(name, self._versions.get(self._lake.named(name), version))

    def content_hash(self, name: str, where: Mapping[str, Any] | None = None) -> str | None:
        """Hash it at the night's version, whatever has been written since."""
        return content_hash(self.own(name).where(condition(where or {})))[1]


def newest_lists(context: Context, known: Lists | None) -> Lists | None:
    """Give the newest night's recommender, `known` where it is that; None where no night of this configuration is."""
    for record in reversed(context.history("recommend")):
        night = replace(context, date=record.event_date)
        if (own := night.find("recommend")) is not None:
            if known is not None and (known.date, known.made) == (night.date, own.finished):
                return known
            tables = _tables(night, own)
            vocabulary = Vocabulary.read(tables.read("vocabulary"), tables.read("items"))
            columns = ("user_id", "items", "times", "event_ids", "seen", "length", "n_events", "fold")
            served = tables.read("sequences").where("split = 'serve'").select(*columns).toPandas()
            people = {row.user_id: row for row in served.itertuples(index=False)}
            return Lists(record.event_date, own.finished, own.metrics.model, vocabulary, people)  # type: ignore[arg-type]
    return None


def newest_published(context: Context, known: Published | None) -> Published | None:
    """Give the generators of the newest night that published, as newest_lists does."""
    for record in reversed(context.history("publish")):
        night = replace(context, date=record.event_date)
        if record.decision == "publish" and (own := night.find("publish")) is not None:
            return (
                known
                if known is not None and (known.date, known.made) == (night.date, own.finished)
                else _published(night, own)
            )
    return None


def _published(night: Context, own: RunRecord) -> Published:
    refit, arm = night.recorded("refit").metrics, served_arm(night.recorded("evaluate")).arm
    models = refit.models if refit.serves else night.recorded("train").metrics.models
    chosen = night.config.stream.generators or arm.generators
    entries = [entry for entry in generators(night.config.augment.generators) if entry.name in arm.generators]
    tables = _tables(night, own)
    inputs = generator_inputs(replace(night, lake=tables))
    kept = tuple(entry for entry in entries if entry.name in chosen)
    folders = {entry.name: entry.folders(inputs, models) for entry in kept}
    vocabulary = Vocabulary.read(tables.read("vocabulary"), tables.read("items"))
    return Published(night.date, own.finished, vocabulary, kept, folders, arm.parts)


def _tables(night: Context, own: RunRecord) -> Lake:
    """The tables that a night's rows and lists are of, at the versions that its stages left or read."""
    serves = night.recorded("refit").metrics.serves
    lake = Room(night.lake, REFIT) if serves else night.lake
    versions: dict[str, int] = {}
    for record in night.night().values():
        versions |= record.input_versions
    for name in ("refit",) if serves else ("prepare",):
        for place, left in (night.recorded(name).outputs or {}).items():
            versions[place.split(" ")[0]] = int(left.split(" ")[0])
    return Pinned(lake, versions | own.input_versions)
