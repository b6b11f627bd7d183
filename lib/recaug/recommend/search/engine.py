"""Answers queries: the best items of the catalogue, each with the reason, for one query or for a table of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import torch
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.search_terms import normalise
from recaug.recommend.search.analysis import LONGEST, stemmed
from recaug.recommend.search.catalogue import COLUMNS, Catalogue
from recaug.recommend.search.ranker import Blocks, Ranker, top

LISTS = "query_id string, rank int, item_id string, score double, reason string"
NO_TERM = "close in spelling or meaning"


class Answer(NamedTuple):
    """An item of an answer. reason: the words of the query that the item has, or NO_TERM."""

    rank: int
    item_id: str
    title: str
    score: float
    reason: str


@dataclass(frozen=True, eq=False)
class Engine:
    """A ranker with its catalogue. Travels to the Python workers by pickle."""

    ranker: Ranker
    catalogue: Catalogue
    language: str
    blocks: Blocks

    def search(self, query: str, k: int = 10) -> list[Answer]:
        """Give the k best items for a query of any kind, best first; none where nothing of it is known."""
        (answers,) = self.answer([normalise(query[:LONGEST])], k)
        return answers

    def answer(self, queries: Sequence[str], k: int) -> list[list[Answer]]:
        """Answer normalised queries, block by block."""
        k = min(k, len(self.catalogue))
        lists = top(self.ranker, queries, k, self.blocks)
        words = stemmed(queries, self.language)
        return [
            [
                Answer(
                    rank,
                    self.catalogue.item_ids[item],
                    self.catalogue.titles[item],
                    float(score),
                    self.reason(own, item),
                )
                for rank, (item, score) in enumerate(zip(items, scores, strict=True), start=1)
                if item >= 0
            ]
            for own, items, scores in zip(words, lists.items.tolist(), lists.scores.tolist(), strict=True)
        ]

    def reason(self, words: Sequence[str], item: int) -> str:
        """The stemmed words of a query that an item has, in the query's order, by the field that has them."""
        wanted, said = list(dict.fromkeys(words)), []
        for field in COLUMNS:
            has = set(self.catalogue.fields[field][item])
            if matching := [word for word in wanted if word in has]:
                said.append(f"{field}: {', '.join(matching)}")
                wanted = [word for word in wanted if word not in has]
        return "; ".join(said) or NO_TERM


def search_lists(spark: SparkSession, queries: DataFrame, engine: Engine, k: int) -> DataFrame:
    """List the k best items of each query, made in the Python workers, a block of queries after the other.

    Columns: `queries` needs query_id and text, normalised. Gives LISTS, rank from 1.
    """
    sent = spark.sparkContext.broadcast(engine)

    def answer(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        engine = sent.value
        for frame in frames:
            for start in range(0, len(frame), engine.blocks.queries):
                block = frame.iloc[start : start + engine.blocks.queries]
                yield _rows(block["query_id"].tolist(), engine.answer(block["text"].tolist(), k))

    return queries.select("query_id", "text").mapInPandas(answer, LISTS)


def _rows(ids: Sequence[str], answers: Sequence[Sequence[Answer]]) -> pd.DataFrame:
    rows = [
        (name, one.rank, one.item_id, one.score, one.reason)
        for name, own in zip(ids, answers, strict=True)
        for one in own
    ]
    return pd.DataFrame(rows, columns=["query_id", "rank", "item_id", "score", "reason"])
