"""Keep what a benchmark of recommenders found as files, and make the tables of docs/results.md from these.

results.py --config conf/bench/prefixes_beauty.yaml    writes docs/results/prefixes_beauty/<model>.json, and the tables
results.py                                             writes the tables anew

A file holds the seeds' figures, their means with intervals by slice of users, the whole configuration, and the commit.
A table stands between `<!-- results: prefixes_beauty -->` and `<!-- end -->`.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from recaug import config
from recaug.lake.store import Store
from recaug.report.benchmark import MODELS

ROOT = Path(__file__).parents[2]
FOLDER, PAGE = ROOT / "docs" / "results", ROOT / "docs" / "results.md"
TABLE = re.compile(r"(<!-- results: (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
COLUMNS = ("model", "seeds", "HR@10", "NDCG@10", "deviation of NDCG@10", "NDCG@10, cold users", "train, s")
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def main() -> None:
    """Keep a benchmark's results where one is named, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, help="of a benchmark that has run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as the benchmark was given")
    parser.add_argument("--commit", help="that it ran at; the checkout's where it is left out")
    given = parser.parse_args()
    if given.config is not None:
        keep(given.config, given.set, given.commit or _commit())
    PAGE.write_text(with_tables(PAGE.read_text()))


def keep(path: Path, settings: Sequence[str], commit: str) -> None:
    """Write a file a model of the benchmark of this configuration."""
    asked = config.load(path, settings)
    results = json.loads(Store(asked.artifacts).read("results.json"))
    folder = FOLDER / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"config": f"conf/bench/{path.name}", "commit": commit, "configuration": msgspec.to_builtins(asked)}
    for model, result in results.items():
        (folder / f"{model}.json").write_text(json.dumps(whole | {"model": model, "result": result}, indent=1) + "\n")


def with_tables(text: str) -> str:
    """The page with every table as its files have it."""
    return TABLE.sub(lambda place: f"{place[1]}{table(place[2])}\n{place[4]}", text)


def table(name: str) -> str:
    """The table of a benchmark, its models in the order of MODELS."""
    kept = {path.stem: json.loads(path.read_text()) for path in (FOLDER / name).glob("*.json")}
    return "\n".join([HEAD, *(_row(MODELS[model], kept[model]["result"]) for model in MODELS if model in kept)])


def _row(label: str, result: dict[str, Any]) -> str:
    seeds = result["by_seed"]["ndcg@10"]
    deviation = _figure(float(np.std(seeds, ddof=1))) if len(seeds) > 1 else ""
    cold = _interval(result["cold"]["ndcg@10"]) if result["cold"] else ""
    cells = [len(seeds), _interval(result["hr@10"]), _interval(result["ndcg@10"]), deviation, cold]
    return f"| {label} | {' | '.join(map(str, cells))} | {result['train_seconds']:,.0f} |"


def _interval(value: dict[str, float]) -> str:
    return f"{_figure(value['mean'])} [{_figure(value['low'])}, {_figure(value['high'])}]"


def _figure(value: float) -> str:
    return f"{value:.4f}".lstrip("0")


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
