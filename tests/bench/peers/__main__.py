"""Other software beside recaug, in turn in one run: python -m tests.bench.peers [--only rectools sdv] [--quick].

Each peer has an environment of its own under build/peers, of the pins in conf/constraints/peers/<peer>.txt; nothing of
it is part of recaug. A script `peer_<peer>.py` runs there and `ours_<peer>.py` here, on the same rows and one thread
each, in turn. What they print, a JSON line a measurement, is kept in docs/results/peers/<peer>.json, of which
`make results` makes the table of docs/results.md. A peer whose environment cannot be made or whose script fails gives
one line, the next one follows, and the exit code is 1 at the end. A peer without its data is left out.
"""

import argparse
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[3]
BUILD, KEPT, PINS = (ROOT / folder for folder in ("build/peers", "docs/results/peers", "conf/constraints/peers"))
SCRIPTS = Path(__file__).parent
DATA = Path("../shared/data/amazon_reviews/Beauty.txt.gz")
UV = (sys.executable, "-m", "uv", "--quiet", "--no-progress")


class Failed(Exception):
    """A step of a peer ended with an error, which the message says in one line."""


class Peer(NamedTuple):
    """What is run of a peer: command lines, `{night}` (a folder for Beauty's night) and the sizes in braces.

    packages: whose versions the file names. turn: ours and theirs, which are repeated. before, after: once each.
    full, quick: sizes. here: it needs no more than recaug does, and has no environment of its own.
    """

    packages: Sequence[str]
    turn: Sequence[str]
    full: dict[str, float]
    quick: dict[str, float]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    here: bool = False


PEERS = {
    "rectools": Peer(
        ["rectools", "torch"],
        [
            "ours_rectools.py --users {users} --epochs {epochs} --learning-rate 0.004",
            "peer_rectools.py --users {users} --epochs {epochs} --learning-rate 0.001",
        ],
        {"users": 22_363, "epochs": 12},
        {"users": 2000, "epochs": 8},
    ),
    "sdv": Peer(
        ["sdv", "ctgan", "deepecho", "torch"],
        [
            "ours_sdv.py sample {night} --share {share}",
            "peer_sdv.py {night} --par-epochs {par} --ctgan-epochs {ctgan}",
        ],
        {"share": 0.03, "par": 30, "ctgan": 300},
        {"share": 0.015, "par": 4, "ctgan": 20},
        before=["ours_sdv.py prepare {night} --share {share}"],
        after=["ours_sdv.py judge {night} --share {share}"],
    ),
    "rules": Peer(
        ["pyspark", "delta-spark"],
        [
            "ours_rules.py {night} --share {share} --copies {copies}",
            "peer_rules.py {night} --rows {rows}",
        ],
        {"share": 1.0, "copies": 4, "rows": 4_000_000},
        {"share": 0.015, "copies": 40, "rows": 500_000},
        here=True,
    ),
    "replay": Peer(
        ["replay-rec", "polars"],
        ["ours_replay.py --users {users}", "peer_replay.py --users {users}"],
        {"users": 22_363},
        {"users": 22_363},
    ),
    "recbole": Peer(
        ["recbole", "numpy"],
        [
            "ours_recbole.py --users {users} --per-user {draws}",
            "peer_recbole.py --users {users} --per-user {draws}",
        ],
        {"users": 22_363, "draws": 100},
        {"users": 22_363, "draws": 100},
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure beside each peer, and keep what was found. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), help="some of the peers")
    parser.add_argument("--turns", type=int, default=2, help="times that ours and theirs run")
    parser.add_argument("--quick", action="store_true", help="sizes for a busy machine")
    given = parser.parse_args(arguments)
    if not (ROOT / DATA).exists():
        print(f"peers: {DATA} is not there; nothing is measured")
        return 0
    commit, failed = run(["git", "describe", "--always", "--dirty"]).strip(), False
    for name in given.only:
        try:
            path = keep(name, {"commit": commit, **beside(name, given.turns, given.quick)})
            print(f"{name}: written to {short(str(path))}", flush=True)
        except Failed as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr, flush=True)
    return int(failed)


def beside(name: str, turns: int, quick: bool) -> dict[str, Any]:
    """Run a peer and ours in turn. Raises Failed."""
    peer = PEERS[name]
    python, sizes = environment(name), peer.quick if quick else peer.full
    night = BUILD / "night"
    night.mkdir(parents=True, exist_ok=True)
    load = [os.getloadavg()[0]]
    runs = []
    for turn, lines in [(0, peer.before), *((turn, peer.turn) for turn in range(1, turns + 1)), (0, peer.after)]:
        for line in lines:
            words = line.format(night=night, **sizes).split()
            who = "peer" if words[0].startswith("peer_") else "ours"
            for said in spoken([str(python if who == "peer" else sys.executable), *words]):
                print(f"{name}: {json.dumps(said)[:200]}", flush=True)
                runs.append({"who": who, "turn": turn, **said})
    load.append(os.getloadavg()[0])
    machine = {"cores": os.cpu_count(), "load": [round(value, 1) for value in load]}
    return {"sizes": sizes, "versions": versions(name, python), "machine": machine, "runs": runs}


def spoken(words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Run a script and give what it printed as JSON. Raises Failed."""
    python, script, *arguments = words
    settings = {"PYTHONPATH": f"{ROOT / 'lib'}:{ROOT}", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    said = run([python, str(SCRIPTS / script), *arguments], os.environ | settings)
    return (json.loads(line) for line in said.splitlines() if line.startswith("{"))


def environment(name: str) -> Path:
    """Make a peer's environment, unless it is there with these pins, and give its Python. Raises Failed."""
    if PEERS[name].here:
        return Path(sys.executable)
    venv, pins = BUILD / name, PINS / f"{name}.txt"
    stamp, python = venv / ".pins", venv / "bin" / "python"
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return python
    run([*UV, "venv", "--clear", "--python", sys.executable, str(venv)])
    run([*UV, "pip", "install", "--python", str(python), "--requirement", str(pins)], lines=10)  # uv folds its words
    shutil.copy(pins, stamp)
    return python


def run(words: Sequence[str], settings: dict[str, str] | None = None, lines: int = 1) -> str:
    """Run a command and give its output. Raises Failed with the last so many lines that it said, in one."""
    done = subprocess.run(words, env=settings, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        told = " ".join(said[-lines:]) or "it said nothing"
        raise Failed(f"{' '.join(map(short, words))} ended with {done.returncode}: {told}")
    return done.stdout


def short(word: str) -> str:
    """A path as seen from the checkout."""
    return word.removeprefix(f"{ROOT}/")


def versions(name: str, python: Path) -> dict[str, str]:
    """What of a peer's packages is installed, and our version."""
    asked = (
        "import json, sys; from importlib.metadata import version; print(json.dumps(list(map(version, sys.argv[1:]))))"
    )
    packages = PEERS[name].packages
    theirs = json.loads(run([str(python), "-c", asked, *packages]))
    return {"recaug": importlib.metadata.version("recaug"), **dict(zip(packages, theirs, strict=True))}


def keep(name: str, found: dict[str, Any]) -> Path:
    """Write what was found as one file."""
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{name}.json"
    path.write_text(json.dumps({"study": "peers", "peer": name, **found}, indent=1) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
