"""Keep what a benchmark of recommenders or of generated rows found as files, and make the tables of docs/results.md.

results.py --config conf/bench/prefixes_beauty.yaml    writes docs/results/prefixes_beauty/<model>.json, and the tables
results.py --config conf/bench/strongest_beauty.yaml   writes docs/results/strongest_beauty/<share>-<arm>.json, the same
results.py                                             writes the tables anew

A benchmark's file holds the means with intervals by slice of users (of recommenders the seeds' figures, too), the whole
configuration, and the commit; tests.bench.peers writes those under docs/results/peers. A table stands between
`<!-- results: prefixes_beauty -->` and `<!-- end -->`; with `<!-- results: ingredients_beauty, settings of sasrec -->`
that of what validation chose from.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tests.bench.peers import table as peers

from recaug import config
from recaug.evaluate.arms import NONE
from recaug.lake.store import Store
from recaug.report.benchmark import MODELS
from recaug.report.learning_curve import lift_cell

ROOT = Path(__file__).parents[2]
FOLDER, PAGE = ROOT / "docs" / "results", ROOT / "docs" / "results.md"
TABLE = re.compile(r"(<!-- results: (\w+)(?:, settings of (\w+))? -->\n)(.*?)(<!-- end -->)", re.DOTALL)


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
    """Write the files of the benchmark of this configuration."""
    asked = config.load(path, settings)
    results = json.loads(Store(asked.artifacts).read("results.json"))
    folder = FOLDER / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"config": f"conf/bench/{path.name}", "commit": commit, "configuration": msgspec.to_builtins(asked)}
    for study, parts in FILES.items():
        if getattr(asked, study) is not None:
            for name, part in parts(results).items():
                (folder / f"{name}.json").write_text(json.dumps(whole | {"study": study} | part, indent=1) + "\n")


def with_tables(text: str) -> str:
    """The page with every table as its files have it."""
    return TABLE.sub(lambda place: f"{place[1]}{table(place[2], place[3])}\n{place[5]}", text)


def table(name: str, chosen: str | None) -> str:
    """The table of a benchmark, or of the settings that one of its models was chosen from."""
    kept = [json.loads(path.read_text()) for path in sorted((FOLDER / name).glob("*.json"))]
    head, *rows = TABLES[kept[0]["study"]](kept) if chosen is None else _settings(kept, chosen)
    first, *others = (f"| {' | '.join(map(str, cells))} |" for cells in (head, *rows))
    return "\n".join([first, f"|{'---|' * len(head)}", *others])


def _models(results: dict[str, Any]) -> dict[str, Any]:
    return {model: {"model": model, "result": result} for model, result in results.items()}


def _recommenders(kept: Sequence[dict[str, Any]]) -> Iterator[Sequence[object]]:
    """Recommenders beside each other, in the order of MODELS."""
    yield "model", "seeds", "HR@10", "NDCG@10", "deviation of NDCG@10", "NDCG@10, cold users", "train, s"
    results = {part["model"]: part["result"] for part in kept}
    for model in filter(results.__contains__, MODELS):
        result = results[model]
        cold = _interval(result["cold"]["ndcg@10"]) if result["cold"] else ""
        measures = (_interval(result["hr@10"]), _interval(result["ndcg@10"]), _deviation(result), cold)
        yield MODELS[model], len(result["by_seed"]["ndcg@10"]), *measures, f"{result['train_seconds']:,.0f}"


def _settings(kept: Sequence[dict[str, Any]], chosen: str) -> Iterator[Sequence[object]]:
    """What validation says of each settings of a model, in the order in which they were given."""
    yield "settings", "NDCG@10 on validation", "train, s"
    (result,) = (part["result"] for part in kept if part["model"] == chosen)
    for label, measured in result["validation"].items():
        yield label, _figure(measured), f"{result['seconds_by_settings'][label]:,.0f}"


def _arms(results: dict[str, Any]) -> dict[str, Any]:
    arms = ((share, arm, result) for share, arms in results.items() for arm, result in arms.items())
    return {f"{share}-{arm}": {"share": share, "arm": arm, "result": result} for share, arm, result in arms}


def _curve(kept: Sequence[dict[str, Any]]) -> Iterator[Sequence[object]]:
    """Arms with generated rows beside those without, by share of the users."""
    told = {
        "HR@10": ("hr@10", "overall"),
        "NDCG@10": ("ndcg@10", "overall"),
        "NDCG@10, cold users": ("ndcg@10", "cold"),
    }
    told |= {f"{name}, rare targets": (f"{name.lower()} rare", "overall") for name in ("NDCG@10", "Recall@20")}
    blended = ("blended with counts, NDCG@10 without and with", "NDCG@10, both blended")
    yield "users", "rows of", "seeds", "NDCG@10 without and with", *told, *blended
    without = {part["share"]: part["result"] for part in kept if part["arm"] == NONE}
    for part in kept:
        result, base = part["result"], without[part["share"]]
        if part["arm"] == NONE:
            continue
        lifts = [lift_cell(result["lifts"][measure][users]) for measure, users in told.values()]
        both = [f"{_figure(base['ndcg@10']['mean'])}, {_figure(result['ndcg@10']['mean'])}"]
        means = [_figure(arm["blend"]["overall"]["ndcg@10"]["mean"]) for arm in (base, result)]
        mixed = [", ".join(means), lift_cell(result["blend_lifts"]["ndcg@10"]["overall"])]
        yield f"{result['users']:,}", result["label"], result["seeds"], *both, *lifts, *mixed


def _deviation(result: dict[str, Any]) -> str:
    """Of NDCG@10 over the seeds; nothing where there is one."""
    seeds = result["by_seed"]["ndcg@10"]
    return _figure(float(np.std(seeds, ddof=1))) if len(seeds) > 1 else ""


def _interval(value: dict[str, float]) -> str:
    return f"{_figure(value['mean'])} [{_figure(value['low'])}, {_figure(value['high'])}]"


def _figure(value: float) -> str:
    return f"{value:.4f}".lstrip("0")


FILES = {"benchmark": _models, "learning_curve": _arms}  # of a section of the configuration
TABLES = {"benchmark": _recommenders, "learning_curve": _curve, "peers": peers.rows}


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, cwd=ROOT, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
