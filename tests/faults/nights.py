"""Nights that are ended at a point, and what the next run of the same command makes of what they left."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from deltalake import DeltaTable, QueryBuilder
from tests.faults.writes import PLACES, Point, Writes
from tests.night.drivers import Java, Night, run

SAME = "same"
WAYS: dict[str, tuple[str, ...]] = {"with --resume": ("--resume",), "without": ()}  # the same command
CHANGES = {
    "spark": {"master": "local[1]", "shuffle_partitions": 1},
    "sasrec": {"optimiser": {"epochs": 1}},
    "evaluate": {
        "seeds": 1,
        "policy": None,
        "gate": {"min_lift": -1.0, "max_harm": 1.0, "min_ranking": 0.0, "max_copies": 1.0, "max_duplicates": 1.0},
    },
    "refit": True,
}


class Undisturbed(NamedTuple):
    """A night that nothing happened to. root: holds lake and artifacts; kept: these as each stage began, by its name.

    points: all moments at which it can end. came_to: what it came to, see `came_to`. java: has run it, and runs others.
    """

    config: Path
    date: str
    root: Path
    kept: Path
    points: list[Point]
    came_to: dict[str, Any]
    java: Java


def undisturbed(config: Path, date: str) -> Undisturbed:
    """Run a night to its end, and enumerate its points. config: a YAML whose lake and artifacts lie beside it."""
    root = config.parent
    kept, listed = root / "kept", root / "points.json"
    writes = Writes(root, keep=kept)
    java = Java(config)
    code = run(Night(config, date, root / "log", writes=writes, points=listed), java)
    assert code == 0, (root / "log").read_text()
    points = list(dict.fromkeys(Point(*point) for point in json.loads(listed.read_text())))
    return Undisturbed(config, date, root, kept, points, came_to(root, date), java)


def outcome(night: Undisturbed, point: Point, ways: Iterable[str] = WAYS, with_java: bool = False) -> dict[str, str]:
    """End a night at a point, and say of each way to run it again whether it came to the same.

    with_java: its Java process ends with it, as on a machine that stops; else the driver alone.
    """
    restore(night, night.kept / point.stage)
    writes = Writes(night.root, point)
    ended = Night(night.config, night.date, night.root / "log", ("--resume",), writes, with_java=with_java)
    if (code := run(ended, night.java)) != -9:
        return dict.fromkeys(ways, f"not reached, {code}")
    left, found = night.root / "left", {}
    save(night, left)
    for way in ways:
        restore(night, left)
        log = night.root / f"log {way}"
        code = run(Night(night.config, night.date, log, WAYS[way]), night.java)
        said = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
        found[way] = (
            f"{code}: {' '.join(said)[:200]}" if code else differs(night.came_to, came_to(night.root, night.date))
        )
    return found


def save(night: Undisturbed, to: Path) -> None:
    """Keep what lies in the night's lake and artifacts."""
    shutil.rmtree(to, ignore_errors=True)
    for place in PLACES:
        if (night.root / place).exists():
            shutil.copytree(night.root / place, to / place)


def restore(night: Undisturbed, kept: Path) -> None:
    """Put what was kept in the place of lake and artifacts; nothing where nothing was."""
    for place in PLACES:
        shutil.rmtree(night.root / place, ignore_errors=True)
        if (kept / place).exists():
            shutil.copytree(kept / place, night.root / place)


def came_to(root: Path, date: str) -> dict[str, Any]:
    """What a night came to: content hash, rows, decision and metrics, and the content of each stage."""
    summary = json.loads((root / "artifacts" / date / "summary.json").read_text())
    told = {name: summary[name] for name in ("decision", "reasons", "rows", "metrics", "lift", "content_hash")}
    rows = QueryBuilder().register("t", DeltaTable(str(root / "lake" / "runs"))).execute("SELECT * FROM t").read_all()
    runs = pd.DataFrame({name: rows.column(name).to_pylist() for name in ("stage", "content_hash", "finished")})
    done = runs[~runs["stage"].str.contains(".", regex=False)].sort_values("finished")
    return told | {f"content of {stage}": one for stage, one, _ in done.itertuples(index=False)}


def differs(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """Name what is another; SAME where nothing is."""
    names = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    return f"other {', '.join(names)}" if names else SAME
