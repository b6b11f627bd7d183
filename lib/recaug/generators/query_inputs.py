"""What generators of queries know: the train queries' terms, whose they are, and the items that they led to."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recaug.clickstream.search_terms import terms
from recaug.config import Queries
from recaug.generators.query_counts import Ints, Pairs, Translation, Vocabulary, translate
from recaug.recommend.search.analysis import LONGEST, stemmed

LOGGED = ("click", "purchase")  # sources of judgements whose queries are searches of users


class QueryInputs(NamedTuple):
    """queries: as asked_by gives them; item_terms: (items, terms) 1 where it has it; names: of these terms."""

    vocabulary: Vocabulary
    pairs: Pairs
    translation: Translation
    item_terms: csr_matrix
    names: Sequence[str]


def rare_queries(queries: pd.DataFrame, logged: bool, min_users: int) -> NDArray[np.bool_]:
    """Whether each query is of fewer users than min_users: (queries,). They may be personal.

    queries: users, 0 where nobody is known, and count, of searches. logged: whether they are searches of users at all;
    those of graded judgements were chosen by who had them graded.
    """
    if not logged:
        return np.zeros(len(queries), np.bool_)
    known = np.where(queries["users"] > 0, queries["users"], queries["count"])
    return np.asarray(known < min_users)


def vocabulary_of(queries: pd.DataFrame, logged: bool, language: str, settings: Queries) -> Vocabulary:
    """Number the terms that enough train queries, and enough users, have. queries: text, users, count; train only."""
    texts = queries["text"].tolist()
    written, stems = [terms(text[:LONGEST]) for text in texts], stemmed(texts, language)
    asked = np.where(queries["users"] > 0, queries["users"], queries["count"]).tolist() if logged else None
    n_queries, n_users, shown, place = (
        Counter[str](),
        Counter[str](),
        dict[str, Counter[str]](),
        dict[str, list[float]](),
    )
    for row, (own, words) in enumerate(zip(stems, written, strict=True)):
        for at, (stem, word) in enumerate(zip(own, words, strict=True)):
            shown.setdefault(stem, Counter())[word] += 1
            place.setdefault(stem, []).append(at / max(len(own) - 1, 1) if len(own) > 1 else 0.5)
        n_queries.update(set(own))
        n_users.update(dict.fromkeys(own, asked[row] if asked is not None else 1))
    enough = settings.min_users if asked is not None else 1
    names = sorted(name for name, n in n_queries.items() if n >= settings.min_queries and n_users[name] >= enough)
    return Vocabulary(
        names=names,
        shown=[max(sorted(shown[name]), key=shown[name].__getitem__) for name in names],
        place=np.array([np.mean(place[name]) for name in names]),
        number={name: number for number, name in enumerate(names)},
        lengths=np.array([len(set(own)) for own in stems if own] or [1], np.int64),
    )


def query_inputs(
    queries: pd.DataFrame,
    pairs: pd.DataFrame,
    words: Sequence[Sequence[str]],
    language: str,
    logged: bool,
    settings: Queries,
) -> QueryInputs:
    """Count the train pairs.

    queries: query_id, text, users and count of all queries; pairs: query_index, item_index, weight of train queries;
    words: stemmed, of each item.
    """
    trained = np.unique(pairs["query_index"])
    vocabulary = vocabulary_of(queries.iloc[trained], logged, language, settings)
    names: dict[str, int] = {}
    item_terms: csr_matrix = incidence([[names.setdefault(word, len(names)) for word in own] for own in words], names)
    stems = stemmed(queries["text"].iloc[trained].tolist(), language)
    numbered: csr_matrix = incidence(
        [[vocabulary.number[s] for s in own if s in vocabulary.number] for own in stems], vocabulary.names
    )
    query = pairs["query_index"].to_numpy(np.int64)
    folds = np.array([int(name[:8], 16) % settings.folds for name in queries["query_id"].iloc[trained]], np.int64)
    place = np.searchsorted(trained, query)
    counted = Pairs(
        query=query,
        item=pairs["item_index"].to_numpy(np.int64),
        fold=folds[place],
        weight=pairs["weight"].to_numpy(np.float64),
        terms=csr_matrix(numbered[place]),
    )
    same = np.array([vocabulary.number.get(name, -1) for name in names], np.int64)
    translation = translate(counted, item_terms, same, settings.folds, settings.prior)
    return QueryInputs(vocabulary, counted, translation, item_terms, list(names))


def incidence(rows: Sequence[Sequence[int]], names: Sequence[str] | dict[str, int]) -> csr_matrix:
    """1 where a row has a term: (rows, terms)."""
    distinct = [sorted(set(own)) for own in rows]
    ends = np.cumsum([0, *map(len, distinct)])
    columns = np.array([term for own in distinct for term in own], np.int32)
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), len(names)))


def padded(rows: Sequence[Ints], width: int) -> NDArray[np.int32]:
    """Number terms from 1, 0 for none; what does not fit is left out. Returns (rows, width)."""
    table = np.zeros((len(rows), width), np.int32)
    for place, own in enumerate(rows):
        kept = own[:width]
        table[place, : len(kept)] = kept + 1
    return table
