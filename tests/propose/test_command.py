"""The command init: what it writes, what it says, and how it ends."""

import gzip
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.propose import test_good
from tests.propose.shop import comma, shop, table

from recaug import cli
from recaug.config import loads
from recaug.propose.command import Paths, make_proposal, show
from recaug.propose.preview import sampled, write_sample
from recaug.propose.slices import HEAD

EVENTS = shop()
WORDS = {"view": "Ansicht", "cart": "Warenkorb", "purchase": "Kauf"}


def german(path: Path) -> Path:
    """A log of a shop in Berlin, in which two rows have no customer and one has no time."""
    rows = [[e.user, e.item, WORDS[e.action], f"{e.at:%d.%m.%Y %H:%M:%S}", comma(e.price)] for e in EVENTS]
    rows[3][0] = rows[9][0] = ""
    rows[5][3] = "gestern"
    path.write_bytes(table(["Käufer", "Artikel", "Ereignis", "Zeit", "Preis"], rows, ";").encode("cp1252"))
    return path


def init(*arguments: object) -> int:
    return cli.init([str(argument) for argument in arguments])


def test_what_is_printed_is_what_the_night_will_do(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recaug.propose.command.build", lambda *_, **__: spark)
    monkeypatch.setattr(type(spark), "stop", lambda _: None)
    log, out = german(tmp_path / "log.csv"), tmp_path / "shop.yaml"
    assert init("--events", log, "--out", out) == 0
    said = capsys.readouterr().out
    assert out.read_text() in said
    assert loads(out.read_text()).source.events.options["encoding"] == "windows-1252"
    first = EVENTS[0]
    assert re.search(rf"{first.user} +{first.item} +{first.at:%Y-%m-%d %H:%M:%S} +view +{first.price:g}", said)
    assert f"{len(EVENTS):,} rows: {len(EVENTS) - 3:,} events, 0 copies, 3 to quarantine, 0 ignored" in said
    assert "quarantine: 2 no user_id" in said
    assert "quarantine: 1 unreadable event_time" in said
    assert said.splitlines()[-1] == f"next: jobs/nightly.py --config {out} --date {EVENTS[-1].at.date()}"


def test_the_events_shown_are_by_the_shops_clock(spark: SparkSession, tmp_path: Path) -> None:
    rows = [[e.user, e.item, f"{e.at:%Y-%m-%dT%H:%M:%S}+07:00"] for e in EVENTS]
    (tmp_path / "log.csv").write_text(table(["user", "item", "time"], rows))
    made, said = make_proposal(Paths(str(tmp_path / "log.csv")), Path("shop.yaml")), list[str]()
    spark.conf.set("spark.sql.session.timeZone", made.sources.events.time_zone)
    try:
        show(made, tmp_path / "sample", said.append, spark)
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    assert re.search(rf"{EVENTS[0].item} +{EVENTS[0].at:%Y-%m-%d %H:%M:%S}", said[2])


def test_a_file_that_is_there_stays_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shop.yaml"
    out.write_text("mine")
    assert init("--events", german(tmp_path / "log.csv"), "--out", out) == 2
    assert capsys.readouterr().err == f"error: --out: {out} is there already; give another name, or --force\n"
    assert out.read_text() == "mine"


def test_what_is_no_log_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = tmp_path / "items.csv"
    items.write_text(table(["sku", "title"], [[item, f"thing {item}"] for item in sorted({e.item for e in EVENTS})]))
    assert init("--events", items, "--out", tmp_path / "shop.yaml") == 3
    said = capsys.readouterr().err
    assert said.startswith(f"error: --events: {items} is no event log: ")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "shop.yaml").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log.xlsx", b"PK\x03\x04 and more", "is a zip archive or an Excel file"),
        ("log.db", b"SQLite format 3\x00", "is an SQLite database"),
        ("log.xml", b"<?xml version='1.0'?><a/>", "is XML or HTML"),
        ("log.csv", gzip.compress(b"a,b\n1,2\n", mtime=0), "is compressed by gzip; give it a name that ends with .gz"),
        ("log.csv.gz", b"a,b\n1,2\n", "is not compressed, though its name ends with .gz"),
        ("log.csv", b"", "is empty"),
        ("log.csv", b"a,b\n", "fewer than 3 rows"),
        ("log.txt", b"these are words\nin lines, some of them\nand no table at all\n", "text without columns"),
        ("log.json", b'{"a": 1\n,"b": 2}\n{"a": 3\n,"b": 4}\n', "several objects over several lines each"),
        ("log.csv", b"Sales\n\nuser,item,time\nu1,i1,2025-01-01\nu1,i2,2025-01-02\n", "1 line above the names"),
    ],
)
def test_a_file_that_no_night_reads_is_said_so_in_a_line(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert init("--events", tmp_path / name, "--out", tmp_path / "shop.yaml") == 3
    line = capsys.readouterr().err
    assert said in line
    assert len(line.splitlines()) == 1


def test_a_path_with_nothing_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init("--events", tmp_path / "no.where", "--out", tmp_path / "shop.yaml") == 3
    assert capsys.readouterr().err == f"error: --events: nothing at {tmp_path}/no.where\n"


def test_a_large_file_is_looked_at_in_parts_that_are_whole_lines(tmp_path: Path) -> None:
    """Its beginning, its middle and its end: so the days of all are known, and no row is cut."""
    rows = [[e.user, e.item, e.action, e.at.isoformat(), "x" * 700] for e in shop(sessions=2500)]
    text = table(["user", "item", "event", "time", "page"], rows)
    (tmp_path / "log.csv").write_text(text)
    assert len(text) > 2 * HEAD
    made = make_proposal(Paths(str(tmp_path / "log.csv")), tmp_path / "shop.yaml")
    assert f"from {rows[0][3][:10]} to {rows[-1][3][:10]}" in made.text
    write_sample(made.events.place, made.events.sample, tmp_path / "sample")
    written = (tmp_path / "sample" / "log.csv").read_text().splitlines()
    assert set(written) <= set(text.splitlines())
    assert len(written) < len(rows)
    there = sampled(made.sources.events, made.events.place, tmp_path / "sample")
    assert there.path == f"{tmp_path}/sample/log.csv"


def test_good_dialects_give_the_events_that_their_makers_count(spark: SparkSession, tmp_path: Path) -> None:
    """Copies included: who made a dialect counts rows, and says where some are copies."""
    counted = {}
    for name in test_good.DIALECTS:
        words = test_good.expected(name)
        made = make_proposal(Paths(str(test_good.GOOD / name)), Path("shop.yaml"))
        said: list[str] = []
        show(made, tmp_path / name, said.append, spark)
        rows = next(line for line in said if " rows: " in line).replace(",", "")
        events, copies = (int(re.search(rf"(\d+) {what}", rows)[1]) for what in ("events", "copies"))  # type: ignore[index]
        number = re.search(r"\d+", words["events"])
        counted[name] = (events + copies, int(number[0]) if number else events + copies)
    assert {name: ours for name, (ours, _) in counted.items()} == {
        name: theirs for name, (_, theirs) in counted.items()
    }
