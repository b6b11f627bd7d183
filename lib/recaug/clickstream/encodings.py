"""Tells the encoding of a text file from its first bytes, and refuses what its reader would take for another."""

import codecs
import re
from typing import NamedTuple

from pyspark.errors import IllegalArgumentException
from pyspark.sql import SparkSession

from recaug.config import Files
from recaug.errors import ContractError

BOMS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# Encodings with a byte or two a letter, by Python's name: Java's. Of those that read a text alike the first is told.
OLD = {
    "cp1252": "windows-1252",
    "cp1250": "windows-1250",
    "cp1251": "windows-1251",
    "cp1253": "windows-1253",
    "cp1254": "windows-1254",
    "cp1255": "windows-1255",
    "cp1256": "windows-1256",
    "cp1257": "windows-1257",
    "iso8859_2": "ISO-8859-2",
    "koi8_r": "KOI8-R",
    "cp866": "IBM866",
    "cp850": "IBM850",
    "mac_roman": "x-MacRoman",
    "cp932": "windows-31j",
    "euc_jp": "EUC-JP",
    "gb18030": "GB18030",
    "big5": "Big5",
    "cp949": "x-windows-949",
    "cp1258": "windows-1258",
    "cp874": "x-windows-874",
}
STRAY = 1e-4  # share of a text's letters that may be no UTF-8 before it is none: pasted, or cut off by another program
EVIDENT = 3  # letters beyond ASCII that are UTF-8: by chance no other text has so many, and nothing else beside them
LOOKED_AT = 4000  # bytes of words with letters beyond ASCII that are looked at


class Coding(NamedTuple):
    """What the bytes say. likely: Java's names, the likeliest first. bom: it stands before the text.

    evident: other readings than the first are out of the question.
    """

    likely: tuple[str, ...]
    bom: bool
    evident: bool


def decoded(spark: SparkSession, head: bytes, source: Files, key: str, place: str) -> tuple[str, Coding]:
    """Read a file's first bytes as text, without its byte order mark.

    place: what errors begin with. Gives the text and how it is written, by options.encoding where that may be right.
    Raises ContractError where the bytes are in another encoding than the reader takes them for.
    """
    declared, coding = option(source, "encoding", "charset"), tell(head)
    name = "UTF-8" if declared is None else _known(spark, declared, key)
    likely = coding.likely[0]
    if _width(name) != _width(likely) or (likely != "UTF-8" and name == "UTF-8"):
        raise ContractError(f"{place} is {_in_words(coding)}, not {name}; {_advice(source, key, likely)}")
    if likely == "UTF-8" and name != "UTF-8" and coding.evident:
        raise ContractError(
            f"{place} is UTF-8, not {name}; leave out {key}.options.encoding, or read such files as a log of their own"
        )
    java = spark._jvm.java  # type: ignore[union-attr]
    text = head.decode("utf-8", "replace") if name == "UTF-8" else str(java.lang.String(bytearray(head), name))
    return text.removeprefix("\ufeff"), Coding((name,), coding.bom, coding.evident)


def tell(head: bytes) -> Coding:
    """Tell the encoding of a file's first bytes; text of which hardly a letter is no UTF-8 is UTF-8."""
    for mark, name in BOMS:
        if head.startswith(mark):
            return Coding((name,), True, True)
    if wide := _without_bom(head):
        return Coding((wide,), False, True)
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head)  # the last letter may be cut off
    strange = text.count("\ufffd") - head.count("\ufffd".encode())
    beyond = sum(letter > "\x7f" for letter in text) - text.count("\ufffd")
    if strange <= max(beyond, STRAY * len(text)):
        return Coding(("UTF-8",), False, beyond >= EVIDENT and not strange)
    return Coding(_old(head), False, False)


def option(source: Files, *names: str) -> str | None:
    """An option of the reader, whose name knows no case; None where it is not given."""
    lower = {name.lower() for name in names}
    return next((value for name, value in source.options.items() if name.lower() in lower), None)


def is_wide(coding: Coding) -> bool:
    """Say whether each letter has two bytes or four."""
    return _width(coding.likely[0]) != ""


def _without_bom(head: bytes) -> str | None:
    """Name UTF-16 or UTF-32 by the zeros that ASCII has in them; None for other text."""
    whole = head[: len(head) // 4 * 4]
    if not whole:
        return None
    zeros = [whole[place::4].count(0) / (len(whole) / 4) for place in range(4)]
    if min(zeros[2:]) == 1 or min(zeros[:2]) == 1:
        return "UTF-32LE" if zeros[3] == 1 else "UTF-32BE"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]  # shares of two letters
    if max(even, odd) > 0.2 and max(even, odd) > 9 * min(even, odd):
        return "UTF-16LE" if odd > even else "UTF-16BE"
    return None


def _old(head: bytes) -> tuple[str, ...]:
    """Name the likeliest encoding of text that is no UTF-8, and the next that reads it as other letters."""
    from charset_normalizer import from_bytes

    words = b" ".join(word for word in re.split(rb"[\s,;|\"]+", head) if not word.isascii())[:LOOKED_AT]
    readings = [(reading, name) for name in OLD if (reading := from_bytes(words, cp_isolation=[name]).best())]
    ranked = sorted(readings, key=lambda pair: (pair[0].chaos, -pair[0].coherence))
    if not ranked:
        return ("windows-1252",)
    (best, first), *others = ranked
    other = next((name for reading, name in others if str(reading) != str(best)), others[0][1] if others else None)
    return (OLD[first],) if other is None else (OLD[first], OLD[other])


def _known(spark: SparkSession, name: str, key: str) -> str:
    """Java's own name of an encoding. Raises ContractError where it knows none of this name."""
    try:
        return str(spark._jvm.java.nio.charset.Charset.forName(name).name())  # type: ignore[union-attr]
    except IllegalArgumentException as error:
        raise ContractError(
            f"{key}.options.encoding: Java knows no {name}; write a name such as UTF-8, windows-1252 or GB18030"
        ) from error


def _width(name: str) -> str:
    """Tell encodings of two and of four bytes a letter from all others."""
    return name[:6] if name.startswith(("UTF-16", "UTF-32")) else ""


def _in_words(coding: Coding) -> str:
    if len(coding.likely) == 1:
        return coding.likely[0]
    return f"probably {coding.likely[0]}, or else {coding.likely[1]}"


def _advice(source: Files, key: str, name: str) -> str:
    if source.format in ("csv", "json"):
        return f"set {key}.options: {{encoding: {name}}}"
    return f"write UTF-8, in which alone {source.format} is read"
