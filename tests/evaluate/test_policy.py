from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from pyspark.sql import DataFrame, SparkSession

from recaug.config import Augment, Policy, load
from recaug.evaluate.arms import arm_of, rows_of
from recaug.evaluate.policy import Option, as_result, halve, options
from recaug.generators.base import DrawContinuations, DrawHistories
from recaug.generators.classic import Classic
from recaug.generators.counts import Counts
from recaug.results import Arm, Part

POLICY = Policy(rows=["head", "tail"], shares=[0.5, 1.0], weights=[1.0, 2.0], first_epochs=2, epochs=200)
VAE = load("conf/weeks.yaml").augment.entry("vae")  # draws two continuations, and histories


def augment(*generators: Any, **changes: Any) -> Augment:
    return Augment(generators=list(generators), buckets=4, batch_rows=16, **changes)


GENERATORS = augment(Counts(kind="counts", draw=DrawContinuations(continuations=3)), VAE)
EVERY = options(POLICY, GENERATORS)


def lift(option: Option, part: str) -> float:
    """Cold users gain by the counts' tail items and the VAE's head items, the more the better; warm users only lose."""
    if part == "warm":
        return -0.01 * option.weight
    return (option.kind == {"tail": "counts", "head": "vae"}[option.rows]) * option.share * option.weight / 10 - 0.05


