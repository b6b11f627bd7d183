"""The audit of generated rows: what the models of fold k wrote, asked about users in and out of what these learnt from.

Cross-fitting gives the labels without any further training: the model of fold k has never seen a user of fold k, and
has seen all others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from scipy.sparse import csr_matrix

from recaug.config import Gate, Privacy
from recaug.evaluate.privacy.attacks import ATTACKS, Floats, Pairs, Records, of_pairs, of_records, of_user
from recaug.evaluate.privacy.measures import Judged, matched, tell
from recaug.evaluate.privacy.rows import RECORDS, Collected, Watched, collect, drawn_users, had_by, pairs_of, steps
from recaug.results import Attack, Audit, Subject

CANARY = 10  # events of a planted user
BASELINES = ("popularity", "length", "permuted")
CONTROLS = ("copied", "canaries")
LEAST_SIDE = 10  # users of either side, else nothing is judged


@dataclass(frozen=True)
class Asked:
    """The users of an audit, the canaries last, and what is known of each without the rows.

    user: (n,) who, -1 a canary. fold: (n,), -1 of a canary. histories: items in order, of all but the canaries.
    sets: (n, n_items + 1). pairs: user (place), item, next. alone: (pairs,), nobody else had it.
    events: (n_items + 1,) of the train window.
    """

    user: NDArray[np.int64]
    fold: NDArray[np.int64]
    histories: Sequence[NDArray[np.int64]]
    sets: csr_matrix
    pairs: pd.DataFrame
    alone: NDArray[np.bool_]
    events: Floats

    @property
    def length(self) -> NDArray[np.int64]:
        """Different items of each, (n,)."""
        return np.asarray(self.sets.sum(axis=1)).ravel().astype(np.int64)


class Examined(NamedTuple):
    """What attacks, baselines and controls say of the users beside one set of rows, by name."""

    judged: Mapping[str, Judged]


def examine(
    asked: Asked, watched: Watched, candidates: DataFrame, random: np.random.Generator
) -> dict[str, list[Examined]]:
    """Attack each generator's rows, those of each fold's model by themselves. Gives generator -> a set of rows each.

    asked: of watched. candidates: see rows.steps.
    A fold is left out where it has no rows, or fewer than ten users to ask about on either side.
    """
    seen = steps(watched, candidates).persist()
    try:
        n = watched.train.where("window = 0").count()
        folds = watched.train.select("fold").distinct().count()
        real = [int(user) for user in asked.user if user >= 0]
        found = collect(seen, real, asked.pairs, min(1.0, RECORDS * folds / max(n, 1)))
    finally:
        seen.unpersist()
    examined: dict[str, list[Examined]] = {}
    for (series, fold), counts in found.seen.groupby(["series", "fold"]):
        records = found.records[(found.records["series"] == series) & (found.records["fold"] == fold)]
        one = _examined(asked, int(fold), Collected(counts, records), random)
        if one is not None:
            examined.setdefault(str(series), []).append(one)
    return examined


def conclude(generator: str, subject: Subject, examined: Sequence[Examined], gate: Gate, seed: int) -> Audit:
    """Area and share caught of each attack over all sets of rows, or models, with intervals by user."""

    def told(name: str) -> Attack:
        over = [one.judged[name] for one in examined]
        auc, tpr = tell(over, gate.bootstraps, gate.confidence, seed)
        return Attack(name=name, auc=auc, tpr=tpr)

    names = list(examined[0].judged)
    attacks = [told(name) for name in names if name not in BASELINES + CONTROLS]
    return Audit(
        generator=generator,
        subject=subject,
        users=len(np.unique(np.concatenate([one.judged["user"].user for one in examined]))),
        releases=len(examined),
        attacks=attacks,
        strongest=max(attacks, key=lambda attack: attack.auc.mean).name,
        baselines={name: told(name).auc for name in BASELINES},
        controls={name: told(name).auc for name in CONTROLS if name in names},
    )


def audits(examined: Mapping[str, Sequence[Examined]], gate: Gate, seed: int, subject: Subject = "rows") -> list[Audit]:
    """Conclude for each generator, by name; those of which nothing could be judged are left out."""
    return [conclude(name, subject, examined[name], gate, seed) for name in sorted(examined) if examined[name]]


def asked_of(watched: Watched, settings: Privacy, seed: int, random: np.random.Generator) -> Asked:
    """Draw the users of an audit, and make the canaries."""
    words = watched.vocabulary.select("item_index", "events").toPandas()
    events = np.zeros(int(words["item_index"].max()) + 1)
    events[words["item_index"]] = words["events"]
    users = drawn_users(watched.train, settings.users, seed)
    items = np.arange(1, len(events))
    canaries = [random.choice(items, min(CANARY, len(items)), replace=False) for _ in range(settings.canaries)]
    histories = [*users["items"], *canaries]
    none = np.full(len(canaries), -1, dtype=np.int64)
    pairs = pairs_of(histories)
    had = had_by(watched.covisitation, pairs).reindex(pd.MultiIndex.from_frame(pairs[["item", "next"]]))
    return Asked(
        user=np.concatenate([users["user_index"].to_numpy(np.int64), none]),
        fold=np.concatenate([users["fold"].to_numpy(np.int64), none]),
        histories=[items.astype(np.int64) for items in users["items"]],
        sets=_sets(histories, len(events)),
        pairs=pairs,
        alone=had.fillna(1).to_numpy() <= 1,
        events=events,
    )


def _sets(histories: Iterable[Sequence[int]], columns: int) -> csr_matrix:
    """(histories, columns), 1 where a history has the item."""
    distinct = [np.unique(items) for items in histories]
    ends = np.concatenate([[0], np.cumsum([len(items) for items in distinct])])
    flat = np.concatenate([np.empty(0, np.int64), *distinct]).astype(np.int64)
    return csr_matrix((np.ones(len(flat)), flat, ends), (len(distinct), columns))


def sides(asked: Asked, fold: int, random: np.random.Generator) -> NDArray[np.int64] | None:
    """Places of as many users of the other folds as of this one, of like lengths; None if fewer than ten of each."""
    real = np.flatnonzero(asked.user >= 0)
    places = real[matched(asked.fold[real] != fold, asked.length[real], random)]
    member = asked.fold[places] != fold
    return None if min(member.sum(), (~member).sum()) < LEAST_SIDE else places


def baselines(
    asked: Asked,
    places: NDArray[np.int64],
    member: NDArray[np.bool_],
    known: Mapping[str, Floats],
    random: np.random.Generator,
) -> dict[str, Judged]:
    """What is said without a look, and what is known under labels that are dealt anew."""
    user, popularity = asked.user[places], np.log(asked.events + 1)
    mean = np.asarray(asked.sets[places] @ popularity).ravel() / np.maximum(asked.length[places], 1)
    shuffled = random.permutation(member)
    return {
        "popularity": Judged(user, member, mean),
        "length": Judged(user, member, asked.length[places].astype(np.float64)),
        "permuted": Judged(user, shuffled, of_user(known, shuffled)),
    }


def copied(asked: Asked, places: NDArray[np.int64], member: NDArray[np.bool_]) -> Floats:
    """What the same users would see of rows, or of a model, that copy the members: the positive control."""
    named, alone = _of(asked, places)
    mine = named.assign(n=member[named["user"]].astype(np.float64))
    seen, start = (mine.groupby(by)["n"].transform("sum").to_numpy(np.float64) for by in (["item", "next"], ["item"]))
    pairs = Pairs(named["user"].to_numpy(np.int64), seen, start, _chance(asked, named["next"]), alone)
    return of_pairs(pairs, len(places))["pairs"]


def _examined(asked: Asked, fold: int, found: Collected, random: np.random.Generator) -> Examined | None:
    """Attack the rows of one fold's model: members are the users of the other folds."""
    places = sides(asked, fold, random)
    if places is None:
        return None
    member, rarity = asked.fold[places] != fold, 1 / np.log(2 + asked.events)
    pairs = _pairs(asked, places, found.seen)
    records = _records(asked, places, found.records)
    known = of_pairs(pairs, len(places)) | of_records(csr_matrix(asked.sets[places]), records, rarity, random)
    scores = {
        **{name: known[name] for name in ATTACKS if name in known},
        "user": of_user(known, member),
        "copied": copied(asked, places, member),
    }
    judged = {name: Judged(asked.user[places], member, score) for name, score in scores.items()}
    judged |= baselines(asked, places, member, known, random)
    return Examined(judged | {"canaries": _canaries(asked, found.seen)})


