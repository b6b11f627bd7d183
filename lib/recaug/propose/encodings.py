"""Names the encoding of a sample, with its evidence."""

import re
from typing import NamedTuple

from recaug.clickstream import encodings
from recaug.clickstream.letters import PYTHON, rank
from recaug.propose.words import ideas


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
    names = data.split(b"\n", 1)[0]
    if not coding.bom and not coding.evident and not names.isascii():  # names are no stray bytes, and words of shops
        likely = [java for java, _ in rank(data)] if not _is_utf8(names) else [*coding.likely]
        likely.sort(key=lambda java: -_speaks(names, java))
        coding = coding._replace(likely=tuple(likely[:2]))
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


def _speaks(names: bytes, java: str) -> int:
    """How many words of a first line name what shops name, read in an encoding."""
    text = names.decode(PYTHON.get(java, java), "replace")
    return sum(bool(ideas(word)) for word in re.findall(r"\w+", text))
