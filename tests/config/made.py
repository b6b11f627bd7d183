"""The shop of conf/weeks.yaml, which the tests of the configuration change."""

from pathlib import Path
from typing import Any

import yaml
from tests.conftest import shipped

CONF = Path(__file__).parents[2] / "conf"
WEEKS = yaml.safe_dump(shipped("weeks"), sort_keys=False)  # with every key


def least() -> dict[str, Any]:
    """What every configuration says, of a shop."""
    weeks = shipped("weeks")
    return {key: weeks[key] for key in ("artifacts", "lake", "source")}
