"""Tells the encoding of text from its bytes: by what languages write with the letters that come of it."""

import re
from typing import NamedTuple

from charset_normalizer import from_bytes

# Letters of languages beyond ASCII, of which text in one language has hardly another.
LATIN = (
    "äöüß",
    "éèêëàâçîïôûùœæ",
    "áéíóúñü¿¡ºª",
    "áâãàçéêíóôõúºª",
    "àèéìòù",
    "åäöæøé",
    "éëïóèöü",
    "ąćęłńóśźż",
    "áčďéěíňóřšťúůýž",
    "áäčďéíĺľňóôŕšťúýž",
    "áéíóöőúüű",
    "ăâîșțşţ",
    "čćđšž",
    "âçğıöşüîû",
    "āčēģīķļņšūž",
    "ąčęėįšųūž",
    "äõöüšž",
)
VOWELS = "аеёиоуыэюяіїєαεηιουωάέήίόύώ"
SIGNS = "€£°§–—’‘“”„«»…•·×²³®©™№½¼¥"
# Python's name: Java's, and the letters that text in it is made of (None: LATIN).
SINGLE: dict[str, tuple[str, str | None]] = {
    "cp1252": ("windows-1252", None),
    "cp1250": ("windows-1250", None),
    "iso8859_2": ("ISO-8859-2", None),
    "cp1254": ("windows-1254", None),
    "cp1257": ("windows-1257", None),
    "cp850": ("IBM850", None),
    "cp852": ("IBM852", None),
    "mac_roman": ("x-MacRoman", None),
    "cp1251": ("windows-1251", r"[А-яёЁіїєґІЇЄҐў]"),
    "koi8_r": ("KOI8-R", r"[А-яёЁ]"),
    "cp866": ("IBM866", r"[А-яёЁ]"),
    "iso8859_5": ("ISO-8859-5", r"[А-яёЁ]"),
    "cp1253": ("windows-1253", r"[Α-ώάέήίόύώϊϋ]"),
    "cp1255": ("windows-1255", r"[א-ת]"),
    "cp1256": ("windows-1256", r"[ء-ي]"),
    "cp874": ("x-windows-874", r"[ก-๙]"),
}
# Python's name: Java's, and the characters that text in it is mostly made of: kana, Hangul, and of Chinese
# characters those that come first in the older standard, which are the common ones.
DOUBLE = {
    "cp932": "windows-31j",
    "gb18030": "GB18030",
    "big5": "Big5",
    "euc_jp": "EUC-JP",
    "cp949": "x-windows-949",
}
RARE = 0.1  # what speaks against an encoding of machines of long ago
ENOUGH = 0.7  # of the letters must be a language's, for its encoding to be sure


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
        return self.python in ("utf-8", "utf-8-sig")


