"""What noise leaves of the counts: Amazon reviews, counted with differential privacy; no Spark, seconds.

.venv/bin/python -m tests.bench.private ../shared/data/amazon_reviews/Beauty.txt.gz
"""

import argparse
import gzip
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from recaug.clickstream.noisy_counts import ITEM, UNIT, Noise, user_part
from recaug.config import Privacy
from recaug.generators.accounting import PAIRS, Sampling, plan

WINDOW, LENGTH, HELD_OUT, BATCH, EPOCHS = 20, 50, 2, 512, 20
EPSILONS, DELTA = (1.0, 4.0, 8.0), 1e-5


class Sums(NamedTuple):
    """What the users' bounded parts add up to. pairs: (n, 2); weights: (n,); events: (items,)."""

    users: int
    pairs: NDArray[np.int64]
    weights: NDArray[np.float64]
    events: NDArray[np.float64]


def read(path: Path, most: int) -> Sums:
    """Add up a log of lines `user item item ...`, each user's last HELD_OUT left out."""
    numbers: dict[str, int] = {}
    summed: Counter[tuple[int, int]] = Counter()
    users = 0
    with gzip.open(path, "rt") as lines:
        for line in lines:
            items = [numbers.setdefault(item, len(numbers) + 1) for item in line.split()[1:-HELD_OUT]][:LENGTH]
            keys, units = user_part(np.array(items, np.int64), WINDOW, most)
            users += 1
            for (first, other), unit in zip(keys.tolist(), units.tolist(), strict=True):
                summed[first, other] += unit
    pairs = [pair for pair in summed if pair[1] != ITEM]
    events = [summed[item, ITEM] for item in range(1, len(numbers) + 1)]
    return Sums(users, np.array(pairs), np.array([summed[pair] for pair in pairs]) / UNIT, np.array(events) / UNIT)


def row(sums: Sums, epsilon: float, beside: dict[str, Sampling]) -> str:
    """Write what is left at an epsilon, of the whole of it or of half, beside a network, as a row of Markdown."""
    privacy = msgspec.convert({"epsilon": epsilon, "delta": DELTA, "key": {"env": "NONE"}}, Privacy)
    planned = plan(privacy, beside)
    noise = Noise(
        secret=b"a secret of a benchmark",
        release=str(epsilon),
        pairs=planned.counts / PAIRS**0.5,
        items=planned.counts / (1 - PAIRS) ** 0.5,
        delta=privacy.delta / 2,
        most=privacy.contributions,
    )
    kept = sums.weights + noise.pairs * noise.of(*sums.pairs.T) > noise.threshold
    numbers = np.arange(1, len(sums.events) + 1)
    noisy = np.maximum(sums.events + noise.items * noise.of(numbers, np.zeros_like(numbers)), 0)
    cells = (
        f"{epsilon:g}",
        "VAE" if beside else "",
        f"{noise.pairs:.2f}",
        f"{noise.threshold:.1f}",
        f"{kept.sum():,}",
        f"{sums.weights[kept].sum() / sums.weights.sum():.2%}",
        f"{noise.items:.2f}",
        f"{spearmanr(sums.events, noisy)[0]:.2f}",
        "" if planned.training is None else f"{planned.training:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    sums = read(parser.parse_args(arguments).log, Privacy().contributions)
    print(f"{sums.users:,} users, {len(sums.weights):,} pairs in the order of time")
    print("| epsilon | beside | noise of pairs | threshold | pairs left | weight | noise of items | rank | gradients |")
    print(f"|{'---|' * 9}")
    steps = EPOCHS * -(-sums.users // BATCH)
    for epsilon in EPSILONS:
        for beside in ({}, {"vae": Sampling(BATCH / sums.users, steps)}):
            print(row(sums, epsilon, beside))


if __name__ == "__main__":
    main()
