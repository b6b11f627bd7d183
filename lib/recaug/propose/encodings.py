"""Names the encoding of a sample, with its evidence."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from recaug.clickstream import encodings
from recaug.clickstream.letters import PYTHON, rank
from recaug.propose.actions import meaning
from recaug.propose.words import ideas

LETTERS = 1 << 16  # bytes in which words are looked for
WORDS = 60  # that are looked at
APART = 0.4  # how much less likely by its letters an encoding may be, in which words speak


class Encoding(NamedTuple):
    """An encoding. python, java: what they call it. bom: whether a mark begins the file. other: it may as well be."""

    python: str
    java: str
    bom: bool
    evidence: str
    other: str | None = None

    @property
    def is_utf8(self) -> bool:
        """Whether it is what readers take every text for."""
        return self.java == "UTF-8"


def tell(data: bytes) -> Encoding:
    """Tell the encoding of a file's beginning."""
    coding = encodings.tell(data)
    if not coding.bom and not coding.evident and not data.isascii():
        coding = coding._replace(likely=_by_words(data, coding.likely))
    java = coding.likely[0]
    python = PYTHON.get(java, java)
    if coding.bom:
        return Encoding(python, java, True, f"begins with the mark of {java}")
    if java.startswith("UTF"):
        return Encoding(python, java, False, "ASCII or UTF-8" if java == "UTF-8" else "zeros between the letters")
    (_, share), *_ = rank(data)
    other = coding.likely[1] if len(coding.likely) > 1 else None
    return Encoding(
        python, java, False, f"no UTF-8; {share:.0%} of the letters beyond ASCII are one language's so", other
    )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _by_words(data: bytes, likely: Sequence[str]) -> tuple[str, ...]:
    """Put first the encoding in which most words of the text are those of shops; names are no stray bytes."""
    if likely[0] == "UTF-8" and _is_utf8(data.split(b"\n", 1)[0]):
        return tuple(likely)
    words = dict.fromkeys(word for word in re.split(rb"[\s,;\"\x01]+", data[:LETTERS]) if not word.isascii())
    some = [*words][:WORDS]
    speaks = {java: _speaks(some, java) for java in dict.fromkeys([*likely, *(java for java, _ in rank(data, APART))])}
    speaks.pop("UTF-8", None)
    best = max(speaks, key=lambda java: (speaks[java], java == likely[0]))
    rest = [java for java in likely if java not in (best, "UTF-8")]
    return (best,) if speaks[best] > 1 else (best, *rest[:1])


def _speaks(words: Sequence[bytes], java: str) -> int:
    """How many words name what shops name, read in an encoding."""
    text = " ".join(word.decode(PYTHON.get(java, java), "replace") for word in words)
    read = dict.fromkeys(word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii())
    return sum(bool(ideas(word)) or meaning(word).sure for word in read)