class Trainer:
    """Tells the lifts, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, left: Sequence[Option], epochs: int) -> Mapping[Option, Mapping[str, float]]:
        self.asked.append((len(left), epochs))
        return {option: {part: lift(option, part) for part in ("cold", "warm")} for option in left}


def test_every_combination_is_an_option_with_a_name_of_its_own() -> None:
    assert len(EVERY) == len({option.name for option in EVERY}) == 2 * 2 * 2 * 2
    assert EVERY[0].name == "counts-head-0.5-1"
    apart = msgspec.structs.replace(POLICY, rows=["tail", "histories"])
    written = {(option.kind, option.rows) for option in options(apart, GENERATORS)}
    assert written == {("counts", "tail"), ("vae", "tail"), ("vae", "histories")}  # the counts have no histories
    both = options(apart, msgspec.structs.replace(GENERATORS, together=[["counts", "vae"]]))
    assert {option.rows for option in both if option.kind == "counts+vae"} == {"tail", "histories"}


def test_the_best_option_of_each_slice_is_found_and_nothing_where_all_do_harm() -> None:
    train = Trainer()
    choice = halve(EVERY, train, 2, 12, 1000)
    best = {"head": Option("vae", "head", 1.0, 2.0), "tail": Option("counts", "tail", 1.0, 2.0)}
    assert choice.chosen == {"cold": best, "warm": {"head": None, "tail": None}}
    epochs = [epochs for _, epochs in train.asked]
    assert epochs == [2, 4, 8]  # 8, 4 and 2 options of each slice of users and of items, and 1 is left
    running = [number for number, _ in train.asked]
    assert running[0] == 16
    assert all(number <= 2 * (16 >> round_) for round_, number in enumerate(running))  # of two slices
    assert as_result(choice).chosen == {
        "cold": {"head": "vae-head-1-2", "tail": "counts-tail-1-2"},
        "warm": {"head": "none", "tail": "none"},
    }
    assert len(as_result(choice).tried) == sum(running)


def test_fewer_go_on_where_the_budget_is_short_and_none_where_it_ends() -> None:
    free = Trainer()
    halve(EVERY, free, 2, 12, 1000)
    (every, brief), (better, longer) = free.asked[:2]
    spent = (every + 1) * brief
    for budget, fewest, most in (
        (spent + (better + 1) * longer, better, better),
        (spent + (better + 1) * longer - 1, 4, better - 1),  # the best of two slices of users and of items, or more
        (spent + longer, 0, 0),
    ):
        train = Trainer()
        choice = halve(EVERY, train, 2, 12, budget)
        assert train.asked[0] == (every, brief)
        assert sum((options + 1) * epochs for options, epochs in train.asked) <= budget
        second = train.asked[1][0] if len(train.asked) > 1 else 0
        assert fewest <= second <= most
        assert choice.chosen["cold"]["tail"] == Option("counts", "tail", 1.0, 2.0)


@pytest.fixture(scope="module")
def candidates(spark: SparkSession) -> DataFrame:
    """Two hundred continuations, of which every other has a tail item, and forty histories of five events."""
    kinds = ["head", "tail"]
    following = [(f"e{n}", f"u{n % 20}", f"p{n}", [f"u{n % 20}"], kinds[n % 2]) for n in range(200)]
    histories = [
        (f"h{n}-{k}", f"generated-{n}", None, [f"u{n % 20}"], kinds[k >= 2]) for n in range(40) for k in range(5)
    ]
    rows = [(*row[:4], row[4], generator, 0.3) for row in following + histories for generator in ("counts", "vae")]
    schema = (
        "event_id string, user_id string, parent_event_id string, source_users array<string>, item_id string, "
        "generator string, weight double"
    )
    return spark.createDataFrame(rows, schema).cache()


@pytest.fixture(scope="module")
def users(spark: SparkSession) -> DataFrame:
    """Five cold users of twenty."""
    return spark.createDataFrame([(f"u{n}",) for n in range(5)], "user_id string")


@pytest.fixture(scope="module")
def words(spark: SparkSession) -> DataFrame:
    """Two items."""
    return spark.createDataFrame([("head", True), ("tail", False)], "item_id string, head boolean")


def test_an_option_takes_its_slice_of_items_its_share_and_its_weight(
    candidates: DataFrame, users: DataFrame, words: DataFrame
) -> None:
    def part_of(candidates: DataFrame, option: Option) -> DataFrame:
        return rows_of(Arm(name="own", parts=(option.part(),)), candidates, users, words)

    every = part_of(candidates, Option("counts", "all", 1.0, 2.0)).toPandas()
    assert len(every) == 400
    assert set(every["generator"]) == {"counts"}
    assert set(every["weight"]) == {0.6}
    tail = part_of(candidates, Option("counts", "tail", 1.0, 1.0)).toPandas()
    assert len(tail) == 100
    assert set(tail["item_id"]) == {"tail"}
    assert tail["parent_event_id"].notna().all()
    histories = part_of(candidates, Option("counts", "histories", 1.0, 1.0)).toPandas()
    assert (len(histories), set(histories["parent_event_id"])) == (200, {None})
    both = part_of(candidates, Option("counts+vae", "tail", 1.0, 1.0)).toPandas()
    assert both.groupby("generator").size().to_dict() == {"counts": 100, "vae": 100}
    half = part_of(candidates, Option("counts", "all", 0.5, 1.0)).toPandas()
    whole = half[half["parent_event_id"].isna()].groupby("user_id").size()
    assert 8 <= len(whole) <= 32
    assert set(whole) == {5}  # no history is torn
    assert 70 <= half["parent_event_id"].notna().sum() <= 130
    assert set(half["event_id"]) < set(every["event_id"])


def test_a_slice_of_users_has_what_comes_from_them(candidates: DataFrame, users: DataFrame, words: DataFrame) -> None:
    cold, warm = (
        rows_of(Arm(name=part, parts=(Part(generators=("counts", "vae"), users=part),)), candidates, users, words)
        for part in ("cold", "warm")
    )
    assert {row[0][0] for row in cold.select("source_users").collect()} == {f"u{n}" for n in range(5)}
    assert cold.count() + warm.count() == candidates.count()
    assert cold.columns == candidates.columns


def test_an_arm_of_several_parts_has_each_row_once_and_none_without_parts(
    candidates: DataFrame, users: DataFrame, words: DataFrame
) -> None:
    parts = [Part(generators=("counts",), users="cold", rows=rows, weight=2.0) for rows in ("head", "tail")]
    arm = arm_of("policy", (*parts, Part(generators=("vae",), users="warm", rows="histories")), GENERATORS)
    rows = rows_of(arm, candidates, users, words).toPandas()
    assert not rows.duplicated(["event_id", "generator"]).any()
    cold = rows[rows["source_users"].str[0].isin([f"u{n}" for n in range(5)])]
    assert set(cold["generator"]) == {"counts"}
    assert set(cold["weight"]) == {0.6}
    assert set(rows.drop(cold.index)["generator"]) == {"vae"}
    assert rows_of(Arm(name="none"), candidates, users, words).isEmpty()


def test_an_arm_has_room_for_what_its_generators_lay_beside_one_event() -> None:
    classic = Classic(kind="classic", draw=DrawHistories(histories=1.0))
    generators = augment(*GENERATORS.generators, classic)

    def slots(*parts: Part) -> int:
        return arm_of("policy", parts, generators).slots

    both = (Part(generators=("counts",), rows="head"), Part(generators=("counts",), rows="tail"))
    assert slots(*both) == 3
    assert slots(Part(generators=("counts", "vae"))) == 5
    assert slots(Part(generators=("counts",), users="cold"), Part(generators=("vae",), users="warm")) == 3
    assert slots(Part(generators=("classic",))) == slots() == 1
