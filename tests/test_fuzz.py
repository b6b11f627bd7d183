"""500 malformed configurations and inputs, a fifth of them a day: never a stack trace, never more than a line.

FUZZ=500 runs all of them; FUZZ_SEED=20261129 those of that day.
"""

import datetime as dt
import io
import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from pyspark.sql import SparkSession
from tests.night.nights import HEAD, context, day, line

from recaug import cli

CONF = Path(__file__).parents[1] / "conf"
SEED = int(os.environ.get("FUZZ_SEED") or dt.date.today().strftime("%Y%m%d"))
MANY = int(os.environ.get("FUZZ", "100"))
INPUTS = MANY // 10  # each starts a stage; the others are the command line and the YAML
ODD: list[Any] = [
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    float("nan"),
    "",
    " ",
    "\x00",
    "\x1b[2J",
    "$a_$",
    "../../etc/passwd",
    "{date:%Q}",
    "{date",
    "s3://",
    "package://",
    "package://../x",
    "'; DROP TABLE x --",
    "=1+1",
    "x" * 10_000,
    [],
    {},
    [[]],
    {"": ""},
    {1: 2},
    ["a", 1, None],
    "\u202e\ud7ff\U0001f600",
    dt.date(1, 1, 1),
]


def changed(values: Any, chance: random.Random) -> Any:
    """Put something odd in place of a random value or key, take one away, or double a part."""
    whole = {"": values}
    at: Any = whole
    key: Any = ""
    while isinstance(at[key], dict | list) and at[key] and chance.random() < 0.8:
        at = at[key]
        key = chance.choice([*at] if isinstance(at, dict) else range(len(at)))
    match chance.randrange(4):
        case 0 if at is not whole:
            del at[key]
        case 1 if isinstance(at, dict) and at is not whole:
            at[chance.choice(["", "no_such_key", 7, "\x1b[31m"])] = at.pop(key)
        case 2 if isinstance(at, list):
            at.append(at[key])
        case _:
            at[key] = chance.choice(ODD)
    return whole[""]


def bent(text: str, chance: random.Random) -> bytes:
    """Damage a file's bytes: cut it, put bytes in, take some out, turn a bit."""
    raw = bytearray(text.encode())
    for _ in range(chance.randint(1, 5)):
        place = chance.randrange(len(raw))
        match chance.randrange(5):
            case 0:
                del raw[place:]
                raw += b"\n" * (not raw)
            case 1:
                raw[place:place] = chance.choice(
                    [b"\x00", b"\xff\xfe", b"\t", b"*a", b"&a ", b"!!python/object:os.system ", b'"', b"}", b": "]
                )
            case 2:
                del raw[place : place + chance.randint(1, 40)]
            case 3:
                raw[place] ^= 1 << chance.randrange(8)
            case _:
                raw[place:place] = raw[: chance.randint(1, 200)]
        if not raw:
            raw = bytearray(b"\n")
    return bytes(raw)


def malformed(chance: random.Random) -> bytes:
    """A shipped YAML with some damage to its values, or to its bytes."""
    text = chance.choice(sorted(CONF.rglob("*.yaml"))).read_text()
    if chance.random() < 0.4:
        return bent(text, chance)
    values = yaml.safe_load(text)
    for _ in range(chance.randint(1, 3)):
        values = changed(values, chance)
    return yaml.safe_dump(values, allow_unicode=True).encode()


def in_a_line(err: str) -> bool:
    """Whether nothing but one line of printable text was said, or argparse's usage."""
    lines = err.splitlines()
    return err == "" or (lines[-1].isprintable() and "Traceback" not in err and "not expected" not in err)


class NoSpark(Exception):
    """The YAML was taken, and Spark would start."""


