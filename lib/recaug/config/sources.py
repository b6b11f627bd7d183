"""Section source: the logs and the catalogue together."""

import msgspec

from recaug.config.base import Strict
from recaug.config.search import Search
from recaug.config.source import Events, Items, Log, Users
from recaug.errors import ConfigError


class Sources(Strict, kw_only=True):
    """Where the data come from.

    events: the log of what users did; without it a night has search for its only task. items: the catalogue;
    without it that is what the events name. users: attributes of users, which evaluate.fairness may name. search: what
    was searched for, and what came of it.
    """

    event_log: Events | None = msgspec.field(default=None, name="events")
    items: Items | None = None
    users: Users | None = None
    search: Search | None = None

    def __post_init__(self) -> None:
        """Check that there is something, and a catalogue that is searched."""
        if self.event_log is not None:
            return
        if self.search is None:
            raise ValueError("source has neither events nor search; recommendation needs events, search needs search")
        if self.items is None:
            raise ValueError("source.search without source.events needs source.items, the catalogue that is searched")
        if self.search.event_actions:
            raise ValueError("source.search.event_actions are types of source.events; set it, or leave them out")

    @property
    def events(self) -> Events:
        """The event log. Raises ConfigError where there is none, for whoever asks needs it."""
        if self.event_log is None:
            raise ConfigError("source.events is not set; all but search needs the log of what users did")
        return self.event_log

    @property
    def logs(self) -> list[Log]:
        """The logs of events; none where there is no source.events."""
        return list(self.event_log.logs.values()) if self.event_log is not None else []

    @property
    def time_zone(self) -> str:
        """The zone that cuts the days: of the events, else of the searches."""
        if self.event_log is not None:
            return self.event_log.time_zone
        return self.search.time_zone if self.search is not None else "UTC"
