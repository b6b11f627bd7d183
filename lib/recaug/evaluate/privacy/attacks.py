"""Attacks on a set of generated rows: did this user teach who wrote them? All see the rows alone, and popularity.

What is drawn from the user's own events is left out before an attack looks.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

Floats = NDArray[np.float64]
ATTACKS = ("pairs", "alone", "nearest", "density", "user")  # as results name them
SHARP = 10.0  # of the kernel of `density`
AT_ONCE = 256  # users beside all records


class Pairs(NamedTuple):
    """Ordered pairs of items that users had within few events, each pair once a user; all (pairs,).

    user: place of the user. seen: steps of the rows that are this pair, start: that begin with its first item.
    chance: of its second item, by popularity. alone: no other user of the log had the pair.
    """

    user: NDArray[np.int64]
    seen: Floats
    start: Floats
    chance: Floats
    alone: NDArray[np.bool_]


class Records(NamedTuple):
    """What the rows hold, user by user. items: (records, n_items + 1), 1 where a record has the item.

    own: (k, 2), place of a user and of a record that is left out for them.
    """

    items: csr_matrix
    own: NDArray[np.int64]


def of_pairs(pairs: Pairs, users: int) -> dict[str, Floats]:
    """What the pairs of each user say; all (users,).

    `pairs`: the mean of log[(seen + 1) / (start * chance + 1)], that of the rows over that of popularity, which needs
    no other model; `total` and `highest`: sum and maximum of the same. `alone`: pairs that nobody else had, and the
    rows have.
    """
    ratio = np.log((pairs.seen + 1) / (pairs.start * pairs.chance + 1))
    total = np.bincount(pairs.user, ratio, users)
    highest = np.zeros(users)
    np.maximum.at(highest, pairs.user, ratio)
    return {
        "pairs": total / np.maximum(np.bincount(pairs.user, minlength=users), 1),
        "total": total,
        "highest": highest,
        "alone": np.bincount(pairs.user, pairs.alone & (pairs.seen > 0), users),
    }


def of_records(sets: csr_matrix, records: Records, rarity: Floats, random: np.random.Generator) -> dict[str, Floats]:
    """How near the rows come to each user, beyond what popularity explains; both (users,).

    Likeness is the share of items in common, each weighing its rarity (Jaccard). `nearest`: the largest; `density`: log
    of the mean exp(10 likeness), as in DOMIAS (van Breugel et al. 2023). Both less the same beside records of the same
    sizes among which the items are dealt anew. sets: (users, n_items + 1); rarity: (n_items + 1,).
    """
    items = records.items
    dealt = csr_matrix((items.data.copy(), random.permutation(items.indices), items.indptr.copy()), items.shape)
    dealt.sum_duplicates()
    dealt.data[:] = 1.0
    near, reference = _likeness(sets, records, rarity), _likeness(sets, records._replace(items=dealt), rarity)
    return {name: near[name] - reference[name] for name in near}


def _likeness(sets: csr_matrix, records: Records, rarity: Floats) -> dict[str, Floats]:
    """Largest likeness, and log density."""
    weighed = csr_matrix(sets @ diags(rarity))
    sizes, other = sets @ rarity, records.items @ rarity
    nearest, density = np.zeros(sets.shape[0]), np.zeros(sets.shape[0])
    turned = csr_matrix(records.items.T)
    own = records.own[np.argsort(records.own[:, 0], kind="stable")]
    for first in range(0, sets.shape[0], AT_ONCE):
        last = min(first + AT_ONCE, sets.shape[0])
        common = np.asarray((weighed[first:last] @ turned).todense())
        likeness = common / np.maximum(sizes[first:last, None] + other[None] - common, 1e-9)
        left_out = own[slice(*np.searchsorted(own[:, 0], [first, last]))]
        kernel = np.exp(SHARP * likeness)
        likeness[left_out[:, 0] - first, left_out[:, 1]] = 0.0
        kernel[left_out[:, 0] - first, left_out[:, 1]] = 0.0
        n = likeness.shape[1] - np.bincount(left_out[:, 0] - first, minlength=last - first)
        nearest[first:last] = likeness.max(axis=1, initial=0.0)
        density[first:last] = np.log(np.maximum(kernel.sum(axis=1), 1e-9) / np.maximum(n, 1))
    return {"nearest": nearest, "density": density}


def of_user(features: Mapping[str, Floats], member: NDArray[np.bool_]) -> Floats:
    """Weigh all that the other attacks know of a user, by a logistic regression that learns on the other half.

    The strongest that somebody can do who knows for half of the users whether they are members. Returns (users,)
    log odds; 0 where there are too few to learn from.
    """
    from sklearn.linear_model import LogisticRegression  # here, for it takes a second to import

    values = np.stack([features[name] for name in sorted(features)], axis=1)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    half, odds = np.zeros(len(member), dtype=bool), np.zeros(len(member))
    for side in (member, ~member):  # every other one of each, whatever their order
        half[np.flatnonzero(side)[::2]] = True
    for learnt, asked in ((half, ~half), (~half, half)):
        if len(set(member[learnt])) == 2 and asked.any():
            odds[asked] = LogisticRegression().fit(values[learnt], member[learnt]).decision_function(values[asked])
    return odds
