"""The command line: each job parses its arguments, calls and prints; errors end in one line and an exit code."""

import argparse
import contextlib
import datetime as dt
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from recaug import config as configuration
from recaug.config import Config
from recaug.config.secrets import hide
from recaug.errors import ConfigError, ContractError
from recaug.evaluate.trial import refuse_leaks
from recaug.exits import exit_code, hiding, printable
from recaug.lake.store import Store
from recaug.lake.upkeep import WEEK
from recaug.night import command as nights
from recaug.night.experiment import recommend_task, recorded_arms
from recaug.night.failures import one_line_errors
from recaug.night.nightly import held, night_context
from recaug.night.story import hanging
from recaug.propose.command import Paths, run_init
from recaug.report import benchmark as benchmark_page
from recaug.report import completion as completion_page
from recaug.report import images as images_page
from recaug.report import learning_curve as curve_page
from recaug.report import look_up as look_up_page
from recaug.report import search as search_page
from recaug.session import build
from recaug.stream import command as streaming
from recaug.studies import planning, privacy, search_lists
from recaug.studies.benchmark import run_benchmark
from recaug.studies.cleaning import clean
from recaug.studies.completion import run_completion
from recaug.studies.erasure import erase
from recaug.studies.learning_curve import run_learning_curve
from recaug.studies.pictures import run_images
from recaug.studies.search_benchmark import run_search_benchmark
from recaug.studies.similar_items import run_similar_items

Option = tuple[str, dict[str, Any]]  # a flag, and what argparse is to know of it
Work = Callable[[SparkSession], int | None]  # gives the exit code; None is 0

RETAIN = "age at which old files leave the disk; below %(default)s nobody else may use the lake"
DATE: Option = ("--date", {"required": True, "help": "the night's date D, such as 2017-02-04"})


def say(line: str) -> None:
    """Print a line at once; on a terminal one that is too wide hangs below its text, in a log it stays one."""
    shown = printable(hide(line))
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(shown)
    print(hanging(shown, columns), flush=True)


@dataclass(frozen=True)
class Command:
    """A command. begin: checks the arguments, before Spark starts, and gives what is done with its session.

    Called with the arguments it returns the exit code of design: 0, 2, 3, 4 or 5; 1 where Spark's Java process died.
    """

    description: str
    options: Sequence[Option]
    begin: Callable[[Config, Namespace], Work]

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run it to its exit code; an error that a user can meet becomes one line on stderr."""
        parser = argparse.ArgumentParser(description=self.description)
        parser.add_argument("--config", required=True, help="one run's YAML")
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="such as sasrec.dim=32")
        parser.add_argument("--wait", type=float, metavar="SECONDS", help="for another job that writes the lake")
        for flag, settings in self.options:
            parser.add_argument(flag, **settings)
        parser.add_argument("--trace", action="store_true", help="show the stack trace of an error that has no words")
        given = parser.parse_args(argv)
        return exit_code(partial(self._run, given), given.trace)

    def _run(self, given: Namespace) -> int | None:
        waits = [] if given.wait is None else [f"lake.wait_seconds={given.wait}"]
        config = configuration.load(given.config, [*given.set, *waits])
        Store(config.artifacts)  # artifacts that no Store holds are refused before Spark starts
        with hiding(config.secrets):
            return self._work(config, given)

    def _work(self, config: Config, given: Namespace) -> int | None:
        work = self.begin(config, given)
        was_there = SparkSession.getActiveSession() is not None  # Databricks' own session outlives the job
        spark = build(config.spark, "recaug", config.training.workers, config.source.time_zone)
        try:
            return work(spark)
        finally:
            with contextlib.suppress(Py4JError, OSError):  # a JVM that died has nothing to stop
                if not was_there:
                    spark.stop()


def init(argv: Sequence[str] | None = None) -> int:
    """Propose the YAML of a shop's log from a sample of its files. Returns the exit code: 0, 2 or 3."""
    parser = argparse.ArgumentParser(description="Proposes the YAML of a shop's log from a sample of its files.")
    parser.add_argument("--events", help="the log of events: a file, a folder or a glob")
    parser.add_argument("--items", help="the catalogue, if there is one: a file, a folder or a glob")
    parser.add_argument("--search", help="what was searched for, a log or graded judgements, if there is any: likewise")
    parser.add_argument("--out", required=True, type=Path, help="the YAML file to write")
    parser.add_argument("--force", action="store_true", help="write it though it is there")
    given = parser.parse_args(argv)
    paths = Paths(given.events, given.items, given.search)
    return exit_code(partial(run_init, paths, given.out, given.force, say))


def plan_capacity(argv: Sequence[str] | None = None) -> int:
    """Foretell what a larger shop's night takes. Returns the exit code: 0 or 2."""
    given = planning.parser().parse_args(argv)
    return exit_code(partial(planning.run, given, say))


