"""What init makes of a log of searches, or of graded judgements, beside a catalogue."""

import json
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.propose.shop import EVENTS, table

from recaug import cli
from recaug.clickstream.search_log import mark_searches
from recaug.clickstream.source import read_source
from recaug.config import Config, Search, loads
from recaug.errors import ContractError
from recaug.propose.command import Paths, make_proposal, show

ITEMS = sorted({event.item for event in EVENTS})
KINDS = ("oak chair", "steel lamp", "wool rug", "glass vase", "pine shelf")
TITLES = {item: f"{KINDS[n % len(KINDS)]} model {n}" for n, item in enumerate(ITEMS)}
GRADES = {"Exact": 2, "Partial": 1, "Irrelevant": 0}


def catalogue(folder: Path) -> Path:
    path = folder / "products.csv"
    path.write_text(table(["product_id", "product_name"], [[item, title] for item, title in TITLES.items()], "\t"))
    return path


def judged(folder: Path, grades: list[str], header: list[str]) -> Path:
    draw = random.Random(1)
    pairs = [(kind, item) for kind in KINDS for item in draw.sample(ITEMS, 20)]
    rows = [[n, kind, item, draw.choice(grades)] for n, (kind, item) in enumerate(pairs)]
    path = folder / "labels.csv"
    path.write_text(table(header, rows, "\t"))
    return path


def proposed(folder: Path, search: Path, events: Path | None = None) -> tuple[Config, Search]:
    items = None if events is not None else str(catalogue(folder))
    made = make_proposal(Paths(None if events is None else str(events), items, str(search)), folder / "shop.yaml")
    config = loads(made.text)
    assert config.source.search is not None
    return config, config.source.search


@pytest.mark.parametrize(
    ("grades", "name", "gain"),
    [
        (
            ["Exact", "Partial", "Irrelevant"],
            "label",
            "element_at(map('Exact', 2, 'Partial', 1, 'Irrelevant', 0), label)",
        ),
        (["E", "S", "C", "I"], "esci_label", "element_at(map('E', 3, 'S', 2, 'C', 1, 'I', 0), esci_label)"),
        (["1", "2.33", "3"], "relevance", "relevance - 1"),
        (["0", "1", "2"], "gain", "gain"),
    ],
)
def test_grades_are_read_in_words_and_in_numbers(tmp_path: Path, grades: list[str], name: str, gain: str) -> None:
    config, search = proposed(tmp_path, judged(tmp_path, grades, ["id", "query", "product_id", name]))
    assert config.tasks == ["search"]
    assert search.columns == {"query": "query", "item_id": "product_id", "gain": gain}
    assert search.options["sep"] == "\t"
    assert config.source.items is not None
    assert (config.source.items.item_id, config.source.items.title) == ("product_id", "product_name")


def rows_of_a_log(clicks: bool) -> list[dict[str, object]]:
    """A list of four items for each of 120 searches, the first of them clicked now and then."""
    draw, rows = random.Random(2), []
    for n in range(120):
        at = EVENTS[n].at.isoformat(sep=" ", timespec="seconds")
        query, user = draw.choice(KINDS), EVENTS[n].user
        for place, item in enumerate(draw.sample(ITEMS, 4)):
            what = {"action": draw.choice(["impression", "click", "order"])} if clicks else {}
            rows.append(
                {"search_id": f"s{n}", "user_id": user, "ts": at, "query": query, "position": place, "sku": item}
            )
            rows[-1] |= what
    return rows


