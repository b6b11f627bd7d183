"""What is no event says why; copies go; robots go; nothing else does."""

import datetime as dt
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from recaug.clickstream.clean import deduplicate, find_robots, mark, order_events, suspect_robots
from recaug.clickstream.columns import CORRUPT, FILE, POSITION
from recaug.clickstream.mapping import map_events
from recaug.config import Events
from recaug.errors import ContractError

SCHEMA = "who string, what string, at string, how string, cost string, n string, invoice string"
PLACE = f"{POSITION} struct<path:string,block:bigint,row:bigint>"
DDL = f"{SCHEMA}, {CORRUPT} string, {FILE} string, {PLACE}"


def settings_of(day: int = 1000, minute: int = 1000, **more: object) -> Events:
    columns = {
        "user_id": "who",
        "item_id": "what",
        "event_time": "at",
        "event_type": "how",
        "price": "cost",
        "quantity": "n",
    }
    given_ = {
        "path": "x",
        "format": "csv",
        "columns": columns,
        "event_types": {"see": "view", "buy": "purchase"},
        "robots": {"max_events_per_day": day, "max_events_per_minute": minute},
        "session_gap_minutes": 30,
    }
    return msgspec.convert(given_ | more, Events)


def row(
    who: str | None = "u",
    what: str | None = "i",
    at: str | None = "2017-01-01 10:00:00",
    how: str | None = "see",
    cost: str | None = "1.5",
    n: str | None = "1",
    invoice: str | None = "a",
    bad: str | None = None,
) -> tuple:
    return (who, what, at, how, cost, n, invoice, bad, "log.csv", ("/log.csv", 0, 0))


def marked(spark: SparkSession, rows: list[tuple], events: Events | None = None, robots: bool = False) -> DataFrame:
    events = events or settings_of()
    mapped = map_events(spark.createDataFrame(rows, DDL), events)
    found = mark(mapped, events)
    return mark(mapped, events, find_robots(found, events.robots)) if robots else found


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(who=None), "no user_id"),
        (row(who="  "), "no user_id"),
        (row(what=None), "no item_id"),
        (row(at="yesterday"), "unreadable event_time"),
        (row(at=None), "unreadable event_time"),
        (row(at="1970-01-01"), "event_time before 1990-01-01"),
        (row(at="1989-12-31 23:59:59"), "event_time before 1990-01-01"),
        (row(who="B\ufffdr"), "unreadable character in an id"),
        (row(what="\ufffd"), "unreadable character in an id"),
        (row(how="stare"), "unknown event_type"),
        (row(how=None), "unknown event_type"),
        (row(cost="cheap"), "price is not a number"),
        (row(who="NULL"), "no user_id"),
        (row(what="\\N"), "no item_id"),
        (row(cost="Infinity"), "price is not a number"),
        (row(cost="-1"), "price is negative"),
        (row(n="some"), "quantity is not a number"),
        (row(bad="u,i,201"), "malformed row"),
    ],
)
def test_each_fault_has_its_reason(spark: SparkSession, bad: tuple, reason: str) -> None:
    """Among them ancient_time, a stack trace once, and wrong_encoding, which made one user of two."""
    found = marked(spark, [bad]).first()
    assert found["reasons"] == [reason]
    assert found["source"] == "log.csv"


def test_a_good_row_is_an_event_of_our_type(spark: SparkSession) -> None:
    found = marked(spark, [row(how="buy", n=None)]).first()
    assert found["reasons"] == []
    assert (found["user_id"], found["item_id"], found["event_type"]) == ("u", "i", "purchase")
    assert (found["price"], found["quantity"], found["raw"]) == (1.5, None, None)
    assert len(found["event_id"]) == 32


def test_what_costs_nothing_is_an_event(spark: SparkSession) -> None:
    assert marked(spark, [row(cost="0")]).first()["reasons"] == []


def test_what_means_that_nothing_is_said_is_missing(spark: SparkSession) -> None:
    """missing_user_in_words, nan_price."""
    without = [row(cost=text, n=text) for text in (None, " ", "NaN", "nan", "NA", "null", "\\N")]
    found = marked(spark, without).select("reasons", "price", "quantity").distinct().collect()
    assert [tuple(each) for each in found] == [([], None, None)]
    doubles = settings_of(columns=settings_of().columns | {"price": "double(cost)"})
    assert tuple(marked(spark, [row(cost="nan")], doubles).select("reasons", "price").first()) == ([], None)
    own = settings_of(nulls=["guest"])
    found = marked(spark, [row(who="guest"), row(who="NA")], own).select("user_id").collect()
    assert [each[0] for each in found] == [None, "NA"]


def test_a_time_that_is_not_as_its_pattern_says_is_unreadable(spark: SparkSession) -> None:
    """lenient_time: Spark 2's parser read it, and Spark 3's ended the night."""
    events = settings_of(columns=settings_of().columns | {"event_time": "to_timestamp(at, 'dd/MM/yyyy HH:mm')"})
    found = marked(spark, [row(at=text) for text in ("03/01/2017 10:00", "3/1/2017 10:00", "03/01/17 10:00")], events)
    assert [one["reasons"] for one in found.collect()] == [[], *2 * [["unreadable event_time"]]]