def test_no_configuration_ends_in_a_stack_trace(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """T17, T23: what is wrong is told in a line, with exit code 2 or 3; what is not goes as far as Spark."""

    def stop(*_: object) -> None:
        raise NoSpark

    monkeypatch.setattr(cli, "build", stop)
    monkeypatch.chdir(tmp_path)
    codes = []
    for number in range(MANY - INPUTS):
        chance = random.Random(f"{SEED} {number}")
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(malformed(chance))
        odd = ["sasrec.dim=x", "a", "=", "[0]=1", "source.events.columns={", "augment.generators[9].kind=vae"]
        settings = ["--set", chance.choice(odd)] if chance.random() < 0.2 else []
        date = chance.choice(["2017-02-04"] * 9 + ["{{ds}}", "0000-00-00", "\x1b", "2017-02-30", "9" * 5000])
        code = cli.main(["--config", str(path), f"--date={date}", *settings])
        err = capsys.readouterr().err
        if code == 1 and "NoSpark" in err:
            code, err = 0, ""
        assert in_a_line(err), (SEED, number, err)
        assert code in (0, 2, 3), (SEED, number, code, err)
        codes.append(code)
    assert 0.5 * len(codes) < codes.count(2) < len(codes), codes  # most are seen to be wrong, and not for being there
    assert {file.name for file in tmp_path.iterdir()} == {f"{number}.yaml" for number in range(MANY - INPUTS)}


def as_json(text: str, chance: random.Random) -> bytes:
    """The log as lines of JSON, some of whose values are odd."""
    head, *rows = text.splitlines()
    records = [dict(zip(head.split(","), row.split(","), strict=True)) for row in rows]
    for record in chance.sample(records, 5):
        record[chance.choice([*record])] = chance.choice(ODD)
    return "\n".join(json.dumps(record, default=str) for record in records).encode()


def packed(text: str, chance: random.Random) -> bytes:
    """Bytes of other kinds of files under the name of a log."""
    import gzip
    import zipfile

    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.csv", text)
    kinds = [whole.getvalue(), gzip.compress(text.encode()), b"PAR1" + bytes(20) + b"PAR1", text.encode("utf-16")]
    return chance.choice(kinds)


DAMAGE: list[Callable[[str, random.Random], bytes]] = [bent, bent, bent, as_json, packed]


def test_no_input_ends_in_a_stack_trace_or_changes_a_table_in_part(
    spark: SparkSession, tmp_path: Path, capsys, here: None
) -> None:
    """T17, T23: a damaged log is read with its faults counted, or told in a line, and then no table is there."""
    rows = [line(f"u{n % 7}", f"i{n % 5}", day(1 + n % 5, 8 + n % 9)) for n in range(60)]
    text = HEAD + "".join(rows)
    for number in range(INPUTS):
        chance = random.Random(f"{SEED} input {number}")
        folder = tmp_path / str(number)
        (folder / "log").mkdir(parents=True)
        make = chance.choice(DAMAGE)
        (folder / "log" / ("a.json" if make is as_json else "a.csv")).write_bytes(make(text, chance))
        values = msgspec.to_builtins(context(spark, folder, dt.date(2017, 1, 5)).config)
        values |= {"artifacts": str(folder / "artifacts"), "lake": {"path": str(folder / "lake")}}
        if make is as_json:
            values["source"]["events"] |= {"format": "json", "options": {}}
        (folder / "night.yaml").write_text(yaml.safe_dump(values))
        code = cli.main(["--config", str(folder / "night.yaml"), "--date", "2017-01-05", "--stages", "ingest"])
        err = capsys.readouterr().err
        assert in_a_line(err), (SEED, number, make.__name__, err)
        assert code in (0, 3), (SEED, number, make.__name__, code, err)
        written = {file.parent.name for file in folder.glob("lake/*/_delta_log")}
        assert ("events" in written) is (code == 0), (SEED, number, written, err)


def test_the_damage_is_the_same_for_the_same_seed() -> None:
    assert [malformed(random.Random(f"1 {n}")) for n in range(5)] == [
        malformed(random.Random(f"1 {n}")) for n in range(5)
    ]
    assert len({malformed(random.Random(f"2 {n}")) for n in range(20)}) == 20
    assert re.search(r"\d{8}", str(SEED))
