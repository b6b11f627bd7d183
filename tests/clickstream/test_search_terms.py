"""Queries and titles that mean the same are written the same, in any script."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recaug.clickstream.search_terms import normalise, readable, split_terms, terms

# What the rules are about, thrown together: far likelier to bring two of them against each other than any text is.
WORDS = ["in", "in.", "ft", "sq. ft.", "mm", "volt", "w", "3m", "12v", "1,000"]
SIGNS = [*"㎏電灯กİßﬁ٣２ｘ″′", *"0123456789.,/'\"-x× *()½⅓°"]
UNSEEN = ["\u202e", "\ufeff", "\u0301", "\U0001f600", "\ufe0f", "\x00"]
PIECES = st.sampled_from([*SIGNS, *WORDS, *UNSEEN])
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=14).map("".join))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1/2 in.", "1/2 in"),
        ("½″ pipe", "1/2 in pipe"),
        ("1½ inches", "1 1/2 in"),
        ("1-1/2 in.", "1 1/2 in"),
        ("2x4", "2 x 4"),
        ("2 × 4", "2 x 4"),
        ('2"x4"', "2 in x 4 in"),
        ("2in.x4in.", "2 in x 4 in"),
        ("12v", "12 v"),
        ("12 Volt", "12 v"),
        ("12-volts", "12 v"),
        ("3 ft.", "3 ft"),
        ("5'", "5 ft"),
        ("5'6\"", "5 ft 6 in"),
        ("8-ft. ladder", "8 ft ladder"),
        ("1,000 Sq. Ft.", "1000 sq ft"),
        ("1,5 L", "1.5 l"),
        (".5 in", "0.5 in"),
        ("10m cable", "10 m cable"),
        ("500G rice", "500 g rice"),
        ("3M tape", "3m tape"),  # a maker
        ("x570", "x570"),
        ("Straße", "strasse"),
        ("２ｘ４　ＬＥＤ", "2 x 4 led"),
        ("ｱｲｳ", "アイウ"),
        ("٣ kg", "3 kg"),
        ("5 ㎏", "5 kg"),
        ("电灯泡50cm长", "电灯泡50 cm 长"),
        ("\u202eled\u202c\u200f \ufeffbulb", "led bulb"),
        ("led\x00\tbulb\n", "led bulb"),
        ("Black & Decker, drill!", "black decker drill"),
        ("T-Shirt", "t-shirt"),
        ("men's", "men's"),
        ("c++", "c++"),
        ("'; DROP TABLE users; --", "drop table users"),
        ("\x00\x1f\u202e", ""),
    ],
)
def test_what_means_the_same_is_written_the_same(written: str, meant: str) -> None:
    assert normalise(written) == meant


@given(TEXTS)
@example("\ud800 lone surrogate")
@example("9" * 10_000)
@example("1" + ",111" * 50)
def test_a_normalised_text_stays_as_it_is(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert terms(text) == split_terms(once)


@given(TEXTS)
def test_nothing_unseen_is_left(text: str) -> None:
    once = normalise(text)
    assert once == " ".join(once.split())
    assert not any(sign < " " or "\u200b" <= sign <= "\u200f" or "\u202a" <= sign <= "\u202e" for sign in once)
    assert all(term and " " not in term for term in split_terms(once))
    once.encode()  # no half of a character


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("led bulb 60W", ["led", "bulb", "60", "w"]),
        ("pipe 1-1/2 in.", ["pipe", "1", "1/2", "in"]),
        ('0.25" bit', ["0.25", "in", "bit"]),
        ("电灯泡 led", ["电", "灯", "泡", "电灯", "灯泡", "led"]),
        ("iphone手机", ["iphone", "手", "机", "手机"]),
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("한국어 책", ["한국어", "책"]),
        ("men's t-shirt", ["men's", "t", "shirt"]),
        ("l'été", ["l'été"]),
        ("😀", []),
        ("", []),
    ],
)
def test_terms_are_words_or_of_scripts_without_spaces_signs_and_pairs(text: str, parts: list[str]) -> None:
    assert terms(text) == parts


def test_a_readable_text_keeps_what_personal_data_are_known_by() -> None:
    assert readable("Anna@Example.COM ＋４９ ١٢٣") == "anna@example.com +49 123"
