"""How the words of a query and of an item match, as numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recaug.recommend.search.analysis import stemmed
from recaug.recommend.search.catalogue import COLUMNS, Catalogue

NAMES = (
    "words of the query",
    "words of the title",
    "share of the query's words in the title",
    "share of them in any field",
    "share of the query's numbers in the title",
    "share of the title's words in the query",
    "the last word is in the title",
    "the first word is in the title",
    "place of the last match in the title",
    "longest run of the query in the title",
)


def matches(
    queries: Sequence[str], items: NDArray[np.int64], catalogue: Catalogue, language: str
) -> NDArray[np.float32]:
    """NAMES of each pair, (queries, n, len(NAMES)). items: (queries, n), -1 for none, of which all is 0."""
    told = np.zeros((*items.shape, len(NAMES)), np.float32)
    for row, words in enumerate(stemmed(queries, language)):
        for column, item in enumerate(items[row].tolist()):
            if item >= 0:
                told[row, column] = _match(words, [catalogue.fields[name][item] for name in COLUMNS])
    return told


def _match(query: Sequence[str], fields: Sequence[Sequence[str]]) -> tuple[float, ...]:
    title = fields[0]
    wanted, has = set(query), set(title)
    numbers = {word for word in wanted if word[0].isdigit()}
    places = [place for place, word in enumerate(title) if word in wanted]
    anywhere = has.union(*fields[1:])
    return (
        len(query),
        len(title),
        _share(wanted, has),
        _share(wanted, anywhere),
        _share(numbers, has) if numbers else 1.0,
        _share(has, wanted),
        float(bool(query) and query[-1] in has),
        float(bool(query) and query[0] in has),
        (places[-1] + 1) / len(title) if places else 0.0,
        _longest_run(query, title),
    )


def _share(part: set[str], whole: set[str]) -> float:
    return len(part & whole) / len(part) if part else 0.0


def _longest_run(query: Sequence[str], title: Sequence[str]) -> float:
    """Words of the query that stand in the title as they stand in the query, one after the other, at most."""
    longest, before = 0, [0] * (len(title) + 1)
    for word in query:
        now = [0] + [before[place] + 1 if other == word else 0 for place, other in enumerate(title)]
        longest, before = max(longest, *now), now
    return float(longest)
