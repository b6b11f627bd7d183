"""Names the encoding of a sample, with its evidence."""

from typing import NamedTuple

from recaug.clickstream import encodings
from recaug.clickstream.letters import PYTHON, rank


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
