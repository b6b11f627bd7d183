"""One night after the other."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from pyspark.sql import SparkSession

from recaug.config import Config
from recaug.errors import NoRowsError
from recaug.night.failures import one_line_errors
from recaug.night.monitor import Voice
from recaug.night.nightly import check_order, night_context, run_night
from recaug.night.plan import plan
from recaug.night.provenance import left_to_do


class Nights(NamedTuple):
    """Nights of some days, the first one first, and the stages of each."""

    config: Config
    dates: Sequence[dt.date]
    stages: Sequence[str]

    def planned(self, spark: SparkSession) -> list[str]:
        """Say what each would do."""
        return [line for date in self.dates for line in plan(self.config, date, spark, self.stages)]

    def run(self, spark: SparkSession, voice: Voice, resume: bool, again: bool) -> list[str]:
        """Run those that are left, and give their decisions; a day without rows has none.

        Raises NoRowsError where no day has rows, and a RecaugError as run_night and check_order do.
        """
        first, last = self.dates[0], self.dates[-1]
        with one_line_errors("night"):
            context = night_context(self.config, first, spark)
            left = left_to_do(context, self.dates, self.stages) if resume else self.dates
            check_order(night_context(self.config, left[0], spark), self.stages, again)
        if len(left) < len(self.dates):
            voice.say(f"nights of {first} to {left[0] - dt.timedelta(days=1)}: done before, skipped")
        decisions: list[str] = []
        for date in left:
            try:
                decisions.append(run_night(self.config, date, spark, self.stages, resume, say=voice)["decision"])
            except NoRowsError as error:
                if date == last and not decisions:
                    raise
                voice.say(f"no night of {date}: {error}")
        return decisions