def lines(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "searches.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_log_says_who_when_where_in_the_list_and_what_came_of_it(tmp_path: Path) -> None:
    _, search = proposed(tmp_path, lines(tmp_path, rows_of_a_log(clicks=True)))
    assert set(search.columns) == {"query", "item_id", "event_time", "user_id", "search_id", "rank", "action"}
    assert search.columns["rank"] == "position + 1"
    assert search.columns["item_id"] == "sku"
    assert search.actions == {"impression": "shown", "click": "click", "order": "purchase"}


def test_clicked_and_bought_may_be_columns_of_their_own(tmp_path: Path) -> None:
    draw = random.Random(4)
    rows = [row | {"clicked": draw.choice([0, 1]), "purchased": 0} for row in rows_of_a_log(clicks=False)]
    rows[0]["purchased"] = 1
    _, search = proposed(tmp_path, lines(tmp_path, rows))
    bought, clicked = "lower(purchased) IN ('1')", "lower(clicked) IN ('1')"
    assert (
        search.columns["action"] == f"CASE WHEN {bought} THEN 'purchase' WHEN {clicked} THEN 'click' ELSE 'shown' END"
    )


def test_a_score_beside_what_was_clicked_is_no_grade(tmp_path: Path) -> None:
    draw = random.Random(4)
    rows = [row | {"clicked": draw.choice([0, 1]), "score": draw.random()} for row in rows_of_a_log(clicks=False)]
    _, search = proposed(tmp_path, lines(tmp_path, rows))
    assert "gain" not in search.columns
    assert search.columns["action"] == "CASE WHEN lower(clicked) IN ('1') THEN 'click' ELSE 'shown' END"


def test_what_the_searches_do_not_say_the_events_do(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(
        table(["user", "sku", "event", "time"], [[e.user, e.item, e.action, e.at.isoformat()] for e in EVENTS])
    )
    config, search = proposed(tmp_path, lines(tmp_path, rows_of_a_log(clicks=False)), log)
    assert config.tasks == ["recommendation", "search"]
    assert "action" not in search.columns
    assert search.event_actions == {"view": "click", "purchase": "purchase"}


def test_a_list_in_a_row_is_taken_apart(tmp_path: Path) -> None:
    rows = rows_of_a_log(clicks=True)
    answers = [
        {
            "query": four[0]["query"],
            "ts": four[0]["ts"],
            "hits": [{"sku": r["sku"], "action": r["action"]} for r in four],
        }
        for four in (rows[n : n + 4] for n in range(0, len(rows), 4))
    ]
    _, search = proposed(tmp_path, lines(tmp_path, answers))
    assert search.explode == "hits"
    assert search.columns["item_id"] == "hits.sku"


def test_lists_of_what_was_shown_and_clicked_are_taken_apart(spark: SparkSession, tmp_path: Path) -> None:
    """As arrays of JSON and as lists in the cells of a CSV; the night reads the same of both."""
    rows = rows_of_a_log(clicks=True)
    answers = []
    for four in (rows[n : n + 4] for n in range(0, len(rows), 4)):
        shown = [str(row["sku"]) for row in four]
        clicked = [str(row["sku"]) for row in four if row["action"] == "click"]
        answers.append({"search_time": four[0]["ts"], "query": four[0]["query"], "results": shown, "clicks": clicked})
    log = lines(tmp_path, answers)
    _, search = proposed(tmp_path, log)
    assert (search.explode, search.columns["item_id"]) == ("results", "results")
    assert search.columns["action"] == "CASE WHEN array_contains(clicks, results) THEN 'click' ELSE 'shown' END"
    cells = tmp_path / "cells.csv"
    row = [[row["search_time"], row["query"], "|".join(row["results"]), "|".join(row["clicks"])] for row in answers]
    cells.write_text(table(["search_time", "query", "shown_items", "clicks"], row))
    _, apart = proposed(tmp_path, cells)
    assert apart.sql == "SELECT *, posexplode(split(shown_items, '[|] *')) AS (pos, shown_item) FROM cells"
    assert (apart.columns["item_id"], apart.columns["rank"]) == ("shown_item", "pos + 1")
    assert apart.columns["event_time"] == search.columns["event_time"] == "search_time"
    marked = [mark_searches(read_source(spark, each, "source.search"), each) for each in (search, apart)]
    kept = ("query", "item_id", "event_time", "rank", "action")
    arrays, lists = (
        sorted(tuple(row) for row in each.where("size(reasons) = 0").select(*kept).collect()) for each in marked
    )
    assert arrays == lists
    assert len(lists) == len(rows)


@pytest.mark.parametrize("title", ["product_title", "item"])
def test_words_of_queries_and_titles_are_no_lists(tmp_path: Path, title: str) -> None:
    draw = random.Random(2)
    rows = [[item, draw.choice(KINDS), TITLES[item], draw.choice([1, 2, 3])] for item in ITEMS for _ in range(3)]
    path = tmp_path / "train.csv"
    path.write_text(table(["product_uid", "search_term", title, "relevance"], rows))
    _, search = proposed(tmp_path, path)
    assert (search.sql, search.columns["query"], search.columns["item_id"]) == (None, "search_term", "product_uid")


def test_ids_of_queries_alone_are_refused_by_name(tmp_path: Path) -> None:
    path = judged(tmp_path, ["Exact", "Irrelevant"], ["id", "query_id", "product_id", "label"])
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    path.write_text("\n".join("\t".join([row[0], str(len(row[1])), *row[2:]]) for row in rows))
    path.write_text(path.read_text().replace(path.read_text().splitlines()[0], "id\tquery_id\tproduct_id\tlabel"))
    with pytest.raises(ContractError, match=r"--search: .*labels.csv has no column of queries.*it has id, query_id"):
        proposed(tmp_path, path)


def test_queries_in_a_file_of_their_own_are_joined(spark: SparkSession, tmp_path: Path) -> None:
    """As Wayfair's WANDS has them: products, queries and labels, a file each; an unknown query is held back."""
    folder = tmp_path / "wands"
    folder.mkdir()
    labels = judged(folder, [*GRADES], ["id", "query", "product_id", "label"])
    rows = [line.split("\t") for line in labels.read_text().splitlines()[1:]]
    queries = [[n, kind, "Furniture"] for n, kind in enumerate(KINDS)]
    (folder / "query.csv").write_text(table(["query_id", "query", "query_class"], queries, "\t"))
    by_id = [[row[0], KINDS.index(row[1]), *row[2:]] for row in rows] + [["900", 77, ITEMS[0], "Exact"]]
    labels.write_text(table(["id", "query_id", "product_id", "label"], by_id, "\t"))
    made = make_proposal(Paths(None, str(catalogue(folder)), str(folder)), tmp_path / "shop.yaml")
    search = loads(made.text).source.search
    assert search is not None
    assert (search.columns["query"], search.columns["item_id"]) == ("query", "product_id")
    assert search.columns["gain"].startswith("element_at(map('Exact', 2")
    said: list[str] = []
    show(made, tmp_path / "sample", said.append, spark)
    assert "101 rows: 100 judgements, 1 to quarantine" in said
    assert "  quarantine: 1 no query" in said


def test_what_is_printed_is_what_the_night_will_read(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recaug.propose.command.build", lambda *_, **__: spark)
    monkeypatch.setattr(type(spark), "stop", lambda _: None)
    search, out = judged(tmp_path, [*GRADES], ["id", "query", "product_id", "label"]), tmp_path / "shop.yaml"
    with search.open("a") as file:
        file.write("900\tcall 030 1234567890 now\t200000\tExact\n")
    arguments = ["--items", str(catalogue(tmp_path)), "--search", str(search), "--out", str(out)]
    assert cli.init(arguments) == 0
    said = capsys.readouterr().out
    assert out.read_text() in said
    assert "The first 10 judgements of the sample:" in said
    assert "101 rows: 100 judgements, 1 to quarantine" in said
    assert "quarantine: 1 personal data" in said


def test_without_events_a_catalogue_and_searches_are_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.init(["--items", str(catalogue(tmp_path)), "--out", str(tmp_path / "shop.yaml")]) == 2
    assert "--events is missing" in capsys.readouterr().err
