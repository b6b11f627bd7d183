"""Sections lake and spark: where the tables lie, and the session that reads and writes them."""

import re
from typing import Annotated

from msgspec import Meta

from recaug.config.base import NonNegative, Positive, Strict


class Retention(Strict, kw_only=True):
    """What jobs/clean.py leaves of nights past; what they published, their lists and pages stay in any case.

    nights: the newest, whose candidates, negatives and models stay.
    hours: after which files of a table's older versions leave the disk, a week or more: readers need them till then.
    """

    nights: Positive = 30
    hours: Annotated[float, Meta(ge=168)] = 168


class Lake(Strict, kw_only=True):
    """Where the tables are: a folder (`path`) or a schema of a catalogue (`catalog`), one of both.

    lease_seconds: after which the lake is free again where a job that writes it is gone without a word.
    wait_seconds: how long a job waits for another that writes the lake; --wait says the same.
    """

    path: str | None = None
    catalog: str | None = None
    lease_seconds: Positive = 300
    wait_seconds: NonNegative = 0
    retention: Retention = Retention()

    def __post_init__(self) -> None:
        """Check that it is one place, whose path readers do not take for shorter."""
        if (self.path is None) == (self.catalog is None):
            raise ValueError("set one of lake.path and lake.catalog, the other null")
        if self.path is not None and (cut := re.search("[#?]", self.path)):
            raise ValueError(
                f"path {self.path} has a {cut[0]}, at which readers of its files end it; rename the folder"
            )


class Spark(Strict, kw_only=True):
    """How the session is built where the job builds it (local mode); spark-submit's own settings win.

    master: e.g. `local[2]`; null takes spark-submit's, or local[*].
    shuffle_partitions: null: as many as cores in local mode, else the cluster's own number.
    settings: any `spark.*` key, passed on as it is.
    """

    master: str | None = None
    shuffle_partitions: Positive | None = None
    settings: dict[str, str] = {}
