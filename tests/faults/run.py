"""`make faults`: a night is ended at each of its points, and what the next runs make of it is told in a table."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import yaml
from tests.conftest import THIN_DAY, write_thin
from tests.faults.nights import CHANGES, SAME, WAYS, Undisturbed, outcome, undisturbed
from tests.faults.source import few_households
from tests.faults.writes import Point

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
WITH_JAVA = 10  # of so many points one ends the Java process, too


def spread(points: Sequence[Point], number: int, turn: int = 0) -> list[Point]:
    """Choose so many points, evenly over the night; another turn chooses others."""
    number = min(number, len(points))
    return [points[(place * len(points) // number + turn) % len(points)] for place in range(number)]


def distinct(points: Sequence[Point]) -> list[Point]:
    """Keep every point of a commit; of a file's the first of each stage and place, for the others repeat it."""
    files = {(point.stage, point.how, point.what, point.side): point for point in reversed(points)}
    kept = {point for point in points if point.how == "commit"} | set(files.values())
    return [point for point in points if point in kept]


def written(folder: Path, spark: Mapping[str, str] = NO_SETTINGS) -> Path:
    """Write the configuration of a thin night of few households, its log beside it. spark: settings of the session."""
    config = write_thin(folder / "night", few_households(folder), CHANGES)
    settings = yaml.safe_load(config.read_text())
    generators = [entry for entry in settings["augment"]["generators"] if entry["kind"] in ("vae", "counts")]
    settings["augment"]["generators"] = generators
    settings["spark"]["settings"] |= spark
    config.write_text(yaml.safe_dump(settings))
    return config


def begin(folder: Path, spark: Mapping[str, str] = NO_SETTINGS) -> Undisturbed:
    """Run the undisturbed night in a folder that is there. spark: settings of its session, and of those that end."""
    return undisturbed(written(folder, spark), THIN_DAY.isoformat())


def main() -> int:
    """Run it; 1 where a night came to something else."""
    parser = argparse.ArgumentParser(description="Ends a night at each of its points, and runs it again.")
    parser.add_argument("--points", type=int, help="so many, evenly over the night; all by default")
    parser.add_argument("--turn", type=int, default=0, help="another turn chooses others of them")
    parser.add_argument("--stage", help="of this stage alone")
    parser.add_argument("--list", action="store_true", help="print the points, and end no night")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="recaug-faults-"))
    began = time.monotonic()
    night = begin(folder)
    print(f"{len(night.points)} points of a night of {time.monotonic() - began:.0f} s, in {folder}", flush=True)
    points = [point for point in distinct(night.points) if given.stage in (None, point.stage)]
    points = spread(points, given.points or len(points), given.turn)
    if given.list:
        print("\n".join(map(str, points)))
        return 0
    wrong = 0
    print(f"{len(points)} of them\n| point | {' | '.join(WAYS)} | s |\n|---|{'---|' * len(WAYS)}---|", flush=True)
    for number, point in enumerate(points):
        began = time.monotonic()
        found = outcome(night, point, with_java=number % WITH_JAVA == 0)
        wrong += any(said != SAME for said in found.values())
        print(f"| {point} | {' | '.join(found.values())} | {time.monotonic() - began:.0f} |", flush=True)
    print(f"{len(points) - wrong} of {len(points)} came to the same both ways")
    if not wrong:
        shutil.rmtree(folder)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
