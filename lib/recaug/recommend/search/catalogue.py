"""What rankers read of the catalogue: the stemmed words of each item's fields, made in pandas UDFs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.recommend.search.analysis import stemmed
from recaug.recommend.search.lexical import Fields

COLUMNS = ("title", "text", "attributes")
SCHEMA = "item_id string, shown string, codes array<string>, " + ", ".join(f"{name} array<string>" for name in COLUMNS)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items in the order of their ids, which is that of every array of a ranker.

    titles: as they are shown. fields: stemmed words. attributes: of each item, each as name=value.
    """

    item_ids: Sequence[str]
    titles: Sequence[str]
    fields: Fields
    attributes: Sequence[list[str]]

    def __len__(self) -> int:
        return len(self.item_ids)


def read_catalogue(items: DataFrame, language: str) -> Catalogue:
    """Read the words of title, text and attributes. Columns: `items` as the table of that name."""
    frame = catalogue_words(items, language).toPandas().sort_values("item_id", ignore_index=True)
    fields = {name: [list(words) for words in frame[name]] for name in COLUMNS}
    return Catalogue(frame["item_id"].tolist(), frame["shown"].tolist(), fields, [list(own) for own in frame["codes"]])


def catalogue_words(items: DataFrame, language: str) -> DataFrame:
    """Normalise and stem the fields: item_id, shown (the title), codes (name=value), and the words of each field."""
    named = F.transform(F.map_entries("categorical"), lambda pair: F.concat_ws("=", pair["key"], pair["value"]))
    many = F.transform(
        F.map_entries("multi_valued"),
        lambda pair: F.transform(pair["value"], lambda value: F.concat_ws("=", pair["key"], value)),
    )
    codes = F.concat(*(F.coalesce(part, F.array().cast("array<string>")) for part in (named, F.flatten(many))))
    values = F.transform("codes", lambda code: F.substring_index(code, "=", -1))
    rows = items.select(
        "item_id",
        F.coalesce("title", F.lit("")).alias("title"),
        F.coalesce("text", F.lit("")).alias("text"),
        codes.alias("codes"),
    ).withColumn("attributes", F.concat_ws(" ", values))

    def analyse(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            words = {name: stemmed(frame[name], language) for name in COLUMNS}
            yield pd.DataFrame({"item_id": frame["item_id"], "shown": frame["title"], "codes": frame["codes"]} | words)

    return rows.mapInPandas(analyse, SCHEMA)
