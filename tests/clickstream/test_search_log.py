"""A search log becomes impressions with what came of them; what is no search is quarantined and says why."""

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from scipy.sparse import csr_matrix
from tests.clickstream.logs import put

from recaug.clickstream.click_model import click_chance, made_searches
from recaug.clickstream.examination import chances, examination
from recaug.clickstream.search_log import check_searches, mark_searches
from recaug.clickstream.search_terms import normalised, query_id
from recaug.clickstream.searches import (
    impressions,
    judgements_of_log,
    queries_of_log,
    with_examined,
    with_followed,
    with_split,
)
from recaug.clickstream.source import read_source
from recaug.config import ClickModel, Search
from recaug.errors import ContractError

LOG = {"query": "q", "item_id": "item", "user_id": "who", "event_time": "at", "rank": "place", "action": "what"}
HEAD = "q,item,who,at,place,what\n"


def search(path: str, columns: dict[str, str] = LOG, **more: object) -> Search:
    keys = {"path": path, "format": "csv", "options": {"header": "true"}, "columns": columns}
    return msgspec.convert(keys | more, Search)


def marked(spark: SparkSession, given: Search) -> DataFrame:
    return mark_searches(read_source(spark, given, "source.search"), given)


def bad(rows: DataFrame) -> list[tuple[list[str], dict[str, Any]]]:
    """Reasons and raw of each bad row, in the order of the file."""
    ordered = rows.where("size(reasons) > 0").orderBy("position").collect()
    return [(row["reasons"], json.loads(row["raw"])) for row in ordered]


def test_what_came_of_an_item_is_one_row(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        "2x4 wood,a,u,2025-01-01 10:00,1,shown",
        "2 X 4 WOOD,b,u,2025-01-01 10:00,2,shown",
        "2x4 wood,b,u,2025-01-01 10:01,2,click",
        "2x4 wood,b,u,2025-01-01 10:05,,purchase",
        "2x4 wood,a,u,2025-01-01 12:00,3,shown",  # another session
        "2x4 wood,a,v,2025-01-01 10:00,1,click",
    ]
    rows = marked(spark, search(put(tmp_path / "a.csv", HEAD + "\n".join(lines))))
    made = impressions(rows, 30).orderBy("user_id", "event_time", "item_id").collect()
    seen = [(row["user_id"], row["item_id"], row["rank"], row["action"], row["event_time"].hour) for row in made]
    assert seen == [
        ("u", "a", 1, "shown", 10),
        ("u", "b", 2, "purchase", 10),
        ("u", "a", 3, "shown", 12),
        ("v", "a", 1, "click", 10),
    ]
    assert len({row["query_id"] for row in made}) == 1
    assert len({(row["session_id"], row["search_id"]) for row in made}) == 3
    (query,) = queries_of_log(impressions(rows, 30)).collect()
    assert (query["text"], query["count"], query["users"], len(query["query_id"])) == ("2 x 4 wood", 3, 2, 16)


def test_where_nobody_is_known_each_row_is_one(spark: SparkSession, tmp_path: Path) -> None:
    columns = {"query": "q", "item_id": "item", "action": "if(hit = '1', 'click', 'shown')"}
    path = put(tmp_path / "a.csv", "q,item,hit\nled,a,1\nled,a,0\nled,a,0\n")
    made = impressions(marked(spark, search(path, columns)), 30)
    assert sorted(row["action"] for row in made.collect()) == ["click", "shown", "shown"]
    (judged,) = judgements_of_log(with_examined(made, []), 2.0, 0.0).collect()
    assert (judged["gain"], judged["source"]) == (pytest.approx(1 / 3), "click")


