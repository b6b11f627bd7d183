"""Section source: the logs and the catalogue together."""

import msgspec

from recaug.config.base import Strict
from recaug.config.search import Search
from recaug.config.source import Events, Items, Users
from recaug.errors import ConfigError


class Sources(Strict, kw_only=True):
    """Where the data come from.

    events: the log of what users did; a night needs it, the study of search alone does not. items: the catalogue;
    without it that is what the events name. users: attributes of users, which evaluate.fairness may name. search: what
    was searched for, and what came of it.
    """

    event_log: Events | None = msgspec.field(default=None, name="events")
    items: Items | None = None
    users: Users | None = None
    search: Search | None = None

    def __post_init__(self) -> None:
        """Check that there is something."""
        if self.event_log is None and self.search is None:
            raise ValueError(
                "source has neither events nor search; a night needs events, a study of search needs search"
            )

    @property
    def events(self) -> Events:
        """The event log. Raises ConfigError where there is none, for whoever asks needs it."""
        if self.event_log is None:
            raise ConfigError("source.events is not set; all but the study of search needs the log of what users did")
        return self.event_log

    @property
    def time_zone(self) -> str:
        """The zone that cuts the days: of the events, else of the searches."""
        if self.event_log is not None:
            return self.event_log.time_zone
        return self.search.time_zone if self.search is not None else "UTC"