@pytest.mark.parametrize(
    ("sql", "user"),
    [
        ("double(81230001)", "81230001"),
        ("float(123)", "123"),
        ("decimal(12.00)", "12"),
        ("bigint(9007199254740993)", "9007199254740993"),
        ("double('nan')", None),
        ("binary(who)", "u"),
    ],
)
def test_an_id_is_text_whatever_its_type(spark: SparkSession, sql: str, user: str | None) -> None:
    """ids_of_other_types: a double's id was 8.1230001E7."""
    found = marked(spark, [row()], settings_of(columns=settings_of().columns | {"user_id": sql})).first()
    assert found["user_id"] == user
    assert found["reasons"] == ([] if user else ["no user_id"])


def test_what_is_no_id_is_refused(spark: SparkSession) -> None:
    for sql, kind in (("array(who)", "array"), ("struct(who)", "struct")):
        with pytest.raises(ContractError, match=rf"^source.events.columns.item_id: {kind}\(who\) is {kind}, not text$"):
            marked(spark, [row()], settings_of(columns=settings_of().columns | {"item_id": sql}))
    broken = settings_of(columns=settings_of().columns | {"item_id": "double(cost)"})
    assert marked(spark, [row(cost="1.5")], broken).first()["reasons"] == ["an id is a fraction"]
    assert marked(spark, [row(cost="2")], broken).first()["reasons"] == []


def test_a_sources_columns_may_have_any_name(spark: SparkSession) -> None:
    """underscore_columns: raw was {}, and rows without a time were taken for one another."""
    names = ("_id", "_source", "_event", "_corrupt_record", "_robot_day", "reasons", "what else")
    shop = {"user_id": "_id", "item_id": "_source", "event_time": "_event", "event_type": "`what else`"}
    events = settings_of(columns=shop, rules=[{"name": "sold out", "when": "_robot_day = 'x'"}])
    rows = [("u", "i", "never", "a", "x", "b", "see", None, "log.csv", ("/log.csv", 0, 0))]
    ddl = ", ".join(f"`{name}` string" for name in (*names, CORRUPT, FILE)) + f", {PLACE}"
    mapped = map_events(spark.createDataFrame(rows, ddl), events)
    robots = spark.createDataFrame([("u", dt.date(2017, 1, 1), None)], "user_id string, day date, minute long")
    found = mark(mapped, events, robots).first()
    assert found["reasons"] == ["unreadable event_time", "sold out"]
    assert json.loads(found["raw"]) == dict(zip(names, rows[0], strict=False))


def test_a_row_may_have_several_reasons_and_keeps_its_source(spark: SparkSession) -> None:
    found = marked(spark, [row(who=None, cost="-1", at="2017-01-01")]).first()
    assert found["reasons"] == ["no user_id", "price is negative"]
    assert found["raw"] == '{"what":"i","at":"2017-01-01","how":"see","cost":"-1","n":"1","invoice":"a"}'


def test_a_rule_sees_the_sources_columns(spark: SparkSession) -> None:
    events = settings_of(rules=[{"name": "cancellation", "when": "invoice LIKE 'C%'"}])
    found = marked(spark, [row(invoice="C12"), row(invoice="12"), row(invoice=None)], events).collect()
    assert [one["reasons"] for one in found] == [["cancellation"], [], []]


def test_a_rule_about_a_missing_column_is_named(spark: SparkSession) -> None:
    with pytest.raises(ContractError, match="source.events.rules.cancellation: the source has no column `bill`"):
        marked(spark, [row()], settings_of(rules=[{"name": "cancellation", "when": "bill = 'C'"}]))


def test_an_event_is_named_by_what_it_is(spark: SparkSession) -> None:
    base = row()
    others = [row(who="v"), row(what="j"), row(at="2017-01-01 10:00:01"), row(how="buy")]
    found = [one["event_id"] for one in marked(spark, [base, *others, row(cost="9", n="7", invoice="b")]).collect()]
    assert len(set(found[:-1])) == 5
    assert found[-1] == found[0]


def test_unique_by_tells_two_events_apart(spark: SparkSession) -> None:
    events = settings_of(unique_by=["invoice"])
    rows = [row(invoice="a"), row(invoice="b"), row(invoice="a"), row(invoice=None)]
    found = [one["event_id"] for one in marked(spark, rows, events).collect()]
    assert found[0] == found[2]
    assert len(set(found)) == 3


def test_copies_go_and_the_same_one_stays(spark: SparkSession) -> None:
    rows = [row(cost="3"), row(cost="2"), row(what="j"), row(cost="2", n="5"), row(who="v")]
    expected = {("u", "i", 2.0, 1.0), ("u", "j", 1.5, 1.0), ("v", "i", 1.5, 1.0)}
    for order in (rows, rows[::-1]):
        kept = deduplicate(marked(spark, order).repartition(3)).collect()
        assert {(one["user_id"], one["item_id"], one["price"], one["quantity"]) for one in kept} == expected


