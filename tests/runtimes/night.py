"""A thin night on the runtime whose Python this is, held against the contracts, and against another runtime's.

PYTHONPATH=lib:. .venv-spark-4.0/bin/python -m tests.runtimes.night build/runtimes/spark-4.0 [build/runtimes/other]
"""

import datetime as dt
import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

from deltalake import DeltaTable, QueryBuilder
from tests.conftest import THIN_DAY, write_source, write_thin

from recaug.config import load
from recaug.lake.contracts import TABLES
from recaug.night.stage import NIGHT

ROOT = Path(__file__).parents[2]
# Ranks side by side, and a gate that lets rows pass, so that they are refitted and published.
CHANGES = {
    "training": {"launcher": None, "workers": 2},
    "evaluate": {"gate": {"min_lift": -1.0, "max_harm": 1.0, "max_copies": 1.0, "max_duplicates": 1.0}},
    "refit": True,
}
PACKAGES = ("pyspark", "delta-spark", "pyarrow", "numpy", "pandas", "torch", "mlflow-skinny", "horovod", "petastorm")


def made(folder: Path) -> int:
    """Run a whole thin night in `folder`, which is made anew; give its exit code.

    The source lies beside it, for all runtimes: catalogue and users are part of what a model is named by.
    """
    source = folder.parent / "source" / "transactions.parquet"
    if not source.exists():
        source.parent.mkdir(parents=True)
        write_source(source)
    shutil.rmtree(folder, ignore_errors=True)
    config = write_thin(folder, source, CHANGES)
    job = [sys.executable, str(ROOT / "jobs" / "nightly.py"), "--config", str(config), "--date", THIN_DAY.isoformat()]
    return subprocess.run(job, check=False).returncode


def contents(folder: Path) -> dict[str, str | None]:
    """What each stage of the night came to: the content hashes of `runs`, read without Spark."""
    table = QueryBuilder().register("runs", DeltaTable(str(folder / "lake" / "runs")))
    rows = table.execute("SELECT stage, content_hash FROM runs").read_all()
    told = zip(rows.column("stage").to_pylist(), rows.column("content_hash").to_pylist(), strict=True)
    return {stage: content for stage, content in told if stage in NIGHT}


def breaches(folder: Path) -> list[str]:
    """Say which table lacks a column of its contract, or a stage its record."""
    lake = folder / "lake"
    said = [f"{stage} is not recorded" for stage in load(folder / "night.yaml").stages if stage not in contents(folder)]
    for name in sorted(place.name for place in lake.iterdir() if place.name in TABLES):
        have = {field.name for field in DeltaTable(str(lake / name)).schema().fields}
        wanted = {column.split()[0] for column in TABLES[name].columns.split(", ")}
        said += [f"table {name} lacks {column}" for column in sorted(wanted - have)]
    return said


def versions() -> str:
    """The runtime in a line."""
    there = {each.name.lower().replace("_", "-"): each.version for each in importlib.metadata.distributions()}
    python = ".".join(map(str, sys.version_info[:3]))
    return ", ".join([f"Python {python}", *(f"{name} {there[name]}" for name in PACKAGES if name in there)])


def main(folder: Path, other: Path | None) -> int:
    """Make the night and hold it; 0 where all is as it must be."""
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} {versions()}", flush=True)
    if code := made(folder):
        return code
    said, own = breaches(folder), contents(folder)
    theirs = contents(other) if other is not None else own
    said += [
        f"{stage}: {own.get(stage)} here, {theirs[stage]} in {other}"
        for stage in theirs
        if own.get(stage) != theirs[stage]
    ]
    print("\n".join(said or [f"content of every stage as in {other or folder}, every contract holds: {own}"]))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
