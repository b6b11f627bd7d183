"""How the report shows its series: real events, what each generator wrote, and the arms that learn from both."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from recaug.config import POLICY, Config
from recaug.evaluate.arms import NONE
from recaug.generators.registry import generators
from recaug.report.distributions import REAL
from recaug.results import Arm


class Series(NamedTuple):
    """A generator as it wants to be shown.

    label: what a reader calls it. colour: CSS colours, on light and on dark paper. rows: what an arm learns from
    beside the real rows, `<label> rows` where nothing is given.
    """

    name: str
    label: str
    colour: tuple[str, str]
    rows: str = ""

    @property
    def variable(self) -> str:
        """The page's CSS variable of its colour; names that differ have variables that differ."""
        return "--series-" + re.sub(r"[^A-Za-z0-9_]", lambda sign: f"-{ord(sign[0]):x}-", self.name)


class Look(NamedTuple):
    """What stands for a series in a figure or table. colour: a CSS variable of the page."""

    label: str
    colour: str


Looks = Mapping[str, Look]  # by name, in the order of the page


def generators_of(config: Config) -> list[Series]:
    """The generators of a configuration, in its order."""
    return [
        Series(own.name, own.label, own.colour, own.rows_label)
        if own.own_name is None
        else Series(own.name, f"{own.label} ({own.own_name})", own.colour)
        for own in generators(config.augment.generators)
    ]


def series_looks(generators: Sequence[Series]) -> dict[str, Look]:
    """Real events, then each generator."""
    return {REAL: Look("real events", "--real")} | {
        series.name: Look(series.label, series.variable) for series in generators
    }


def arm_looks(arms: Iterable[Arm], generators: Sequence[Series]) -> dict[str, Look]:
    """Arms in the order of the page: nothing generated, one generator, several, each in the generators' order."""
    places = {series.name: place for place, series in enumerate(generators)}

    def place(arm: Arm) -> tuple[bool, bool, list[int], str]:
        own = [places.get(name, len(places)) for name in arm.generators]
        return arm.name != NONE, len(own) > 1, own, arm.name

    return {arm.name: _arm_look(arm, generators) for arm in sorted(arms, key=place)}


def arm_title(arm: Arm, generators: Sequence[Series]) -> str:
    """What an arm is called in a table of recommenders: `SASRec + VAE rows`."""
    if arm.name == NONE:
        return "SASRec, no generated rows"
    if arm.name == POLICY:
        return "SASRec + the policy's rows"
    if len(arm.generators) == 1:
        own = next((series.rows for series in generators if series.name == arm.generators[0]), "")
        return f"SASRec + {own or f'{_arm_look(arm, generators).label} rows'}"
    return f"SASRec + rows of {_arm_look(arm, generators).label}"


def _arm_look(arm: Arm, generators: Sequence[Series]) -> Look:
    """The arm's own words where it has some, otherwise its generators'; several share a colour."""
    if arm.name == NONE:
        return Look("no generated rows", "--real")
    if arm.name == POLICY:
        return Look("policy", "--ink")
    own = [look_of(name, series_looks(generators)) for name in arm.generators]
    return Look(" and ".join(look.label for look in own) or arm.name, own[0].colour if len(own) == 1 else "--violet")


def ordered(names: Iterable[str], looks: Looks) -> list[str]:
    """These, each once, in the order of the page; those that it does not know at the end, by name."""
    places = {name: place for place, name in enumerate(looks)}
    return sorted(set(names), key=lambda name: (places.get(name, len(places)), name))


def look_of(name: str, looks: Looks) -> Look:
    """Its look; one that nobody described goes by its name, in the colour of the text."""
    return looks.get(name, Look(name, "--ink"))