def stamp(second: int) -> str:
    return str(dt.datetime(2017, 1, 1, 10) + dt.timedelta(seconds=second))


def test_a_robots_day_goes_and_other_users_stay(spark: SparkSession) -> None:
    robot = [row(who="robot", what=f"i{k}", at=stamp(k * 120)) for k in range(6)]
    others = [row(who="robot", at="2017-01-02 10:00:00"), *(row(what=f"i{k}", at=stamp(k * 120)) for k in range(5))]
    found = marked(spark, robot + others, settings_of(day=5), robots=True).collect()
    bad = [one for one in found if one["reasons"]]
    assert {one["user_id"] for one in bad} == {"robot"}
    assert len(bad) == 6
    assert {tuple(one["reasons"]) for one in bad} == {("robot: too many events in a day",)}


def test_a_robots_minute_goes_and_its_other_minutes_stay(spark: SparkSession) -> None:
    burst = [row(what=f"i{k}", at=stamp(k)) for k in range(4)]
    found = marked(spark, [*burst, row(at=stamp(60))], settings_of(minute=3), robots=True).collect()
    assert [one["reasons"] for one in found] == [["robot: too many events in a minute"]] * 4 + [[]]


def test_a_log_that_came_twice_makes_no_robot(spark: SparkSession) -> None:
    rows = [row(what=f"i{k}", at=stamp(k)) for k in range(3)] * 2
    assert all(one["reasons"] == [] for one in marked(spark, rows, settings_of(minute=3), robots=True).collect())


def test_only_who_may_be_a_robot_is_looked_at_closely(spark: SparkSession) -> None:
    rows = [row(who="many", what=f"i{k}", at=stamp(k * 3600)) for k in range(4)] + [row(who="few")] * 3
    assert suspect_robots(marked(spark, rows), settings_of(minute=3).robots) == ["many"]


maybe = st.none() | st.sampled_from(["", "u", "v"])
ROWS = st.lists(
    st.builds(
        row,
        who=maybe,
        what=maybe,
        at=st.sampled_from(["2017-01-01 10:00:00", "2017-01-01 10:00:30", "soon", None]),
        how=st.sampled_from(["see", "buy", "stare", None]),
        cost=st.sampled_from(["1", "-1", "x", None]),
        n=st.sampled_from(["1", "many", None]),
        bad=st.sampled_from([None, None, "u,"]),
    ),
    max_size=25,
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_no_row_is_lost_and_cleaning_twice_changes_nothing(spark: SparkSession, rows: list[tuple]) -> None:
    found = marked(spark, rows).persist()  # as the intake keeps them
    all_rows = found.collect()
    good = [one["event_id"] for one in all_rows if not one["reasons"]]
    assert len(all_rows) == len(rows)
    assert all((one["raw"] is None) == (not one["reasons"]) for one in all_rows)
    once = deduplicate(found.where("size(reasons) = 0"))
    kept = once.collect()
    assert sorted(one["event_id"] for one in kept) == sorted(set(good))
    assert sorted(map(str, deduplicate(once).collect())) == sorted(map(str, kept))
    found.unpersist()


def test_rows_of_ignored_types_are_neither_events_nor_in_quarantine(spark: SparkSession) -> None:
    rows = [row(), row(how="scroll", what=None), row(how="scroll", bad="cut off"), row(how="share")]
    found = marked(spark, rows, settings_of(ignore_types=["scroll"])).collect()
    assert [one["ignored"] for one in found] == [False, True, False, False]
    assert [bool(one["reasons"]) for one in found] == [False, False, True, True]
    assert found[1]["raw"] is None


@pytest.mark.parametrize("by", ["n", "int(n)", None, "0"])
def test_events_of_one_time_are_ordered(spark: SparkSession, by: str | None) -> None:
    """order_within_day: by a column, its numbers by value; else by the place in the file; by 0 in no order."""
    places = [("/a.csv", 0, 2), ("/a.csv", 0, 1), ("/a.csv", 7, 0), ("/b.csv", 0, 0)]
    items = "hgfe"
    rows = [
        (*row(what=item, n=n)[:-2], place[0][1:], place)
        for item, n, place in zip(items, ["10", "9", "8", "7"], places, strict=True)
    ]
    ordered = order_events(marked(spark, rows, settings_of(order_by=by)).repartition(3)).orderBy("event_order")
    there = ordered.collect()
    assert [one["event_order"] for one in there] == [1, 2, 3, 4]
    by_hash = "".join(one["item_id"] for one in sorted(there, key=lambda one: one["event_id"]))
    wanted = {"n": "efgh", "int(n)": "efgh", None: "ghfe", "0": by_hash}[by]
    assert "".join(one["item_id"] for one in there) == wanted