def tell(data: bytes) -> Encoding:
    """Tell the encoding of a file's beginning."""
    for mark, python, java in (
        (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
        (b"\xff\xfe", "utf-16", "UTF-16"),
        (b"\xfe\xff", "utf-16", "UTF-16"),
    ):
        if data.startswith(mark):
            return Encoding(python, java, True, f"begins with the mark of {java}")
    even, odd = data[:4096:2].count(0), data[1:4096:2].count(0)
    if max(even, odd) > max(len(data[:4096]) / 200, 9 * min(even, odd)):
        python, java = ("utf-16-le", "UTF-16LE") if odd > even else ("utf-16-be", "UTF-16BE")
        return Encoding(python, java, False, "every other byte is 0")
    beyond = len(data.translate(None, bytes(range(128))))
    if not beyond:
        return Encoding("utf-8", "UTF-8", False, "ASCII alone")
    broken = data.decode("utf-8", "replace").count("\ufffd") - data[-4:].decode("utf-8", "replace").count("\ufffd")
    if broken <= beyond / 100:
        return Encoding("utf-8", "UTF-8", False, f"{beyond} bytes beyond ASCII are UTF-8")
    return _legacy(b"\n".join(line for line in data.splitlines() if not line.isascii())[:40_000], beyond)


def _legacy(lines: bytes, beyond: int) -> Encoding:
    """Tell an encoding of before UTF-8 by lines beyond ASCII."""
    scores = {name: _single(lines, name, letters) for name, (_, letters) in SINGLE.items()}
    scores |= {name: _double(lines, name) for name in DOUBLE}
    scores |= {name: scores[name] - RARE for name in ("cp850", "cp852", "mac_roman", "cp866", "iso8859_5")}
    best = max(scores, key=lambda name: scores[name])
    rivals = [name for name, score in scores.items() if name != best and score > scores[best] - 0.04]
    rivals = [name for name in rivals if _decoded(lines, name) != _decoded(lines, best)]
    if rivals and (guess := from_bytes(lines, cp_isolation=[best, *rivals]).best()) and guess.encoding in rivals:
        rivals[rivals.index(guess.encoding)], best = best, guess.encoding
    java = {**{name: java for name, (java, _) in SINGLE.items()}, **DOUBLE}
    sure = scores[best] >= ENOUGH and not rivals
    why = f"{scores[best]:.0%} of the letters beyond ASCII are of one language so, and no UTF-8"
    other = None if sure else java[rivals[0]] if rivals else "another"
    return Encoding(best, java[best], False, why, other)


def _decoded(lines: bytes, name: str) -> str | None:
    try:
        return lines.decode(name)
    except UnicodeDecodeError as error:
        return lines[: error.start].decode(name, "replace") if error.start >= len(lines) - 4 else None


def _single(lines: bytes, name: str, letters: str | None) -> float:
    """Share of the characters beyond ASCII that one language writes, where words have no signs in them."""
    text = _decoded(lines, name)
    if text is None:
        return 0.0
    beyond = [letter for letter in text if ord(letter) > 127]
    odd = len(re.findall(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘´·](?=[^\W\d_])", text))
    odd += len(re.findall(r"(?<=[^\W\d_A-Z])[^\W\d_a-zà-ÿа-яёα-ώء-يא-ת](?=[a-zà-ÿа-яё])", text)) if letters else 0
    odd += len(re.findall(r"(?<=[a-zß-ÿ])[À-ÞĄĆĘŁŃŚŹŻĞŞİ](?=[a-zß-ÿ])", text)) if not letters else 0
    if letters:
        if name == "cp874":  # what stands above or below a letter follows one
            odd += len(re.findall(r"(?<![ก-ฮัิีึืุู็-๎])[ัิีึืุู็-๎]|[เ-ไ](?![ก-ฮ])", text))
            odd += len(beyond) * (len(re.findall(r"[ะ-ูเ-ไ็-๎]", text)) < 0.25 * len(beyond)) // 3
        good = sum(re.match(letters, letter) is not None for letter in beyond)
        swapped = len(re.findall(r"\b[а-яё][А-ЯЁ]{2,}", text))  # KOI8-R read as Windows' has small and large swapped
        vowels = sum(letter in VOWELS for letter in text.lower()) / len(beyond)
        good *= 1.0 if vowels > 0.3 or not letters.startswith(("[А", "[Α")) else 0.9
        mixed = len(re.findall(r"[a-zA-Z][^\x00-\xbf]|[^\x00-\xbf][a-zA-Z]", text))  # a word of two scripts
        return max((good - odd - 3 * swapped - mixed) / len(beyond), 0.0)
    signs = sum(letter in SIGNS for letter in beyond)
    small = [letter.lower() for letter in beyond if letter not in SIGNS]
    best = max((sum(letter in alphabet for letter in small) for alphabet in LATIN), default=0)
    return max((best + 0.8 * signs - 2 * odd) / len(beyond), 0.0)


def _double(lines: bytes, name: str) -> float:
    """Share of the characters beyond ASCII that are common in text of that encoding."""
    text = _decoded(lines, name)
    if text is None:
        return 0.0
    beyond = [letter for letter in text if ord(letter) > 127]
    return sum(map(_common[name], beyond)) / max(len(beyond), 1)


def _lead(letter: str, encoding: str) -> int:
    try:
        written = letter.encode(encoding)
    except UnicodeEncodeError:
        return 0
    return written[0] if len(written) == 2 else 0


def _is_kana(letter: str) -> bool:
    return "\u3040" <= letter <= "\u30ff" or letter in "、。「」ー・"


_common = {
    "cp932": lambda letter: _is_kana(letter) or 0x88 <= _lead(letter, "cp932") <= 0x97,
    "euc_jp": lambda letter: _is_kana(letter) or 0xB0 <= _lead(letter, "euc_jp") <= 0xCF,
    "gb18030": lambda letter: 0xB0 <= _lead(letter, "gb2312") <= 0xD7,
    "big5": lambda letter: 0xA4 <= _lead(letter, "big5") <= 0xC6,
    "cp949": lambda letter: "\uac00" <= letter <= "\ud7a3" and _lead(letter, "euc_kr") > 0,
}
