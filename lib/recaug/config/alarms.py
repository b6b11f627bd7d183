"""Sections alarms and budget: who is told of a night that needs somebody, what is unusual, and what it may cost."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recaug.config.base import Positive, PositiveFloat, Strict


class Alarms(Strict, kw_only=True):
    """Who is told, with the JSON of what happened; what goes wrong with that is a line in the log and no more.

    command: a program and its arguments; the JSON is its input. webhook: an address that the JSON is posted to.
    about: what is told: a stage that failed, a night that held, warnings of a stage. timeout_seconds: of each.
    nights, at_least: a night is held against so many last ones, if there are at least so many. spreads: beyond so many
        spreads from their median it is far (a spread is 1.4826 times the median distance from the median, and a
        twentieth of the median or .01 at least).
    """

    command: tuple[str, ...] = ()
    webhook: str | None = None
    about: list[Literal["failure", "hold", "warning"]] = msgspec.field(default_factory=lambda: ["failure", "warning"])
    timeout_seconds: PositiveFloat = 10.0
    nights: Positive = 7
    at_least: Annotated[int, Meta(ge=3)] = 4
    spreads: PositiveFloat = 5.0

    def __post_init__(self) -> None:
        """Check that an address is one that can be posted to."""
        if self.webhook is not None and not self.webhook.startswith(("http://", "https://")):
            raise ValueError("alarms.webhook is neither http:// nor https://")


class Budget(Strict, kw_only=True):
    """What a night may cost. cpu_minutes: of all its stages, on all cores; null: no bound.

    Before each stage from train to recommend, what is spent and what that stage cost in the last night are added. Where
    that is more than the bound the stage and those after it are left out and the night holds; the page is made.
    """

    cpu_minutes: PositiveFloat | None = None