def _chance(asked: Asked, items: pd.Series) -> Floats:
    shares: Floats = (asked.events / asked.events.sum())[items.to_numpy()]
    return shares


def _of(asked: Asked, places: NDArray[np.int64]) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """The pairs of some users, numbered anew, and which are alone."""
    at = np.full(len(asked.user), -1)
    at[places] = np.arange(len(places))
    user = at[asked.pairs["user"].to_numpy()]
    return asked.pairs.assign(user=user)[user >= 0], asked.alone[user >= 0]


def _pairs(asked: Asked, places: NDArray[np.int64], seen: pd.DataFrame) -> Pairs:
    """Count the users' pairs in the rows that are not their own."""
    pairs, alone = _of(asked, places)
    counts = seen.set_index(["item", "next", "owner"])["n"]
    nobody, anything = np.full(len(pairs), -1), np.zeros(len(pairs), dtype=np.int64)
    owner = asked.user[places][pairs["user"].to_numpy()]
    item, following = pairs["item"].to_numpy(), pairs["next"].to_numpy()

    def less_own(second: NDArray[np.int64]) -> Floats:
        whole, own = (
            counts.reindex(pd.MultiIndex.from_arrays([item, second, who])).fillna(0).to_numpy(np.float64)
            for who in (nobody, owner)
        )
        return whole - np.where(owner >= 0, own, 0.0)

    return Pairs(
        pairs["user"].to_numpy(np.int64), less_own(following), less_own(anything), _chance(asked, pairs["next"]), alone
    )


def _records(asked: Asked, places: NDArray[np.int64], records: pd.DataFrame) -> Records:
    at = {int(user): place for place, user in enumerate(asked.user[places])}
    own = [
        (at[owner], number) for number, owners in enumerate(records["owners"]) for owner in set(owners) if owner in at
    ]
    left_out = np.asarray(own, dtype=np.int64).reshape(-1, 2)
    return Records(_sets(records["items"], asked.sets.shape[1]), left_out)


def _canaries(asked: Asked, seen: pd.DataFrame) -> Judged:
    """Plant the steps of every other canary beside the rows, and look for them."""
    places = np.flatnonzero(asked.user < 0)
    pairs, planted = _pairs(asked, places, seen), np.arange(len(places)) % 2 == 0
    mine = planted[pairs.user].astype(np.float64)
    scores = of_pairs(pairs._replace(seen=pairs.seen + mine, start=pairs.start + mine), len(places))["pairs"]
    return Judged(np.arange(len(places)), planted, scores)
