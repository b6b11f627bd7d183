"""What rankers read of a text: stemmed words, pairs of neighbouring words, and character trigrams."""

import itertools
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recaug.clickstream.search_terms import terms
from recaug.errors import ConfigError

LONGEST = 2000  # signs of a text that are read


def stemmed(texts: Iterable[str], language: str) -> list[list[str]]:
    """Give the words of each text without their endings; `none`: as they are. Normalises what is not normalised.

    >>> stemmed(["Outdoor Ceiling Fans 12 volts"], "english")
    [['outdoor', 'ceil', 'fan', '12', 'v']]
    """
    stem = _stemmer(language)
    return [stem(terms(text[:LONGEST])) for text in texts]


def _stemmer(language: str) -> Callable[[list[str]], list[str]]:
    """Raise ConfigError where there is no such stemmer, or none at all."""
    if language == "none":
        return list
    try:
        import Stemmer  # an extra of its own: Databricks lacks it
    except ImportError as error:
        raise ConfigError(
            f"search_ranking.language {language} needs PyStemmer: pip install 'recaug[search]', or set it to none"
        ) from error
    if language not in (known := Stemmer.algorithms()):
        raise ConfigError(f"search_ranking.language: no stemmer of {language}; there are none, {', '.join(known)}")
    stem: Callable[[list[str]], list[str]] = Stemmer.Stemmer(language).stemWords
    return stem


def check_language(language: str) -> None:
    """Raise ConfigError that names the stemmers there are."""
    _stemmer(language)


def pairs(words: Sequence[str]) -> list[str]:
    """Give neighbouring words: as two, and as one word, as others write it; and each word, which may be such a one.

    >>> pairs(["door", "bell"])
    ['door', 'bell', 'door bell', 'doorbell']
    """
    neighbours = list(itertools.pairwise(words))
    return [*words, *(f"{one} {two}" for one, two in neighbours), *(f"{one}{two}" for one, two in neighbours)]


def trigrams(words: Iterable[str]) -> list[str]:
    """Give three signs in a row of each word, its edges marked: what is left of a word with a typo.

    >>> trigrams(["fan"])
    ['#fa', 'fan', 'an#']
    """
    marked = (f"#{word}#" for word in words)
    return [word[place : place + 3] for word in marked for place in range(max(len(word) - 2, 1))]


def hashed(words: Sequence[str], attributes: Iterable[str], buckets: int, width: int) -> NDArray[np.int32]:
    """Hash a text's words, pairs of them, attributes and trigrams into buckets counted from 1: (width,), 0 for none.

    What does not fit is left out, trigrams first.
    """
    kinds: Mapping[str, Iterable[str]] = {
        "w": words,
        "p": (f"{one} {two}" for one, two in itertools.pairwise(words)),
        "a": attributes,
        "t": trigrams(words),
    }
    codes = [zlib.crc32(f"{kind}:{term}".encode()) % buckets + 1 for kind, own in kinds.items() for term in own]
    row = np.zeros(width, np.int32)
    row[: len(codes)] = codes[:width]
    return row
