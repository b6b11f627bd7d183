"""How well scores tell members from others: area under the ROC curve, and what is caught at few false alarms."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recaug.results import Interval

Floats = NDArray[np.float64]
FALSE_ALARMS = 0.01  # share of non-members, see Carlini et al. 2022
AT_ONCE = 250  # draws of the bootstrap


class Judged(NamedTuple):
    """What an attack says of users beside one set of rows; all (n,). user: who; member: whether they taught it."""

    user: NDArray[np.int64]
    member: NDArray[np.bool_]
    score: Floats


class Told(NamedTuple):
    """Means over the sets of rows, with intervals by user."""

    auc: Interval
    tpr: Interval


def tell(judged: Sequence[Judged], draws: int, confidence: float, seed: int) -> Told:
    """Area under the ROC curve, and the share of members that is caught at FALSE_ALARMS, over some sets of rows.

    Users are drawn with replacement, each with all that is said of them. The threshold comes from one half of the
    non-members, which tells nothing of the members: halves change places, and the mean is taken.
    Raises ValueError where nothing is judged.
    """
    if not judged:
        raise ValueError("nothing is judged")
    whole = _measured(judged, np.ones((1, int(max(each.user.max() for each in judged)) + 1)))
    drawn = [_measured(judged, weights) for weights in _draws(judged, draws, seed)]
    auc, tpr = (np.concatenate(values) for values in zip(*drawn, strict=True))
    return Told(_interval(whole[0][0], auc, confidence), _interval(whole[1][0], tpr, confidence))


def matched(member: NDArray[np.bool_], length: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Give places of as many members as others of each length (to a quarter of an octave), in order."""
    octave = np.floor(4 * np.log2(np.maximum(length, 1)))
    kept = []
    for each in np.unique(octave):
        sides = [np.flatnonzero((octave == each) & (member == side)) for side in (True, False)]
        n = min(map(len, sides))
        kept += [random.permutation(side)[:n] for side in sides]
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, dtype=np.int64)


def area(judged: Judged, weights: Floats) -> Floats:
    """Area under the ROC curve under each draw, ties counted half. weights: (draws, users). Returns (draws,)."""
    members, others = judged.member, ~judged.member
    order = np.argsort(judged.score[others], kind="stable")
    sorted_others, ours = judged.score[others][order], weights[:, judged.user[members]]
    theirs = weights[:, judged.user[others]][:, order]
    below = np.concatenate([np.zeros((len(theirs), 1)), theirs.cumsum(axis=1)], axis=1)
    first, last = (np.searchsorted(sorted_others, judged.score[members], side) for side in ("left", "right"))
    won = ours * (below[:, first] + below[:, last]) / 2
    return won.sum(axis=1) / np.maximum(ours.sum(axis=1) * below[:, -1], 1e-9)


def caught(judged: Judged, weights: Floats) -> Floats:
    """Share of the members above the threshold under each draw. weights: (draws, users). Returns (draws,)."""
    members, others = np.flatnonzero(judged.member), np.flatnonzero(~judged.member)
    order = members[np.argsort(judged.score[members], kind="stable")]
    ours = weights[:, judged.user[order]]
    above = np.concatenate([ours[:, ::-1].cumsum(axis=1)[:, ::-1], np.zeros((len(ours), 1))], axis=1)
    shares = []
    for half in (others[::2], others[1::2]):
        ranked = half[np.argsort(-judged.score[half], kind="stable")]
        theirs = weights[:, judged.user[ranked]].cumsum(axis=1)
        allowed = (theirs <= FALSE_ALARMS * theirs[:, -1:]).sum(axis=1)
        threshold = judged.score[ranked][np.minimum(allowed, len(ranked) - 1)]
        first = np.searchsorted(judged.score[order], threshold, side="right")
        shares.append(above[np.arange(len(above)), first] / np.maximum(above[:, 0], 1e-9))
    mean: Floats = np.mean(shares, axis=0)
    return mean


def _measured(judged: Sequence[Judged], weights: Floats) -> tuple[Floats, Floats]:
    """Mean area and mean share caught over the sets of rows, (draws,) each."""
    means = [np.mean([measure(each, weights) for each in judged], axis=0) for measure in (area, caught)]
    return means[0], means[1]


def _draws(judged: Sequence[Judged], draws: int, seed: int) -> Iterator[Floats]:
    """How often each user is drawn: (some draws, users)."""
    random = np.random.default_rng(seed)
    known = np.unique(np.concatenate([each.user for each in judged]))
    for start in range(0, draws, AT_ONCE):
        n = min(AT_ONCE, draws - start)
        weights = np.zeros((n, int(known.max()) + 1))
        weights[:, known] = random.multinomial(len(known), np.full(len(known), 1 / len(known)), size=n)
        yield weights


def _interval(mean: float, draws: Floats, confidence: float) -> Interval:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean=float(mean), low=float(low), high=float(high))
