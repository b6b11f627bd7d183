"""The command line that every job shares: parse, load, call, print; errors end in one line and an exit code."""

import argparse
import contextlib
import datetime as dt
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkContext

from recaug import config as configuration
from recaug.config import STAGES
from recaug.errors import ConfigError, ContractError, RecaugError
from recaug.evaluate.trial import refuse_leaks
from recaug.night.experiment import recommend_task, recorded_arms
from recaug.night.nightly import night_context, one_line_errors, parse_stages, plan, run_night
from recaug.report import benchmark as benchmark_page
from recaug.report import completion as completion_page
from recaug.report import images as images_page
from recaug.report import learning_curve as curve_page
from recaug.session import build
from recaug.studies.benchmark import run_benchmark
from recaug.studies.completion import run_completion
from recaug.studies.erasure import WEEK, erase
from recaug.studies.learning_curve import run_learning_curve
from recaug.studies.pictures import run_images


def main(argv: Sequence[str] | None = None, stage: str | None = None) -> int:
    """Run a night, or one stage of it if `stage` is given. Returns the exit code of design: 0, 2, 3, 4 or 5.

    1 where Spark's Java process died.
    """
    arguments = _parser(stage).parse_args(argv)
    return _ended(lambda: _run(arguments, stage))


def leaks(argv: Sequence[str] | None = None) -> int:
    """Make the leak checks of a night whose evaluate stage has written its tables. Returns 0, or 3 where one leaks."""
    parser = argparse.ArgumentParser(description="The leak checks of a night.")
    parser.add_argument("--config", required=True, help="one run's YAML")
    parser.add_argument("--date", required=True, help="the night's date D, such as 2017-02-04")
    given = parser.parse_args(argv)

    def run() -> int:
        config = configuration.load(given.config)
        spark = build(config.spark, "recaug")
        try:
            with one_line_errors("leakage"):
                night = night_context(config, configuration.parse_date(given.date, "--date"), spark)
                checks = refuse_leaks(recommend_task(night), recorded_arms(night))
            print("\n".join([*(f"  {name:<26} {n} leaks" for name, n in checks.items()), "no leak"]), flush=True)
        finally:
            spark.stop()
        return 0

    return _ended(run)


def forget(argv: Sequence[str] | None = None) -> int:
    """Erase users from the lake. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Erases users, and what was generated from them, from every table.")
    parser.add_argument("--config", required=True, help="one run's YAML")
    parser.add_argument("--users", required=True, help="a text file with a user's id on each line")
    parser.add_argument(
        "--retain-hours",
        type=float,
        default=WEEK,
        help="age at which old files leave the disk; below %(default)s nobody else may use the lake meanwhile",
    )
    given = parser.parse_args(argv)

    def run() -> int:
        config = configuration.load(given.config)
        try:
            lines = Path(given.users).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ContractError(f"--users {given.users}: {error}") from error
        users = [line.strip() for line in lines if line.strip()]
        if not users or given.retain_hours < 0:
            raise ConfigError("--users names nobody" if not users else "--retain-hours must be 0 or more")
        spark = build(config.spark, "recaug")
        try:
            with one_line_errors("erase"):
                erase(night_context(config, dt.date.today(), spark), users, given.retain_hours)
        finally:
            spark.stop()
        return 0

    return _ended(run)


def benchmark(argv: Sequence[str] | None = None) -> int:
    """Compare the recommenders that the configuration's section benchmark names. Returns the exit code."""

    return _compared("benchmark", run_benchmark, benchmark_page.markdown, argv)


def augmentation(argv: Sequence[str] | None = None) -> int:
    """Draw the learning curve that the configuration's section learning_curve names. Returns the exit code."""

    return _compared("learning_curve", run_learning_curve, curve_page.markdown, argv)


def complete(argv: Sequence[str] | None = None) -> int:
    """Complete the catalogue's attributes as a night's date knows it. Returns the exit code."""
    return _of_catalogue(
        "attributes",
        "Fills the catalogue's gaps, each with its probability.",
        run_completion,
        completion_page.markdown,
        argv,
    )


def pictures(argv: Sequence[str] | None = None) -> int:
    """Generate pictures and judge them. Returns the exit code."""
    return _of_catalogue(
        "images",
        "Generates pictures, and proves on real ones what they are worth.",
        run_images,
        images_page.markdown,
        argv,
    )


