"""Attacks on a model itself, by one who has its weights, that ask whether a user taught it.

Halves of the users, dealt anew by each salt, give the shadow models of LiRA (Carlini et al. 2022) without any further
training: of the two models of a salt one has learnt from a user, and one has not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recaug.evaluate.privacy.attacks import Floats, of_user
from recaug.evaluate.privacy.audit import Asked, Examined, baselines, copied, sides
from recaug.evaluate.privacy.measures import Judged

CHANCES = ("next", "rest")
SHADOWS = 2  # of either side, without which no deviation can be told
NARROWEST = 1e-6  # nats, a deviation at least


@dataclass(frozen=True)
class ModelScores:
    """What a model of a salt says of the users that are asked about, who are the same of every salt.

    asked: with the halves of the salt as folds. half: whom the model has not learnt from.
    by_name: of each user, canaries left out, after some places of the history: `next` and `rest`, mean log chance of
    the next event and of all that follow (nats); `fidelity`, mean log of how real the model takes these for.
    """

    salt: int
    asked: Asked
    half: int
    by_name: Mapping[str, Floats]

    @property
    def member(self) -> NDArray[np.bool_]:
        """Who taught the model, (users,)."""
        return self.asked.fold[self.asked.user >= 0] != self.half


def examine_weights(models: Sequence[ModelScores], seed: int) -> list[Examined]:
    """Attack the models of a generator, each beside those of other salts.

    `next`, `rest`: beyond the mean log popularity of the history, which needs no other model. `fidelity`. `shadows`:
    LiRA on both chances, left out with fewer than three salts. `user`: all of these, for the whole user.
    A model is left out where there are fewer than ten users to ask about on either side.
    """
    random = np.random.default_rng(seed)
    examined = []
    for model in models:
        places = sides(model.asked, model.half, random)
        if places is None:
            continue
        member = model.member[places]
        known = {name: values[places] for name, values in _attacks(model, models).items()}
        scores = known | {"user": of_user(known, member), "copied": copied(model.asked, places, member)}
        judged = {name: Judged(model.asked.user[places], member, score) for name, score in scores.items()}
        examined.append(Examined(judged | baselines(model.asked, places, member, known, random)))
    return examined


def _attacks(model: ModelScores, models: Sequence[ModelScores]) -> dict[str, Floats]:
    """What each attack says of every user; all (users,)."""
    usual = _popularity(model.asked)
    known = {name: model.by_name[name] - usual for name in CHANCES} | {"fidelity": model.by_name["fidelity"]}
    others = [other for other in models if other.salt != model.salt]
    if len(others) >= 2 * SHADOWS:
        member = np.stack([other.member for other in others])
        shadows = {name: np.stack([other.by_name[name] for other in others]) for name in CHANCES}
        ratios = [of_shadows(model.by_name[name], shadows[name], member) for name in CHANCES]
        known["shadows"] = np.sum(ratios, axis=0)
    return known


def of_shadows(found: Floats, shadows: Floats, member: NDArray[np.bool_]) -> Floats:
    """Log likelihood ratio of what a model finds of a user, under models that learnt from the user and that did not.

    found: (users,). shadows: (models, users), and member: (models, users), whether that model learnt from that user; as
    many did as did not. Both are taken for normal, with means of the user's own and one deviation for all users, as
    where shadow models are few. Returns (users,). Source: Carlini et al. 2022, section VI.
    """
    densities = []
    for side in (member, ~member):
        values = np.where(side, shadows, np.nan)
        mean, variance = np.nanmean(values, axis=0), np.nanvar(values, axis=0, ddof=1)
        deviation = max(float(np.sqrt(variance.mean())), NARROWEST)
        densities.append(-0.5 * ((found - mean) / deviation) ** 2 - np.log(deviation))
    ratio: Floats = densities[0] - densities[1]
    return ratio


def _popularity(asked: Asked) -> Floats:
    """Mean log chance of the events of each history, by popularity; (users,)."""
    chance = np.log((asked.events + 1) / (asked.events + 1)[1:].sum())
    return np.array([chance[items].mean() for items in asked.histories])
