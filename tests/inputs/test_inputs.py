"""The one rule on made logs: each row is an event, a copy, ignored, of a later day, or in quarantine with its text.

`make inputs` tries all of them.
"""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.inputs.check import check
from tests.inputs.independent import judge
from tests.inputs.made import FAULTS, FORMATS, Made, inputs, write

SOME = list(inputs())[::53]


def test_there_are_five_hundred_inputs_and_more() -> None:
    every = list(inputs())
    assert len(set(every)) == len(every) >= 500
    assert {made.fault for made in every} == set(FAULTS)
    assert {made.kind for made in every} == set(FORMATS)


def test_the_independent_reader_counts_what_was_made(tmp_path: Path) -> None:
    write(Made("line cut off", "csv, a file a day", "last"), tmp_path)
    fates = judge(tmp_path)
    assert (fates.rows, fates.quarantined, fates.events.total()) == (24, 1, 23)


@pytest.mark.parametrize("made", SOME, ids=", ".join)
def test_rows_are_what_an_independent_reader_says(spark: SparkSession, tmp_path: Path, made: Made) -> None:
    assert check(spark, made, tmp_path) is None
