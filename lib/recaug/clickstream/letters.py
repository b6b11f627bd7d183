"""Tells encodings of before UTF-8 apart, by what languages write with the letters that come of the bytes."""

import re
from itertools import pairwise

# Letters of languages beyond ASCII, of which text in one language has hardly another.
LATIN = (
    "äöüß",
    "éèêëàâçîïôûùœæ",
    "áéíóúñü¿¡ºª",
    "áâãàçéêíóôõúºª",
    "àèéìòù",
    "åäöæøéàü",
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
SIGNS = "€£°§–—’‘“”„«»…•·×²³®©™№½¼¥"
VOWELS = "аеёиоуыэюяіїєαεηιουωάέήίόύώ"
# Encodings of a byte a letter, by Python's name: Java's, and the letters that text in it is made of (None: LATIN).
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
    "cp1258": ("windows-1258", r"[àáâãèéêìíòóôõùúýăđĩũơưạ-ỹ\u0300-\u0323₫]"),
}
# Of a byte or two, by Python's name: Java's, and where the common characters are: the first byte that they have in
# the older standard, whose first half holds the common Chinese characters, and whether kana and Hangul are common.
DOUBLE: dict[str, tuple[str, str, range]] = {
    "cp932": ("windows-31j", "cp932", range(0x88, 0x98)),
    "gb18030": ("GB18030", "gb2312", range(0xB0, 0xD8)),
    "big5": ("Big5", "big5", range(0xA4, 0xC7)),
    "euc_jp": ("EUC-JP", "euc_jp", range(0xB0, 0xD0)),
    "cp949": ("x-windows-949", "euc_kr", range(0xB0, 0xC9)),
}
OLDEST = ("cp850", "cp852", "mac_roman", "cp866", "iso8859_5", "cp1258")
RARE = 0.1  # what speaks against an encoding of machines of long ago
USUAL = 0.05  # what speaks for the commonest, where few letters tell
ENOUGH = 0.7  # of the letters must be a language's, for its encoding to be sure
CLOSE = 0.04  # encodings whose scores are so near cannot be told apart by this
FEW = 3  # different letters beyond ASCII, below which nothing is sure
MANY = 20  # letters, in which a language's commonest ones are
LOOKED_AT = 8000  # bytes of words with letters beyond ASCII that are looked at
PYTHON = {java: name for name, (java, *_) in [*SINGLE.items(), *DOUBLE.items()]}


def rank(data: bytes, close: float = CLOSE) -> list[tuple[str, float]]:
    """Rank the encodings that text may be in: Java's name, and the share of its letters that a language writes so.

    The best first, and after it only those that are as likely, but for `close`, and read the text as other letters.
    """
    words = dict.fromkeys(word for word in re.split(rb"[\s,;\"\x01]+", data) if not word.isascii())
    text = b" ".join(words)[:LOOKED_AT]
    scores = {name: _single(text, name, letters) for name, (_, letters) in SINGLE.items()}
    scores |= {name: _double(text, name) for name in DOUBLE}
    scores |= {name: scores[name] - RARE for name in OLDEST}
    scores["cp1252"] += USUAL if scores["cp1252"] else 0.0
    ranked = sorted(scores, key=lambda name: -scores[name])
    best, *others = ranked
    rivals = [
        name for name in others if scores[name] > scores[best] - close and _decoded(text, name) != _decoded(text, best)
    ]
    if rivals and close <= CLOSE:
        best, rivals = _second_opinion(text, best, rivals)
    elif scores[best] < ENOUGH or len({letter for letter in _decoded(text, best) or "" if letter > "\x7f"}) < FEW:
        rivals = [name for name in others if _decoded(text, name) != _decoded(text, best)][:1]
    return [(_java(name), max(scores[name], 0.0)) for name in (best, *rivals)]


def _java(name: str) -> str:
    return SINGLE[name][0] if name in SINGLE else DOUBLE[name][0]