def main(argv: Sequence[str] | None = None, stage: str | None = None) -> int:
    """Run a night, or one stage of it if `stage` is given. Returns the exit code."""
    described = f"The {stage} stage of a night." if stage else "A whole night."
    return Command(described, [DATE, *nights.options(stage)], partial(nights.begin, say, stage))(argv)


def _leaks(config: Config, given: Namespace) -> Work:
    """The leak checks of a night whose evaluate stage has written its tables."""
    date = configuration.parse_date(given.date, "--date")

    def work(spark: SparkSession) -> None:
        with one_line_errors("leakage"):
            night = night_context(config, date, spark)
            checks = refuse_leaks(recommend_task(night), recorded_arms(night))
        say("\n".join([*(f"  {name:<26} {n} leaks" for name, n in checks.items()), "no leak"]))

    return work


def _forget(config: Config, given: Namespace) -> Work:
    """Users leave the lake."""
    try:
        lines = Path(given.users).read_text(encoding="utf-8-sig").splitlines()  # with a byte order mark, or without
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"--users {given.users}: {error}") from error
    users = [line.strip() for line in lines if line.strip()]
    if not users or given.retain_hours < 0:
        raise ConfigError("--users names nobody" if not users else "--retain-hours must be 0 or more")

    def work(spark: SparkSession) -> None:
        with one_line_errors("erase"):
            context = night_context(config, dt.date.today(), spark)
            with held(context, "an erasure"):
                erase(context, users, given.retain_hours)

    return work


def _clean(config: Config, _: Namespace) -> Work:
    """What only nights long past needed leaves lake and artifacts."""

    def work(spark: SparkSession) -> None:
        with one_line_errors("clean"):
            context = night_context(config, dt.date.today(), spark)
            with held(context, "a clean-up"):
                clean(context, say)

    return work


def _study(
    section: str, run: Callable[..., Any], markdown: Callable[[Any], str], config: Config, given: Namespace
) -> Work:
    """A study that a section describes, of the section's date or of --date: its table, and where its page is."""
    settings = getattr(config, section)
    if settings is None and "date" not in given:
        raise ConfigError(f"{given.config} has no section {section}; the files of conf/bench/ show one")
    date = configuration.parse_date(given.date, "--date") if "date" in given else settings.date
    if date is None:
        raise ConfigError(f"{given.config}: {section}.date is missing; set it to the night that is looked at")

    def work(spark: SparkSession) -> None:
        context = night_context(config, date, spark)
        say("\n" + markdown(run(context, say=say)))
        if "date" in given:
            say(f"report:   {context.folder.address(f'{section}/index.html')}")
        else:
            say(f"results: {context.artifacts.address('results.json')}, {context.artifacts.address('index.html')}")

    return work


def _lists(run: Callable[..., Any], markdown: Callable[[Any], str], config: Config, given: Namespace) -> Work:
    """The lists of a day: of its queries, or of the catalogue's items."""
    date = configuration.parse_date(given.date, "--date")
    return lambda spark: say(markdown(run(night_context(config, date, spark), say)))


leaks = Command("The leak checks of a night; ends with 3 where one leaks.", [DATE], _leaks)
audit = Command("Attacks a night's rows.", [DATE], partial(_study, "privacy", privacy.run_audit, privacy.markdown))
forget = Command(
    "Erases users, and what was generated from them, from every table.",
    [
        ("--users", {"required": True, "help": "a text file with a user's id on each line"}),
        ("--retain-hours", {"type": float, "default": WEEK, "help": RETAIN}),
    ],
    _forget,
)
tidy = Command("Removes what only nights long past needed; see lake.retention.", [], _clean)
benchmark = Command(
    "Compares the recommenders that the configuration's section benchmark names.",
    [],
    partial(_study, "benchmark", run_benchmark, benchmark_page.markdown),
)
augmentation = Command(
    "Draws the learning curve that the configuration's section learning_curve names.",
    [],
    partial(_study, "learning_curve", run_learning_curve, curve_page.markdown),
)
complete = Command(
    "Fills the catalogue's gaps, each with its probability.",
    [DATE],
    partial(_study, "attributes", run_completion, completion_page.markdown),
)
pictures = Command(
    "Generates pictures, and proves on real ones what they are worth.",
    [DATE],
    partial(_study, "images", run_images, images_page.markdown),
)
benchmark_search = Command(
    "Compares search rankers on the queries and judgements of source.search.",
    [],
    partial(_study, "search_ranking", run_search_benchmark, search_page.markdown),
)
rank_search = Command(
    "Writes search_lists: the best items of every query that was asked.",
    [DATE],
    partial(_lists, search_lists.run_search_lists, search_lists.markdown),
)
similar = Command(
    "Writes similar_items: the items most like each item of the catalogue.",
    [DATE],
    partial(_lists, run_similar_items, look_up_page.markdown),
)
stream = Command(streaming.DESCRIPTION, streaming.OPTIONS, partial(streaming.begin, say))