def _of_catalogue(
    section: str, told: str, run_job: Callable[..., Any], markdown: Callable[[Any], str], argv: Sequence[str] | None
) -> int:
    """Run the job that a section of --config describes for a date, print its table and where its page is."""
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--config", required=True, help=f"a YAML with a section {section}")
    parser.add_argument("--date", required=True, help="the night's date D, such as 2017-02-04")
    given = parser.parse_args(argv)

    def run() -> int:
        config = configuration.load(given.config)
        spark = build(config.spark, "recaug", config.training.workers)
        try:
            context = night_context(config, configuration.parse_date(given.date, "--date"), spark)
            print("\n" + markdown(run_job(context, say=partial(print, flush=True))), flush=True)
            print(f"report:   {(context.folder / section / 'index.html').resolve()}", flush=True)
        finally:
            spark.stop()
        return 0

    return _ended(run)


def _compared(
    section: str, compare: Callable[..., Any], markdown: Callable[[Any], str], argv: Sequence[str] | None
) -> int:
    """Run the comparison that a section of --config describes, print its table and where its results are."""
    parser = argparse.ArgumentParser(description=f"The comparison that the section {section} describes.")
    parser.add_argument("--config", required=True, help=f"a YAML with a section {section}")
    given = parser.parse_args(argv)

    def run() -> int:
        config = configuration.load(given.config)
        settings = getattr(config, section)
        if settings is None:
            raise ConfigError(f"{given.config} has no section {section}; the files of conf/bench/ show one")
        spark = build(config.spark, "recaug", config.training.workers)
        try:
            context = night_context(config, settings.date, spark)
            print("\n" + markdown(compare(context, say=partial(print, flush=True))), flush=True)
            print(f"results: {context.artifacts / 'results.json'}, {context.artifacts / 'index.html'}", flush=True)
        finally:
            spark.stop()
        return 0

    return _ended(run)


def _ended(run: Callable[[], int]) -> int:
    """Run a job to its exit code; an error that a user can meet becomes one line on stderr."""
    # py4j logs, to the root logger, the stack traces of errors that it raises as well
    logging.getLogger().addFilter(lambda record: "py4j" not in record.pathname)
    try:
        return run()
    except RecaugError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except (Py4JError, ConnectionError):
        if not _java_died():
            raise
        died = "Spark's Java process died; killed, or out of memory (spark.driver.memory)? Run it again with --resume"
        print(f"error: {died}", file=sys.stderr)
        return 1


def _java_died() -> bool:
    """Say whether the Java process that this one started has ended."""
    java = getattr(SparkContext._gateway, "proc", None)
    if java is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        java.wait(timeout=2)
    return java.poll() is not None


def _parser(stage: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=f"The {stage} stage of a night." if stage else "A whole night.")
    parser.add_argument("--config", required=True, help="one run's YAML")
    parser.add_argument("--date", required=True, help="the night's date D, such as 2017-02-04")
    parser.add_argument("--until", help="last date of a backfill: one night a day from --date on")
    parser.add_argument("--resume", action="store_true", help="skip what runs shows as done from the same inputs")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and touch nothing")
    if stage is None:
        parser.add_argument("--stages", help=f"of {','.join(STAGES)}")
    return parser


def _run(arguments: argparse.Namespace, stage: str | None) -> int:
    config = configuration.load(arguments.config)
    first = configuration.parse_date(arguments.date, "--date")
    last = configuration.parse_date(arguments.until, "--until") if arguments.until else first
    if last < first:
        raise ConfigError(f"--until {last} is before --date {first}")
    stages = [stage] if stage else parse_stages(arguments.stages)
    spark = build(config.spark, "recaug", config.training.workers)
    try:
        for day in range((last - first).days + 1):
            date = first + dt.timedelta(days=day)
            if arguments.dry_run:
                print("\n".join(plan(config, date, spark, stages)))
            else:
                run_night(config, date, spark, stages, arguments.resume, say=partial(print, flush=True))
    finally:
        with contextlib.suppress(Py4JError, OSError):  # a JVM that died has nothing to stop
            spark.stop()
    return 0
