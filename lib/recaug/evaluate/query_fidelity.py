"""How generated queries look beside real ones: whether they find their item, are told apart, are copies."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.evaluate.two_sample import area
from recaug.recommend.search.analysis import stemmed
from recaug.recommend.search.ranker import Ranker, top
from recaug.results import Fidelity, QueryFidelity

SAMPLE = 2000  # queries of a generator that are asked or told apart


class Known(NamedTuple):
    """What queries are held against.

    words: stemmed, of each item; ranker: one that has seen no query; real: text and item_index of train pairs;
    rare: texts that may be personal; language: of the stemmer.
    """

    words: Sequence[Sequence[str]]
    ranker: Ranker
    real: pd.DataFrame
    rare: frozenset[str]
    language: str


def query_fidelity(rows: pd.DataFrame, dropped: int, known: Known, depth: int, seed: int) -> QueryFidelity:
    """Measure a generator's queries. rows: text, item_index and weight; dropped: copies of rare queries, left out.

    round_trip: share that find their item among the first `depth`; lacking: share of words that the item lacks;
    repeated: share of what was drawn that was drawn for the item before; shared: of rows whose text another item has,
    too; told_apart: area under the ROC curve of a classifier, .5 cannot.
    """
    if not len(rows):
        return QueryFidelity(rows=0, items=0, dropped=dropped)
    rng = np.random.default_rng(seed)
    asked = rows.iloc[np.sort(rng.permutation(len(rows))[:SAMPLE])]
    lists = top(known.ranker, asked["text"].tolist(), min(depth, known.ranker.n_items)).items
    real = known.real.iloc[np.sort(rng.permutation(len(known.real))[:SAMPLE])]
    return QueryFidelity(
        rows=len(rows),
        items=int(rows["item_index"].nunique()),
        dropped=dropped,
        round_trip=float((lists == asked["item_index"].to_numpy()[:, None]).any(axis=1).mean()),
        lacking=lacking(asked, known),
        real_lacking=lacking(real, known),
        repeated=float(1 - rows.groupby("item_index")["weight"].count().sum() / _drawn(rows)),
        shared=float(rows["text"].duplicated(keep=False).mean()),
        copies=float(rows["text"].isin(known.rare).mean()),
        told_apart=_told_apart(asked, real, known, seed),
        entropy_ratio=_entropy(asked["text"], known.language) / max(_entropy(real["text"], known.language), 1e-9),
    )


def gate_fidelity(measured: QueryFidelity, n_items: int) -> Fidelity:
    """What the gate looks at."""
    return Fidelity(
        rows=measured.rows,
        histories=0,
        coverage=measured.items / n_items,
        entropy_ratio=measured.entropy_ratio,
        duplicates=measured.repeated,
        copies=measured.copies,
        mean_fidelity=measured.round_trip,
        told_apart=measured.told_apart,
    )


def lacking(rows: pd.DataFrame, known: Known) -> float:
    """Share of the words of queries that their item's text lacks (Doc2Token, Li et al. 2024)."""
    counted = [
        (sum(word not in has for word in own), len(own))
        for own, has in zip(
            stemmed(rows["text"], known.language), (set(known.words[item]) for item in rows["item_index"]), strict=True
        )
    ]
    missing, words = (sum(part) for part in zip(*counted, strict=True))
    return missing / max(words, 1)


def _drawn(rows: pd.DataFrame) -> float:
    """How many were drawn, by the smallest share of each item's."""
    return float((1 / rows.groupby("item_index")["weight"].min()).round().sum())


def _entropy(texts: pd.Series, language: str) -> float:
    """Shannon's, of the words, in nats."""
    counts = np.array(list(Counter(word for own in stemmed(texts, language) for word in own).values()), np.float64)
    shares = counts / counts.sum() if len(counts) else counts
    return float(-(shares * np.log(shares)).sum())


def _told_apart(made: pd.DataFrame, real: pd.DataFrame, known: Known, seed: int) -> float | None:
    """Items of even number teach the classifier, the others are asked; None where there are too few."""
    both = pd.concat([made, real], ignore_index=True)
    truth = np.arange(len(both)) < len(made)
    seen = _features(both, known)
    half = both["item_index"].to_numpy() % 2 == 0
    if any(len(set(truth[part])) < 2 for part in (half, ~half)):
        return None
    return area(seen[half], truth[half], seen[~half], truth[~half], seed)


def _features(rows: pd.DataFrame, known: Known) -> NDArray[np.float64]:
    """Length, share of words that the item has, how common the words are in real queries, and their neighbourhoods."""
    common = Counter(word for own in stemmed(known.real["text"], known.language) for word in set(own))
    features = []
    for own, item in zip(stemmed(rows["text"], known.language), rows["item_index"], strict=True):
        has, logs = set(known.words[item]), np.log1p([common[word] for word in own] or [0])
        shared = sum(word in has for word in own) / max(len(own), 1)
        digits = sum(word[0].isdigit() for word in own) / max(len(own), 1)
        features.append((len(own), shared, logs.mean(), logs.min(), logs.max(), logs[-1], digits))
    return np.array(features, np.float64)