def _second_opinion(text: bytes, best: str, rivals: list[str]) -> tuple[str, list[str]]:
    """Ask charset-normalizer, which knows how often languages write which letter."""
    from charset_normalizer import from_bytes

    guess = from_bytes(text, cp_isolation=[best, *rivals]).best()
    if guess is None or guess.encoding not in rivals:
        return best, rivals
    return guess.encoding, [best, *(name for name in rivals if name != guess.encoding)]


def _decoded(text: bytes, name: str) -> str | None:
    """Decode a text, whose last letter may be cut off; None where it has bytes that the encoding has not."""
    try:
        return text.decode(name)
    except UnicodeDecodeError as error:
        return text[: error.start].decode(name, "replace") if error.start >= len(text) - 4 else None


def _single(data: bytes, name: str, letters: str | None) -> float:
    """Share of the characters beyond ASCII that one language writes, where words have no signs in them."""
    text = _decoded(data, name)
    beyond = [letter for letter in text or "" if ord(letter) > 127]
    if text is None or not beyond:
        return 0.0
    odd = len(re.findall(r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘´·](?=[^\W\d_])", text))
    if letters is not None:
        good = sum(re.match(letters, letter) is not None for letter in beyond)
        return max((good * _likely(text, letters, len(beyond)) - odd - _misread(text, name)) / len(beyond), 0.0)
    odd += sum(before.islower() and letter.isupper() and letter > "\x7f" for before, letter in pairwise(text))
    odd += len(re.findall(r"õ(?!e)", text)) * (not re.search("[äöüš]", text))  # Portuguese has it before e
    signs = sum(letter in SIGNS for letter in beyond)
    small = [letter.lower() for letter in beyond if letter not in SIGNS]
    best = max(sum(letter in alphabet for letter in small) for alphabet in LATIN)
    return max((best + 0.8 * signs - 2 * odd) / len(beyond), 0.0)


def _likely(text: str, letters: str, beyond: int) -> float:
    """Text of Cyrillic or Greek letters with few vowels, or without letters that every text has, is none."""
    if not letters.startswith(("[А", "[Α")):
        return 1.0
    small = text.lower()
    vowels = sum(letter in VOWELS for letter in small) / beyond
    common = "ыьэюяіїў" if letters.startswith("[А") else "άέήίόύώ"
    return 0.9 if vowels <= 0.3 or (beyond > MANY and not any(letter in common for letter in small)) else 1.0


def _misread(text: str, name: str) -> float:
    """Count what no text of that encoding has: words of two scripts, small and large letters swapped, lone marks."""
    odd = 3 * len(re.findall(r"\b[а-яё][А-ЯЁ]{2,}", text))  # KOI8-R read as windows-1251, or the other way
    odd += len(re.findall(r"(?<=[а-яёα-ώ])[А-ЯЁΑ-Ω](?=[а-яёα-ώ])", text))
    if name != "cp1258":
        odd += len(re.findall(r"[a-zA-Z][^\x00-\xbf]|[^\x00-\xbf][a-zA-Z]", text))
    if name == "cp874":  # what stands above or below a Thai letter follows one, and a third of the letters do
        beyond = sum(ord(letter) > 127 for letter in text)
        odd += len(re.findall(r"(?<![ก-ฮัิีึืุู็-๎])[ัิีึืุู็-๎]|[เ-ไ](?![ก-ฮ])", text))
        odd += (len(re.findall(r"[ะ-ูเ-ไ็-๎]", text)) < 0.25 * beyond) * beyond // 3
    return odd


def _double(data: bytes, name: str) -> float:
    """Share of the characters beyond ASCII that are common in text of that encoding."""
    text = _decoded(data, name)
    beyond = [letter for letter in text or "" if ord(letter) > 127]
    _, older, common = DOUBLE[name]
    good = 0
    for letter in beyond:
        written = letter.encode(older, "ignore")
        kana = name in ("cp932", "euc_jp") and ("\u3040" <= letter <= "\u30ff" or letter in "、。「」・")
        good += kana or (len(written) == 2 and written[0] in common)
    return good / len(beyond) if beyond else 0.0
