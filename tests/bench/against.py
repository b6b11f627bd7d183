"""Ingest's speed beside that of another commit, in one run: `make bench-against COMMIT=219723a`.

The whole log of Complete Journey is ingested by each in turn, several times in a process that is warm, so that what
else the machine does falls on both alike. Prints seconds, seconds of the processor by all processes, and their
ratios, and writes build/bench/against.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "bench"
# What each commit runs, with its own lib and its own YAML: a night's ingest into an empty lake, the first to get warm.
NIGHT = """
import dataclasses, datetime as dt, json, shutil, sys, time
import msgspec, psutil
from recaug import config, session
from recaug.night.nightly import run_night
given = msgspec.to_builtins(config.load(sys.argv[1]))
lake = given["lake"]["path"] = sys.argv[2] + "/lake"
given["artifacts"], given["source"]["items"] = sys.argv[2] + "/artifacts", None
given["evaluate"]["fairness"] = {}
made, seconds = config.convert(given), []
spark = session.build(config.Spark(master="local[2]", settings={"spark.driver.memory": "3g"}), "against", 2)
def processor():
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in [this, *this.children(recursive=True)])
for _ in range(int(sys.argv[3]) + 1):
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    started, before = time.perf_counter(), processor()
    run_night(made, dt.date(2017, 12, 31), spark, ["ingest"], say=lambda line: print(line, file=sys.stderr))
    seconds.append((time.perf_counter() - started, processor() - before))
print(json.dumps(seconds[1:]))
"""


def run(tree: Path, repeats: int) -> list[tuple[float, float]]:
    """Seconds of an ingest by the code of a tree, and of the processor."""
    arguments = [sys.executable, "-c", NIGHT, "conf/complete_journey.yaml", str(FOLDER / "ingest"), str(repeats)]
    done = subprocess.run(
        arguments, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree / "lib")}, stdout=subprocess.PIPE, check=True
    )
    return [(seconds, processor) for seconds, processor in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    """Measure both in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", help="what to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each, in turn")
    parser.add_argument("--repeats", type=int, default=2, help="ingests of each process after its warm-up")
    given = parser.parse_args()
    other = FOLDER / "against"
    FOLDER.mkdir(parents=True, exist_ok=True)
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--force", "--detach", str(other), given.commit], check=True)
    times: dict[str, list[tuple[float, float]]] = {"this": [], given.commit: []}
    try:
        for _ in range(given.rounds):
            for name, tree in ((given.commit, other), ("this", ROOT)):
                times[name] += run(tree, given.repeats)
                print(f"{name}: {', '.join(f'{seconds:.1f}' for seconds, _ in times[name])} s", file=sys.stderr)
    finally:
        subprocess.run([*git, "remove", "--force", str(other)], check=True)
    middle = {
        name: [statistics.median(each) for each in zip(*measured, strict=True)] for name, measured in times.items()
    }
    (FOLDER / "against.json").write_text(json.dumps({"seconds": times, "median": middle}, indent=2))
    for what, before, now in zip(("ingest", "of it the processor"), middle[given.commit], middle["this"], strict=True):
        print(f"{what}, median: {before:.1f} s at {given.commit}, {now:.1f} s now: {before / now:.2f} times as fast")


if __name__ == "__main__":
    main()
