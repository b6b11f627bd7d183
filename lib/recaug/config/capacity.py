"""A shop's clusters, as jobs/plan_capacity.py reads them."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import msgspec

from recaug.config.base import NonNegative, Positive, PositiveFloat, Strict
from recaug.config.text import parse
from recaug.errors import ConfigError


class Machine(Strict, kw_only=True):
    """One machine of a cluster. dollars_an_hour: all that it costs while it runs."""

    cores: Positive
    memory_gb: PositiveFloat
    dollars_an_hour: NonNegative


class Cluster(Strict, kw_only=True):
    """A driver and so many executors, a machine each.

    core_speed: what a core does in a second, of what one did that was measured with. source, checked: of the prices.
    """

    driver: Machine
    executor: Machine
    executors: Positive
    core_speed: PositiveFloat
    source: str
    checked: dt.date

    @property
    def dollars_an_hour(self) -> float:
        """What all its machines cost."""
        return self.driver.dollars_an_hour + self.executors * self.executor.dollars_an_hour


def load_clusters(path: Path) -> Mapping[str, Cluster]:
    """Read clusters by name. Raises ConfigError that names the file and the key."""
    try:
        return msgspec.convert(parse(path.read_text(encoding="utf-8")), dict[str, Cluster])
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give --clusters an existing YAML file") from error
    except ValueError as error:  # msgspec's are such, too
        raise ConfigError(f"{path}: {error}") from error