def test_a_list_of_shown_items_in_a_row_is_read(spark: SparkSession, tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", '{"q":"led","who":"u","items":["a","b"],"hit":["b"]}\n')
    columns = {"query": "q", "user_id": "who", "item_id": "items", "action": "if(array_contains(hit, items), 'c', 's')"}
    more = {"format": "json", "options": {}, "explode": "items", "actions": {"c": "click", "s": "shown"}}
    made = impressions(marked(spark, search(path, columns, **more)), 30).orderBy("rank").collect()
    assert [(row["item_id"], row["rank"], row["action"]) for row in made] == [("a", 1, "shown"), ("b", 2, "click")]


def test_what_is_no_search_says_why_and_hides_whom_it_names(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        "led,,u,2025-01-01,1,shown",
        "led,a,u,2025-01-01,1,hover",
        "led,a,u,yesterday,1,shown",
        "led,a,u,2025-01-01,0,shown",
        "led,a,u,2025-01-01,first,shown",
        ",a,u,2025-01-01,1,shown",
        "\u202e \x01,a,u,2025-01-01,1,shown",
        "\U0001f600\U0001f600,a,u,2025-01-01,1,shown",
        f"{'x' * 10_000},a,u,2025-01-01,1,shown",
        "anna@example.com drill,a,u,2025-01-01,1,shown",
        f"{'y ' * 200}anna@example.com,a,u,2025-01-01,1,shown",
        "ORD-77 where,a,u,2025-01-01,1,shown",
        "led,a",
        "'; DROP TABLE users; --,a,u,2025-01-01,1,shown",
    ]
    given = search(put(tmp_path / "a.csv", HEAD + "\n".join(lines)), personal_patterns={"order number": r"ord-\d+"})
    rows = marked(spark, given).cache()
    assert [reasons for reasons, _ in bad(rows)] == [
        ["no item_id"],
        ["unknown action"],
        ["unreadable event_time"],
        ["rank is no place from 1"],
        ["rank is no place from 1"],
        ["no query"],
        ["no query"],
        ["no word in the query"],
        ["more than 200 characters"],
        ["personal data: mail address"],
        ["personal data: mail address", "more than 200 characters"],
        ["personal data: order number"],
        ["malformed row"],
    ]
    raws = [raw for _, raw in bad(rows)]
    assert raws[1] | {"query": "led"} == raws[1]
    assert raws[1]["its_action"] == "hover"
    assert raws[9]["query"] == "[mail address] drill"
    assert "anna" not in json.dumps(raws)
    assert "ord-77" not in json.dumps(raws).lower()
    assert len(raws[8]["query"]) == 1000
    (good,) = rows.where("size(reasons) = 0").collect()
    assert good["query"] == "drop table users"
    counted = check_searches(rows, given)
    assert (counted[""], counted["unknown action"], counted["no query"]) == (14, 1, 2)


GRADED = {"query": "q", "item_id": "item", "gain": "grade - 1"}


@pytest.mark.parametrize(
    ("columns", "content", "words"),
    [
        (
            GRADED | {"item_id": "sku"},
            "q,item,grade\nled,a,1\n",
            "source.search.columns.item_id: the source has no column",
        ),
        (
            GRADED | {"gain": "array(grade)"},
            "q,item,grade\nled,a,1\n",
            "columns.gain: array(grade) is array, not a number",
        ),
        (GRADED, "q,item,grade\nled,a,good\n", "100.0% of 1 rows are no searches.*gain is not a number, as in .*mend"),
        (GRADED, "q,item,grade\n" + "led,a,3\n" * 94 + "led,a,0\n" * 6, "6.0% of 100 rows.*max_quarantine.*negative"),
        (LOG, HEAD + "led,a,u,2025-01-01,1,seen\n", "unknown action, as in .*seen.*mend source.search.columns"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused_in_one_line(
    spark: SparkSession, tmp_path: Path, columns: dict[str, str], content: str, words: str
) -> None:
    given = search(put(tmp_path / "a.csv", content), columns)
    with pytest.raises(ContractError, match=words.replace("(", r"\(").replace(")", r"\)")) as error:
        check_searches(marked(spark, given), given)
    assert "\n" not in str(error.value)


def test_what_came_after_a_search_is_told_by_the_events(spark: SparkSession) -> None:
    shown = spark.sql(
        "SELECT 'q' AS query_id, 'u' AS user_id, 's' AS session_id, '1' AS search_id, item_id, 1 AS rank, "
        "'shown' AS action, TIMESTAMP'2025-01-01 10:00' AS event_time, 'led' AS query "
        "FROM VALUES ('a'), ('b'), ('c'), ('d') AS t(item_id)"
    )
    events = spark.sql(
        "SELECT 'u' AS user_id, item_id, event_type, CAST(at AS timestamp) AS event_time, session_id FROM VALUES "
        "('a', 'view', '2025-01-01 10:10', 'x'), ('a', 'buy', '2025-01-01 10:20', 'x'), "
        "('b', 'view', '2025-01-01 09:59', 's'), ('c', 'view', '2025-01-01 11:00', 's'), "
        "('d', 'view', '2025-01-01 11:00', 'x'), ('d', 'wish', '2025-01-01 10:01', 'x') "
        "AS t(item_id, event_type, at, session_id)"
    )
    made = with_followed(shown, events, {"view": "click", "buy": "purchase"}, 30)
    actions = {row["item_id"]: row["action"] for row in made.collect()}
    assert actions == {"a": "purchase", "b": "shown", "c": "click", "d": "shown"}


def test_a_split_is_by_the_query_or_by_when_it_was_first_asked(spark: SparkSession) -> None:
    days = (dt.date(2025, 1, 8), dt.date(2025, 1, 15))
    asked = spark.sql(
        "SELECT sha2(CAST(id AS string), 256) AS query_id, id, "
        "timestamp_seconds(unix_seconds(TIMESTAMP'2025-01-01') + id * 864) AS first_seen FROM range(2000)"
    )
    by_hash = {
        row["split"]: row["count"]
        for row in with_split(asked, "query", (0.2, 0.2), days).groupBy("split").count().collect()
    }
    assert by_hash["train"] == pytest.approx(1200, abs=90)
    assert by_hash["validation"] == pytest.approx(400, abs=75)
    by_time = with_split(asked, "time", (0.2, 0.2), days).groupBy("split").count().collect()
    assert {row["split"]: row["count"] for row in by_time} == {"train": 700, "validation": 700, "test": 600}


def test_how_places_are_looked_at_is_found_whatever_the_items_are_worth() -> None:
    rng = np.random.default_rng(7)
    looks, worth = 1 / np.arange(1, 7), rng.choice([0.05, 0.3, 0.6], (3000, 6))
    shown, clicks = np.zeros((18_000, 6)), np.zeros((18_000, 6))
    for query in range(3000):
        for _ in range(6):
            order = np.argsort(-(worth[query] + 0.5 * rng.normal(size=6)))  # the best are shown first
            shown[query * 6 + order, np.arange(6)] += 1
            clicks[query * 6 + order, np.arange(6)] += (rng.random(6) < looks) & (rng.random(6) < worth[query][order])
    np.testing.assert_allclose(chances(csr_matrix(shown), csr_matrix(clicks), 10.0), looks, atol=0.03)
    naive = clicks.sum(0) / shown.sum(0)
    assert np.abs(naive / naive[0] - looks).max() > 0.06  # click rates alone do not tell


def test_where_nothing_tells_a_place_is_looked_at_one_in_its_number() -> None:
    nothing = csr_matrix((0, 4))
    np.testing.assert_allclose(chances(nothing, nothing, 10.0), [1, 1 / 2, 1 / 3, 1 / 4])


def test_debiased_gains_come_nearer_to_the_truth_than_click_rates(spark: SparkSession) -> None:
    model = ClickModel(searches=60, seed=3)
    grades = spark.sql(
        "SELECT CAST(id DIV 8 AS string) AS query_id, 'q' AS query, CAST(id AS string) AS item_id, "
        "CAST(pmod(xxhash64(id), 3) AS double) AS gain FROM range(2400)"
    ).cache()
    made = made_searches(grades, model).cache()
    assert made.count() == 300 * 8 * 60
    looked_at = examination(made, 50, 10.0)
    np.testing.assert_allclose(looked_at, 1 / np.arange(1, 9), atol=0.05)
    truth = grades.select("query_id", "item_id", click_chance(grades["gain"] / 2, model).alias("truth"))
    frames = {
        name: judgements_of_log(with_examined(made, chances), 0.0, prior).select("query_id", "item_id", "gain")
        for name, chances, prior in (("naive", [], 0.0), ("debiased", looked_at, 1.0))
    }
    joined = truth.toPandas()
    for name, frame in frames.items():
        joined = joined.merge(frame.toPandas().rename(columns={"gain": name}), on=["query_id", "item_id"])
    assert len(joined) == 2400

    def errors(name: str) -> np.ndarray:
        """Squared error of each query, at the scale at which the estimate is best: click rates are low as a whole."""
        scale = (joined[name] @ joined["truth"]) / (joined[name] @ joined[name])
        return ((scale * joined[name] - joined["truth"]) ** 2).groupby(joined["query_id"]).mean().to_numpy()

    better = errors("naive") - errors("debiased")
    drawn = np.random.default_rng(0).integers(0, len(better), (1000, len(better)))
    low = np.percentile(better[drawn].mean(axis=1), 2.5)
    assert low > 0.2 * errors("naive").mean()


def test_a_made_log_is_the_same_wherever_its_rows_lie(spark: SparkSession) -> None:
    grades = spark.sql(
        "SELECT 'x' AS query_id, 'q' AS query, CAST(id AS string) AS item_id, CAST(id AS double) AS gain FROM range(20)"
    )
    first, again, other = (
        sorted(map(tuple, made_searches(rows, model).collect()), key=str)
        for rows, model in (
            (grades, ClickModel(searches=5)),
            (grades.repartition(7, "item_id"), ClickModel(searches=5)),
            (grades, ClickModel(searches=5, seed=1)),
        )
    )
    assert first == again != other
    assert len(first) == 50  # ten of the twenty are shown


def test_a_column_of_texts_is_normalised_and_named(spark: SparkSession) -> None:
    texts = spark.createDataFrame([("2X4",), ("2 x 4",), (None,)], "text string").coalesce(1)
    rows = texts.select(normalised("text").alias("text"), query_id(normalised("text")).alias("id")).collect()
    assert [row["text"] for row in rows] == ["2 x 4", "2 x 4", None]
    assert rows[0]["id"] == rows[1]["id"] == hashlib.sha256(b"2 x 4").hexdigest()[:16]
    assert rows[2]["id"] is None
