"""The command: jobs/nightly.py, and each stage's job."""

import datetime as dt
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from pyspark.sql import SparkSession

from recaug.config import STAGES, Config, parse_date, parse_stages
from recaug.errors import ConfigError
from recaug.night.backfill import Nights
from recaug.night.monitor import Say, Voice, write_event
from recaug.recommend.index import check_index

OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("--until", {"help": "last date of a backfill: one night a day from --date on"}),
    (
        "--days-before",
        {
            "type": int,
            "default": 0,
            "metavar": "DAYS",
            "help": "the night so many days before --date, such as 1 where the scheduler says its own day",
        },
    ),
    ("--resume", {"action": "store_true", "help": "skip what runs shows as done from the same inputs"}),
    ("--again", {"action": "store_true", "help": "make a night anew that is older than the newest"}),
    ("--dry-run", {"action": "store_true", "help": "print the plan and touch nothing"}),
    ("--log", {"choices": ["text", "json"], "default": "text", "help": "json: a line of JSON a stage on stdout"}),
    ("--exit-on-hold", {"type": int, "default": 0, "metavar": "CODE", "help": "exit code where a night held"}),
]


def options(stage: str | None) -> list[tuple[str, dict[str, Any]]]:
    """Give what the command takes beside a date; of one stage, not which."""
    return OPTIONS if stage else [*OPTIONS, ("--stages", {"help": f"of {','.join(STAGES)}"})]


def begin(say: Say, stage: str | None, config: Config, given: Namespace) -> Callable[[SparkSession], int | None]:
    """Check the arguments; give the nights' work, one after the other, from --date to --until."""
    days = _days(given)
    if not 0 <= given.exit_on_hold <= 255:
        raise ConfigError(f"--exit-on-hold is {given.exit_on_hold}, not between 0 and 255, such as 10")
    stages = parse_stages(stage or given.stages, config.stages)
    if not config.augment.generators and not {"ingest", "prepare", "search", "report"}.issuperset(stages):
        raise ConfigError(f"{given.config}: augment.generators is empty; name one, such as kind: counts")
    if "recommend" in stages:
        check_index(config.recommend.index, "recommend.index")
    nights = Nights(config, days, stages)

    def planned(spark: SparkSession) -> None:
        say("\n".join(nights.planned(spark)))

    def work(spark: SparkSession) -> int:
        voice = Voice(say) if given.log == "text" else Voice(lambda line: None, write_event)
        decisions = nights.run(spark, voice, resume=given.resume, again=given.again)
        return given.exit_on_hold if "hold" in decisions else 0

    return planned if given.dry_run else work


def _days(given: Namespace) -> list[dt.date]:
    first = parse_date(given.date, "--date")
    last = parse_date(given.until, "--until") if given.until else first
    if last < first:
        raise ConfigError(f"--until {last} is before --date {first}")
    try:
        return [first + dt.timedelta(days=day - given.days_before) for day in range((last - first).days + 1)]
    except OverflowError as error:
        raise ConfigError(f"--days-before is {given.days_before}; 1 is the day before --date") from error
