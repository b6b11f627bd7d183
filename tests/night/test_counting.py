"""Prepare counts in the way that ranks validation users best, and the night goes by what its table says of itself."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.night.nights import HEAD, context, day, line
from tests.night.test_prepare import DATE, PREPARE

from recaug.config import WAYS, CoVisitation
from recaug.night import ingest, prepare
from recaug.night.context import Context
from recaug.night.counting import choose, counting_of

ITEMS = 60


def one_after_another() -> list[str]:
    """Forty users with two purchases a day: of ten, eight are of the thing that follows the last one."""
    random = np.random.default_rng(1)
    lines = []
    for user in range(40):
        item = int(random.integers(ITEMS))
        for number in range(1, 11):
            for hour in (8, 9):
                lines.append(line(f"u{user}", f"i{item}", day(number, hour)))
                item = (item + 1) % ITEMS if random.random() < 0.8 else int(random.integers(ITEMS))
    return lines


def night(spark: SparkSession, folder: Path, lines: list[str]) -> Context:
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "log.csv").write_text(HEAD + "".join(lines))
    made = context(
        spark, folder, DATE, prepare=PREPARE | {"max_length": 20}, negatives={"per_user": 5}, covisitation=None
    )
    ingest.run(made)
    return made


@pytest.fixture(scope="module")
def of_order(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Context, prepare.Prepare]:
    """The night of a log in which one thing follows another, and what its prepare said."""
    made = night(spark, tmp_path_factory.mktemp("order"), one_after_another())
    metrics = prepare.run(made).metrics
    assert isinstance(metrics, prepare.Prepare)
    return made, metrics


def test_where_one_thing_follows_another_the_order_counts(of_order: tuple[Context, prepare.Prepare]) -> None:
    made, metrics = of_order
    assert set(metrics.ways) == set(WAYS)
    assert metrics.counted == "sequences", metrics.ways
    assert metrics.ways["sequences"] > 1.2 * metrics.ways["baskets"]
    assert counting_of(made) == WAYS["sequences"]
    least = made.lake.read("covisitation").agg(F.min("weight")).first()
    assert least is not None
    assert 0 < least[0] < 0.02  # against the order, eleven events apart: a tenth of 1/11, which is what baskets give


def test_nobody_is_ranked_by_what_they_had_themselves(of_order: tuple[Context, prepare.Prepare]) -> None:
    """Users whose histories are all that is known, of the fold that is ranked for: the counts know nothing."""
    made, metrics = of_order
    sequences = made.lake.read("sequences").where("split = 'serve'")
    people = sequences.selectExpr("user_id", "fold", "array(1L, 2L, 3L) AS codes", "3 AS train_events")
    alone = choose(made, people.where("fold = 0"))
    assert alone.name == next(iter(WAYS))
    assert len(set(alone.ndcg.values())) == 1  # popularity's, whatever the way
    assert metrics.ways["sequences"] > alone.ndcg["sequences"]


def test_a_section_decides_and_nothing_is_tried(of_order: tuple[Context, prepare.Prepare], spark: SparkSession) -> None:
    made, _ = of_order
    given = context(spark, Path(made.artifacts.address()).parent, DATE, prepare=PREPARE, covisitation={"window": 3})
    assert counting_of(given) == CoVisitation(window=3)
    choice = choose(given, spark.range(0).toDF("user_id"))
    assert (choice.way, choice.name, dict(choice.ndcg)) == (CoVisitation(window=3), None, {})
