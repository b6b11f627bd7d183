"""The text of queries and titles: one spelling of what means the same, and its terms, in any script."""

import re
import unicodedata
from collections.abc import Iterator

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

from recaug.clickstream.search_units import with_units

QUOTES = str.maketrans(
    {"″": '"', "‶": '"', "“": '"', "”": '"', "„": '"', "‟": '"', "′": "'", "’": "'", "‘": "'", "‛": "'", "⁄": "/"}
)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
TURNS = 8  # of the rules, until nothing changes: two for nearly all texts
# Scripts that write no space between words: Han, kana and their marks, Thai, Lao, Khmer, Burmese.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)
ASCII_TERM = re.compile(r"\d+(?:[./]\d+)+|[a-z0-9]+(?:'[a-z]+)?")
NUMBER = re.compile(r"\d+(?:[./]\d+)+")


def normalise(text: str) -> str:
    """Write a text as all write it who mean the same: Unicode NFKC, small letters, numbers and units in one spelling.

    Control characters part words; marks without a form of their own, such as those that turn the direction of writing,
    are left out; so is punctuation, but where it is part of a word or a number (t-shirt, 1/2, c++). Never raises, and
    what it gives stays as it is if it is normalised again.
    """
    for _ in range(TURNS):
        before, text = text, _turn(text)
        if text == before:
            break
    return text


def _turn(text: str) -> str:
    """Apply each rule once."""
    text = with_units(" ".join(readable(text).split()))
    return " ".join(filter(None, map(_stripped, PARTING.sub(" ", text).split())))


def readable(text: str) -> str:
    """Write a text in small letters of Unicode NFKC and digits 0 to 9, without what nobody sees; else as it is."""
    if text.isascii():
        return CONTROL.sub(" ", text.lower())
    text = "".join(_parted_fractions(text)).translate(QUOTES)
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKC", text).translate(QUOTES)
    return "".join(map(_plain, text))


def _parted_fractions(text: str) -> Iterator[str]:
    """Part 1½ in two, which NFKC makes 11/2 of."""
    for before, sign in zip(f" {text}", text, strict=False):
        if before.isdigit() and unicodedata.decomposition(sign).startswith("<fraction>"):
            yield " "
        yield sign


def _plain(sign: str) -> str:
    """A letter, a mark above one, or a digit as it is, digits of all scripts as 0 to 9; else a space or nothing."""
    if " " <= sign < "\x7f":
        return sign
    kind = unicodedata.category(sign)
    if kind == "Nd":
        return str(unicodedata.decimal(sign))
    if kind in ("Cf", "Cs", "Cn", "Co") or "\ufe00" <= sign <= "\ufe0f":
        return ""
    return " " if kind[0] in "CZ" else sign


PARTING = re.compile(
    r"[\x00-\x20\x7f!\"()*,:;<=>?@\[\\\]^_`{|}~\u00a1\u00a7\u00b6\u00b7\u00bf\u2010-\u205e\u3000-\u3004"
    r"\u3008-\u3020\u3030\ufe10-\ufe6f\uff01-\uff0f]+|(?<![^\s])[.'/-]+|[.'/-]+(?![^\s])|--+|\.\.+"
)
EDGES = "'/-"


def _stripped(word: str) -> str:
    """A word without punctuation about it, or nothing where it is nothing else."""
    word = word.strip(EDGES).rstrip(".")
    if word.isalnum():
        return word
    return word if any(sign.isalnum() or unicodedata.category(sign) in ("So", "Mn", "Mc") for sign in word) else ""


def terms(text: str) -> list[str]:
    """Give the terms of a text, in their order: of its normalised form, as split_terms has them."""
    return split_terms(normalise(text))


def split_terms(text: str) -> list[str]:
    """Part a normalised text into terms: words and numbers; of scripts without spaces each sign, and each pair of them.

    `led 电灯泡 1/2 in` gives led, 电, 灯, 泡, 电灯, 灯泡, 1/2, in.
    """
    if text.isascii():
        return ASCII_TERM.findall(text)
    return [term for word in text.split() for term in _terms_of(word)]


def _terms_of(word: str) -> Iterator[str]:
    """The terms of what has no space in it."""
    if word.isascii():
        yield from ASCII_TERM.findall(word)
        return
    for run, unspaced in _runs(word):
        if not unspaced:
            yield from _words(run)
            continue
        yield from run
        yield from (run[place : place + 2] for place in range(len(run) - 1))


def _runs(word: str) -> Iterator[tuple[str, bool]]:
    """Cut a word where scripts with and without spaces meet."""
    start, kind = 0, None
    for place, sign in enumerate(word):
        own = UNSPACED.match(sign) is not None
        if kind is not None and own != kind:
            yield word[start:place], kind
            start = place
        kind = own
    if kind is not None:
        yield word[start:], kind


def _words(run: str) -> Iterator[str]:
    """Words of letters, digits and marks, an apostrophe between letters with them; numbers with a point or a stroke."""
    word = ""
    for piece in re.split(rf"({NUMBER.pattern})", run):
        if NUMBER.fullmatch(piece):
            yield piece
            continue
        for place, sign in enumerate(piece):
            if unicodedata.category(sign)[0] in "LMN" or (
                sign == "'" and word and piece[place + 1 : place + 2].isalpha()
            ):
                word += sign
            elif word:
                yield word
                word = ""
        if word:
            yield word
            word = ""


def normalised(column: Column | str) -> Column:
    """Normalise a column of texts; null stays null."""

    @F.pandas_udf("string")  # type: ignore[call-overload]
    def of_texts(texts: pd.Series) -> pd.Series:
        own = {text: normalise(text) for text in texts.dropna().unique()}
        return texts.map(own)

    return of_texts(column)


def query_id(text: Column | str) -> Column:
    """Name a query by its normalised text: the first 16 hex digits of its SHA-256."""
    return F.substring(F.sha2(F.col(text) if isinstance(text, str) else text, 256), 1, 16)
