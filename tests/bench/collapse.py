"""Whether nights that follow their own publishes collapse: they should not, for generators learn from real rows alone.

collapse.py --config conf/bench/beauty.yaml --date 2014-07-19 --nights 5

Two lakes take the same nights, each going on from the models of the one before: in one every night publishes, whatever
the gate says, in the other none does. A night's candidates have to be the same in both, to the last row. Recall and
coverage of the recommender that learns from them stand beside those of the first night.
"""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from recaug import config, session
from recaug.config import STAGES
from recaug.evaluate.arms import NONE
from recaug.night.nightly import night_context, run_night

RECALL, COVERAGE = 0.02, 0.9  # of the first night: what may be lost, and what has to be left
ALWAYS = ["min_lift=-1.0", "max_harm=1.0", "min_ranking=0.0", "max_copies=1.0", "max_duplicates=1.0"]
PUBLISHING = ["refit=false", "evaluate.policy=null", *(f"evaluate.gate.{setting}" for setting in ALWAYS)]
NOT = STAGES[: STAGES.index("augment") + 1]  # of the lake in which nothing is published


class Line(NamedTuple):
    """A night: whether its candidates were the same in both lakes, and what its published arm is worth."""

    date: dt.date
    same: bool
    decision: str
    recall: float
    base: float
    coverage: float


def main() -> int:
    """Run the nights and print them; 1 where one differs, or falls below the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--date", type=dt.date.fromisoformat, required=True, help="of the last night")
    parser.add_argument("--nights", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="such as sasrec.dim=32")
    given = parser.parse_args()
    lines = list(nights(given.config, given.set, given.date, given.nights))
    print("| night | candidates | decision | recall@20 | without rows | coverage |\n|---|---|---|---|---|---|")
    for line in lines:
        same = "as without publishes" if line.same else "OTHERS"
        figures = f"{line.recall:.4f} | {line.base:.4f} | {line.coverage:.3f}"
        print(f"| {line.date} | {same} | {line.decision} | {figures} |")
    said = collapsed(lines)
    print(said or "no collapse")
    return 1 if said else 0


def nights(path: str, settings: Sequence[str], last: dt.date, number: int) -> list[Line]:
    """Run them, one a day up to the last."""
    folder, lines = Path("build/bench/collapse") / Path(path).stem, []
    lakes = {
        name: [f"artifacts={folder}/{name}/artifacts", f"lake.path={folder}/{name}/lake"] for name in ("on", "off")
    }
    published, alone = (config.load(path, [*PUBLISHING, *places, *settings]) for places in lakes.values())
    spark = session.build(published.spark, "recaug collapse", published.training.workers, published.source.time_zone)
    for date in (last - dt.timedelta(days=back) for back in reversed(range(number))):
        summary = run_night(published, date, spark)
        lines.append(_line(date, summary, _candidates(published, date, spark), _candidates_of(alone, date, spark)))
    spark.stop()
    return lines


def _candidates_of(alone: config.Config, date: dt.date, spark: SparkSession) -> str | None:
    run_night(alone, date, spark, NOT)
    return _candidates(alone, date, spark)


def _candidates(night: config.Config, date: dt.date, spark: SparkSession) -> str | None:
    return night_context(night, date, spark).recorded("augment").content_hash


def _line(date: dt.date, summary: dict[str, Any], own: str | None, other: str | None) -> Line:
    arm = summary["chosen"] or NONE
    measured, base = summary["metrics"][arm], summary["metrics"][NONE]
    return Line(date, own == other, summary["decision"], measured["recall@20"], base["recall@20"], measured["coverage"])


def collapsed(lines: Sequence[Line]) -> str:
    """Say what is not as it should be: of recall and coverage, beside what the same night has without rows."""
    first, faults = lines[0], [f"{line.date}: other candidates" for line in lines if not line.same]
    for line in lines[1:]:
        if line.recall / line.base < (1 - RECALL) * first.recall / first.base:
            faults.append(f"{line.date}: recall over the base's is {line.recall / line.base:.3f}")
        if line.coverage < COVERAGE * first.coverage:
            faults.append(f"{line.date}: coverage {line.coverage:.3f}")
    return "; ".join(faults)


if __name__ == "__main__":
    sys.exit(main())
