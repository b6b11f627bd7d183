"""Tells the encoding of a text file from its first bytes, and refuses what its reader would take for another."""

import codecs
from typing import NamedTuple

from pyspark.errors import IllegalArgumentException
from pyspark.sql import SparkSession

from recaug.clickstream.letters import rank
from recaug.config import Files
from recaug.errors import ContractError

BOMS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
STRAY = 1e-4  # share of a text's letters that may be no UTF-8 before it is none: pasted, or cut off by another program
EVIDENT = 3  # letters beyond ASCII that are UTF-8: by chance no other text has so many, and nothing else beside them


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
    """Name the likeliest encoding of text that is no UTF-8, and where it is not sure the next."""
    return tuple(name for name, _ in rank(head)[:2])


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
