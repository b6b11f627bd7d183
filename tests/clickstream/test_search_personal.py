"""Personal data are known by rule, and hidden; numbers of products are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recaug.clickstream.search_personal import luhn, personal

RULES = personal({"order number": r"ord-\d{6}"}, 9)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("anna.b+x@mail.example.com drill", "[mail address] drill"),
        ("anna @ example . com", "[mail address]"),
        ("call +49 30 1234567", "call [telephone number]"),
        ("0049 (0)30 1234567", "[telephone number]"),
        ("030 1234 567", "[telephone number]"),
        ("01 23 45 67 89", "[telephone number]"),
        ("(555) 123-4567", "[telephone number]"),
        ("1-555-123-4567", "[telephone number]"),
        ("4111 1111 1111 1111", "[card number]"),
        ("4111111111111111", "[card number]"),
        ("3782 822463 10005", "[card number]"),
        ("13812345678", "[long number]"),
        ("where is ord-123456", "where is [order number]"),
    ],
)
def test_what_names_a_person_is_hidden(text: str, hidden: str) -> None:
    shown, names = RULES.masked(text)
    assert shown == hidden
    assert names


@pytest.mark.parametrize(
    "text",
    [
        "2 x 4 x 8",
        "1/2 in x 3/4 in",
        "12 24 36 48 60 72",
        "sku 1000-019-492",
        "207051204",
        "0.120-gauge nails",
        "1000000 btu",
        "40,000 btu 360",
        "r-30 15 in x 25 ft",
        "@home",
        "18-55 mm 3.5-5.6",
        "2019 2020",
    ],
)
def test_numbers_of_products_are_no_personal_data(text: str) -> None:
    assert RULES.masked(text) == (text, [])


def test_a_card_number_is_known_by_its_last_digit() -> None:
    assert luhn("4111 1111 1111 1111")
    assert not luhn("4111 1111 1111 1112")
    assert personal({}, 19).masked("4111 1111 1111 1112") == ("4111 1111 1111 1112", [])


def test_bar_codes_may_be_let_through() -> None:
    assert RULES.masked("4006381333931")[1] == ["long number"]
    assert personal({}, 14).masked("4006381333931") == ("4006381333931", [])


@given(st.text(alphabet="0123456789 +-().@ab/", max_size=300))
def test_nothing_personal_is_left_in_what_is_shown(text: str) -> None:
    shown, _ = RULES.masked(text)
    assert RULES.masked(shown) == (shown, [])


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "1 " * 5_000, "a@" * 5_000, "0-" * 5_000, "+1" + " " * 9_998, "a.b" * 3_000]
)
def test_a_robots_query_takes_no_time(text: str) -> None:
    RULES.masked(text[:1000])
