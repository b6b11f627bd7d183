"""Section source.search: what was searched for, shown, clicked and bought, or graded judgements of it."""

import re
import zoneinfo
from typing import Annotated, Literal

from msgspec import Meta

from recaug.config.base import NonNegative, Positive, PositiveFloat, Seed, Share, Strict
from recaug.config.source import Source

Action = Literal["shown", "click", "purchase"]
OF_A_LOG = ("action", "rank", "search_id")


class ClickModel(Strict, kw_only=True):
    """Makes a log of graded judgements whose truth is known: who looks at a place clicks by the gain, or by mistake.

    The judged items of a query are shown in the order of skill x gain + (1 - skill) x a number of the pair of query and
    item + what is drawn anew for each search. A place k is looked at with probability k^-decay.

    searches: of a query; spread: how unlike they are, searches x (-ln u)^spread with u from 0 to 1 drawn for the query;
        0: all as often. length: places of a list. decay: 0: all are looked at. skill: share of the gain in the order.
    disorder: standard deviation of what is drawn anew, in units of the highest gain; 0: always the same order, of which
        nobody can learn how places are looked at.
    click: probability of a click on what is looked at and has the highest gain; noise: on what has none. purchase: of a
    click on what has the highest gain. seed: of all that is drawn. judged: what the page says that the judgements are.
    """

    searches: Positive = 20
    spread: NonNegative = 0.0
    length: Positive = 10
    decay: NonNegative = 1.0
    skill: Share = 0.3
    disorder: NonNegative = 0.3
    click: Share = 0.6
    noise: Share = 0.05
    purchase: Share = 0.1
    seed: Seed = 0
    judged: str = "graded judgements"

    def __post_init__(self) -> None:
        """Check that a gain speaks for a click."""
        if self.noise >= self.click:
            raise ValueError(f"source.search.click_model.noise {self.noise} is not below click {self.click}")


class Search(Source, kw_only=True):
    """What was searched for. Each column is a Spark SQL expression over the source's columns, as those of events.

    columns: query and item_id are required. Of a log, in which a row says that an item was shown for a query, or
        clicked, or bought: event_time, user_id, session_id, search_id (of one answer to a query), rank (from 1; without
        it, the place in the array of `explode`) and action are optional. Of graded judgements: gain, a number from 0
        up, such as `relevance - 1`; and event_time, if the split is by time.
    actions: the source's value of action -> shown, click or purchase; another value is quarantined. Without it they
        are the values themselves.
    event_actions: for a log without an action of its own: a type of source.events -> click or purchase, such as
        {view: click}. The user's next event of that item, in the session or within session_gap_minutes, is what came
        of what was shown.
    session_gap_minutes: of silence, after which a user's search belongs to another session.
    ranks: places further down count as this one, when it is learnt how probably places are looked at. prior_clicks: so
        many clicks speak at each place for 1 / place, against what the log says.
    max_characters: a longer query is a robot's, and quarantined.
    max_digits: more digits in a row are a telephone or an order number; 14 lets bar codes be searched for.
    personal_patterns: further personal data, such as {order number: "ord-[0-9]{6}"}: name -> a regular expression in
        Python's syntax over the query in small letters. A query in which one matches is quarantined, the match masked.
    max_quarantine: share of the rows, of 100 or more, that cannot be read as the columns say; above it the night ends.
    time_zone: the shop's, where there is no source.events, which says it.
    click_model: a log is made of the graded judgements, for tests and demonstrations; null: none is.
    """

    columns: dict[
        Literal["query", "item_id", "event_time", "user_id", "session_id", "search_id", "rank", "action", "gain"], str
    ]
    actions: dict[str, Action] = {}
    event_actions: dict[str, Literal["click", "purchase"]] = {}
    session_gap_minutes: Positive = 30
    ranks: Positive = 50
    prior_clicks: PositiveFloat = 10.0
    max_characters: Positive = 200
    max_digits: Annotated[int, Meta(ge=1)] = 9
    personal_patterns: dict[str, str] = {}
    max_quarantine: Share = 0.05
    time_zone: str = "UTC"
    click_model: ClickModel | None = None

    def __post_init__(self) -> None:
        """Check that it is a log or judgements, and that patterns are such."""
        super().__post_init__()
        if missing := {"query", "item_id"} - set(self.columns):
            raise ValueError(f"columns lacks {', '.join(sorted(missing))}")
        if self.graded and (both := [name for name in OF_A_LOG if name in self.columns]):
            raise ValueError(f"columns has gain, of graded judgements, and {both[0]}, of a log; leave out either")
        if self.actions and "action" not in self.columns:
            raise ValueError("actions needs columns.action, whose values they are")
        if self.event_actions and (missing := {"user_id", "event_time"} - set(self.columns)):
            raise ValueError(f"event_actions needs columns.{missing.pop()}, by which events belong to a search")
        if self.click_model is not None and not self.graded:
            raise ValueError("click_model makes a log of graded judgements; set columns.gain, or leave it out")
        if self.time_zone not in zoneinfo.available_timezones():
            raise ValueError(f"time_zone {self.time_zone} is none of IANA's names, such as Europe/Berlin or UTC")
        for name, pattern in self.personal_patterns.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"personal_patterns: {name}: {pattern} is no regular expression: {error}") from error

    @property
    def graded(self) -> bool:
        """Whether it holds graded judgements; else it is a log."""
        return "gain" in self.columns

    @property
    def clicked(self) -> bool:
        """Whether clicks judge the items: of a log, or one that is made of judgements."""
        return not self.graded or self.click_model is not None


class PrepareSearch(Strict, kw_only=True):
    """What becomes of the searches: section prepare.search.

    split: `query`: by a hash of the query, by these shares; `time`: a query that was first asked in the test window is
        of the test, in the validation window of the validation, else of the training.
    validation_share, test_share: of the queries, where the split is `query`.
    purchase_weight: what a purchase counts more than a click. prior_looks: so many looks without a click are added to
        those at each item: a click of few looks says little.
    """

    split: Literal["query", "time"] = "query"
    validation_share: Share = 0.2
    test_share: Share = 0.2
    purchase_weight: NonNegative = 2.0
    prior_looks: NonNegative = 1.0

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        if self.validation_share + self.test_share >= 1:
            raise ValueError("prepare.search: validation_share and test_share leave nothing to learn from")
