"""Classic enhancement of queries: what else those could have typed who asked a real one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix, diags

from recaug.augment.items import typo
from recaug.clickstream.search_terms import normalise
from recaug.generators.query_counts import Ints
from recaug.generators.query_inputs import QueryInputs
from recaug.generators.query_samplers import Drawn
from recaug.recommend.search.analysis import stemmed

Words = list[str]
LEAST, SHARED, TOGETHER, MOST = 0.3, 2, 0.1, 3  # of synonyms: cosine, items, share of the queries with both; how many
SHORTEST = 4  # letters of a word that is mistyped; twice as many of one that is parted

# How numbers and units are written that are not spelt alike already (clickstream/search_units.py), by language.
SPELLINGS: Mapping[str, Sequence[tuple[str, str]]] = {
    "english": (
        ("1/2 in", "half inch"),
        ("1/4 in", "quarter inch"),
        ("1/2", "half"),
        ("1/2", "0.5"),
        ("1/4", "quarter"),
        ("1/4", "0.25"),
        ("3/4", "0.75"),
        ("1/8", "0.125"),
        ("3/8", "0.375"),
        ("x", "by"),
        ("ft", "foot"),
        ("gal", "gallon"),
    ),
}


@dataclass(frozen=True, eq=False)
class Classic:
    """Real train queries of an item, each written otherwise in one way.

    queries: of each item, (query_id, text). synonyms: of a word, those that led to the same items. language: whose
    SPELLINGS are known.
    """

    queries: Sequence[Sequence[tuple[str, str]]]
    synonyms: Mapping[str, Sequence[str]]
    language: str
    per_item: int
    version: str
    name: ClassVar[str] = "classic"
    control: ClassVar[bool] = False

    def draw(self, items: Ints, random: np.random.Generator) -> list[Drawn]:
        """Write queries otherwise, in one of the ways that change them."""
        drawn = []
        for item in items.tolist():
            own = self.queries[item]
            for place in random.integers(len(own), size=self.per_item).tolist() if own else ():
                query, text = own[place]
                if (written := self.otherwise(text, random)) is not None:
                    drawn.append(Drawn(item, written, (item,), (query,)))
        return drawn

    def otherwise(self, text: str, random: np.random.Generator) -> str | None:
        """Write a normalised query otherwise; None where no way changes it."""
        ways: list[Callable[[Words, np.random.Generator], Words]] = [*WAYS, self.respelt, self.renamed]
        for place in random.permutation(len(ways)).tolist():
            written = normalise(" ".join(ways[place](text.split(), random)))
            if written and written != text:
                return written
        return None

    def respelt(self, words: Words, random: np.random.Generator) -> Words:
        """A number or unit as others write it, either way round."""
        text, pairs = f" {' '.join(words)} ", SPELLINGS.get(self.language, ())
        both = [*pairs, *((other, one) for one, other in pairs)]
        there = [pair for pair in both if f" {pair[0]} " in text]
        if not there:
            return words
        one, other = there[int(random.integers(len(there)))]
        return text.replace(f" {one} ", f" {other} ", 1).split()

    def renamed(self, words: Words, random: np.random.Generator) -> Words:
        """A word by another one that led to the same items."""
        places = [place for place, word in enumerate(words) if self.synonyms.get(word)]
        if not places:
            return words
        place = places[int(random.integers(len(places)))]
        others = self.synonyms[words[place]]
        return [*words[:place], others[int(random.integers(len(others)))], *words[place + 1 :]]


def mistyped(words: Words, random: np.random.Generator) -> Words:
    """A typing error in one of the longer words."""
    places = [place for place, word in enumerate(words) if word.isalpha() and len(word) >= SHORTEST]
    if not places:
        return words
    place = places[int(random.integers(len(places)))]
    return [*words[:place], typo(words[place], random), *words[place + 1 :]]


def dropped(words: Words, random: np.random.Generator) -> Words:
    """One word left out, where there are more."""
    place = int(random.integers(len(words)))
    return [*words[:place], *words[place + 1 :]] if len(words) > 1 else words


def swapped(words: Words, random: np.random.Generator) -> Words:
    """Two neighbours in each other's place."""
    if len(words) < 2:
        return words
    place = int(random.integers(len(words) - 1))
    return [*words[:place], words[place + 1], words[place], *words[place + 2 :]]


def parted(words: Words, random: np.random.Generator) -> Words:
    """One of the longest words in two."""
    places = [place for place, word in enumerate(words) if word.isalpha() and len(word) >= 2 * SHORTEST]
    if not places:
        return words
    place = places[int(random.integers(len(places)))]
    word, at = words[place], int(random.integers(3, len(words[place]) - 2))
    return [*words[:place], word[:at], word[at:], *words[place + 1 :]]


def joined(words: Words, random: np.random.Generator) -> Words:
    """Two neighbours as one word; numbers stay apart."""
    places = [place for place in range(len(words) - 1) if words[place].isalpha() and words[place + 1].isalpha()]
    if not places:
        return words
    place = places[int(random.integers(len(places)))]
    return [*words[:place], words[place] + words[place + 1], *words[place + 2 :]]


WAYS = (mistyped, dropped, swapped, parted, joined)


def co_clicked(inputs: QueryInputs, texts: Sequence[str], language: str) -> dict[str, list[str]]:
    """Synonyms of the words of queries: words that led to the same items, and seldom stand in one query.

    Of two terms the cosine of the items that they led to is LEAST or more, SHARED items or more are the same, and they
    stand together in TOGETHER or less of the queries of the rarer one (as query logs tell synonyms, Jones et al. 2006).
    """
    pairs, names = inputs.pairs, inputs.vocabulary.names
    n_items = inputs.item_terms.shape[0]
    of_item = csr_matrix((pairs.weight, (np.arange(len(pairs.item)), pairs.item)), shape=(len(pairs.item), n_items))
    led = csr_matrix(pairs.terms.T @ of_item)  # (terms, items)
    lengths = np.sqrt(np.asarray(led.multiply(led).sum(axis=1)).ravel())
    unit = csr_matrix(diags(1 / np.maximum(lengths, 1e-9)) @ led)
    alike, shared = csr_matrix(unit @ unit.T), csr_matrix((led > 0).astype(np.float64) @ (led > 0).astype(np.float64).T)
    both, known = csr_matrix(pairs.terms.T @ pairs.terms), np.asarray(pairs.terms.sum(axis=0)).ravel()
    others: dict[str, list[str]] = {}
    for term, name in enumerate(names):
        row = alike.getrow(term)
        order = np.lexsort((row.indices, -row.data.round(6)))
        near = [int(row.indices[place]) for place in order if row.data[place] >= LEAST and row.indices[place] != term]
        apart = [
            other
            for other in near
            if shared[term, other] >= SHARED and both[term, other] <= TOGETHER * min(known[term], known[other])
        ]
        others[name] = [inputs.vocabulary.shown[other] for other in apart[:MOST]]
    words = sorted({word for text in texts for word in text.split()})
    stems = [own[0] if len(own) == 1 else "" for own in stemmed(words, language)]
    return {word: others[stem] for word, stem in zip(words, stems, strict=True) if others.get(stem)}
