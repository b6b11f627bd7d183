"""The table of docs/results/peers: what each piece of work cost ours and theirs."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

HEAD = ("work", "by", "a second", "a second of the processor", "ours, times theirs (of the processor)", "memory, MB")
Run = dict[str, Any]


class Cost(NamedTuple):
    """Medians over the turns. wall, processor: a second of each; memory: MB."""

    wall: float
    processor: float
    memory: float


def rows(kept: Sequence[dict[str, Any]]) -> Iterator[Sequence[object]]:
    """The head, and a row for each work of each software, the peer's first."""
    yield HEAD
    for part in kept:
        runs = [run for run in part["runs"] if "rows" in run]
        for what in dict.fromkeys(run["what"] for run in runs):
            theirs, ours = (costs(runs, what, who) for who in ("peer", "ours"))
            for by, cost in (theirs | ours).items():
                ratios = [f"{cost.processor / other.processor:,.2f}" for other in theirs.values()] if by in ours else []
                figures = (f"{cost.wall:,.0f}", f"{cost.processor:,.0f}", ", ".join(ratios), f"{cost.memory:,.0f}")
                yield what, by, *figures
        yield from _reached(runs)


def costs(runs: Sequence[Run], what: str, who: str) -> dict[str, Cost]:
    """Medians of a piece of work, by what did it."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if (run["what"], run["who"]) == (what, who):
            found.setdefault(run["by"], []).append(run)
    return {
        by: Cost(
            median(run["rows"] / run["seconds"] for run in own),
            median(run["rows"] / run["processor"] for run in own),
            max(run["memory_mb"] for run in own),
        )
        for by, own in found.items()
    }


def target(runs: Sequence[Run]) -> float:
    """The NDCG@10 that all of them came to in some epoch, down to four decimals."""
    lowest = min(max(value for *_, value in run["curve"]) for run in runs)
    return int(lowest * 10_000) / 10_000


def seconds_to(run: Run, value: float) -> tuple[float, float]:
    """Seconds of the clock and of the processor until the first epoch that came to a value."""
    wall, processor, _ = next(point for point in run["curve"] if point[2] >= value)
    return wall, processor


def _reached(runs: Sequence[Run]) -> Iterator[Sequence[object]]:
    """What each trained for until all had come to one NDCG@10, in seconds; the ratio is theirs over ours.

    Nothing where one of them knows no more at the end than popularity, or nobody has measured that.
    """
    curves = [run for run in runs if "curve" in run]
    known = [run["popularity"] for run in curves if "popularity" in run]
    if not known or (value := target(curves)) <= max(known):
        return
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in sorted(curves, key=lambda run: run["who"], reverse=True):
        found.setdefault((run["who"], run["by"]), []).append(seconds_to(run, value))
    middle = {name: [median(each) for each in zip(*own, strict=True)] for name, own in found.items()}
    what = f"seconds to a validation NDCG@10 of {value:.4f}".replace("0.", ".")
    for (who, by), (wall, processor) in middle.items():
        theirs = [other[1] for (side, _), other in middle.items() if side == "peer" and who == "ours"]
        ratios = ", ".join(f"{other / processor:,.2f}" for other in theirs)
        yield what, by, f"{wall:,.1f} s", f"{processor:,.1f} s", ratios, ""
