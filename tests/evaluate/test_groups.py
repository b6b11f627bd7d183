"""Groups that the shop names: of its users by what it knows of them, of items by their categories."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from tests.conftest import THIN_DAY
from tests.evaluate.test_fairness import contest, units
from tests.night.nights import HEAD, context, day, line

from recaug.config import Config, convert
from recaug.errors import ContractError
from recaug.evaluate.groups import MEMBERS, MOST, Groups, Shown, compare
from recaug.lake.tables import Lake
from recaug.lake.tombstones import bury
from recaug.night import ingest
from recaug.night.nightly import night_context
from recaug.results import Group

NOTHING = Shown(pd.DataFrame({"scorer": [], "item_index": [], "n": []}), np.ones(3, np.float32))


def compared(
    spark: SparkSession,
    table: pd.DataFrame,
    members: pd.DataFrame,
    items: Mapping[str, Any] | None = None,
    shown: Shown = NOTHING,
) -> list[Group]:
    groups = Groups(spark.createDataFrame(members), items or {})
    return compare(contest(table), spark.createDataFrame(table), "vae", "ndcg@10", groups, shown)


def members(kind: str, values: dict[int, str], attribute: str = "age") -> pd.DataFrame:
    rows = [(kind, attribute, value, unit) for unit, value in values.items()]
    return pd.DataFrame(rows, columns=[*MEMBERS])


def test_a_group_is_held_against_those_of_whom_something_else_is_said(spark: SparkSession) -> None:
    """Users 0 to 199 are lifted by nothing, the others by half; of 100 of the former nothing is said."""
    ages = dict.fromkeys(range(100), "old") | dict.fromkeys(range(200, 400), "young") | {999: "old"}  # of no test user
    table = units(0.0, 0.5)
    is_arm, is_young = table["scorer"] == "vae", table["unit"] >= 200
    table.loc[is_young, "tail_share"] = np.where(is_arm[is_young], 1.0, 0.5)
    towns = members("user", dict.fromkeys(range(100, 200), "Ulm"), "town")  # of those whose age is not said
    found = compared(spark, table, pd.concat([members("user", ages), towns]))
    assert [(group.value, group.units) for group in found] == [("young", 200), ("old", 100), ("Ulm", 100)]
    young, old, ulm = found
    assert ulm.gap is None
    assert old.lift is not None and young.lift is not None
    assert old.lift.mean == pytest.approx(0.0, abs=0.03)
    assert young.lift.mean == pytest.approx(0.5, abs=0.03)
    assert old.gap is not None and young.gap is not None
    assert old.gap.mean == pytest.approx(-young.gap.mean) == pytest.approx(old.lift.mean - young.lift.mean)
    assert young.gap.low is not None and young.gap.low > 0.4
    assert old.exposure == {"base": 0.25, "arm": 0.25}
    assert young.exposure == {"base": 0.5, "arm": 1.0}


def test_a_group_of_few_is_not_told_and_one_without_others_has_no_gap(spark: SparkSession) -> None:
    few = {unit: "old" if unit < 9 else f"young {'and so on ' * 20}" for unit in range(50)}
    (young,) = compared(spark, units(0.0, 0.5), members("user", few))
    assert young.value.startswith("young and so on")
    assert len(young.value) == 60
    assert young.lift is not None and young.lift.low is not None
    assert young.gap is not None and young.gap.low is None  # beside nine
    (everybody,) = compared(spark, units(0.0, 0.5), members("user", dict.fromkeys(range(50), "old")))
    assert everybody.gap is None
    many = {unit: f"age {unit // 20}" for unit in range(20 * MOST + 40)} | {0: "age 1"}
    shown = compared(spark, units(0.0, 0.5), members("user", many))
    assert len(shown) == MOST
    assert shown[0].value == "age 1"
    assert "age 0" not in {group.value for group in shown}


def test_a_group_for_which_the_base_finds_nothing_has_no_change(spark: SparkSession) -> None:
    table = units(0.5, 0.5)
    ages = {unit: "old" if unit < 100 else "young" for unit in range(400)}
    table.loc[(table["scorer"] == "none") & (table["unit"] < 100), "ndcg@10"] = 0.0
    young, old = compared(spark, table, members("user", ages))
    assert (old.lift, old.gap, young.gap) == (None, None, None)
    assert young.lift is not None and young.lift.mean == pytest.approx(0.5, abs=0.03)
    table.loc[(table["scorer"] == "none") & (table["unit"] == 0), "ndcg@10"] = 1.0  # for one alone
    young, old = compared(spark, table, members("user", ages))
    assert old.lift is not None and old.lift.high is None
    assert old.gap is not None and old.gap.high is None
    assert young.gap is not None and young.gap.low is None


def test_the_exposure_of_items_is_their_share_of_places_and_of_events(spark: SparkSession) -> None:
    lists = pd.DataFrame({"scorer": ["none", "none", "vae", "vae"], "item_index": [1, 2, 1, 3], "n": [30, 10, 5, 15]})
    events = np.array([0, 60, 30, 10], np.float32)
    items = {"age": np.array([None, "a", "b"], dtype=object)}  # of item 3 nothing is said
    had = members("item", {unit: "a" if unit < 100 else "b" for unit in range(200)})
    a, b = compared(spark, units(0.0, 0.5), had, items, Shown(lists, events))
    assert a.exposure == pytest.approx({"real": 0.6, "base": 0.75, "arm": 0.25})
    assert b.exposure == pytest.approx({"real": 0.3, "base": 0.25, "arm": 0.0})


def test_the_groups_of_a_night_are_those_of_an_independent_count(
    spark: SparkSession, night: tuple[Config, dict[str, Any]]
) -> None:
    config, _ = night
    assert config.source.users is not None and config.source.items is not None
    trial = night_context(config, THIN_DAY, spark).recorded("evaluate").metrics
    lake = Lake(spark, config.lake.path)
    tested = lake.read("sequences").where("split = 'test'").select("user_id", "targets").toPandas()
    people = pd.read_parquet(str(config.source.users.path))
    ages = dict(zip(people["household_id"].astype(str), people["age"], strict=True))
    words = lake.read("vocabulary").select("item_id", "item_index").toPandas()
    products = pd.read_parquet(str(config.source.items.path))
    departments = dict(zip(products["product_id"].astype(str), products["department"], strict=True))
    of_index = {index: departments[item] for item, index in zip(words["item_id"], words["item_index"], strict=True)}
    expected = Counter(("user", "age", ages[user]) for user in tested["user_id"] if ages.get(user))
    for targets in tested["targets"]:
        expected.update({("item", "department", of_index[item]) for item in targets if item > 0})
    found = {(group.kind, group.attribute, group.value): group.units for group in trial.groups}
    assert found == {group: units for group, units in expected.items() if units >= config.evaluate.gate.min_units}
    assert len(found) < len(expected)
    assert {kind for kind, _, _ in found} == {"user", "item"}
    shares = [group.exposure for group in trial.groups if group.kind == "item"]
    assert all(sum(share[of] for share in shares) <= 1 + 1e-9 for of in ("real", "base", "arm"))
    assert sum(share["real"] for share in shares) > 0.9
    assert (len([group for group in trial.groups if group.kind == "user"]), len(shares)) > (1, 1)

    folder = Path(config.artifacts) / THIN_DAY.isoformat() / "report"
    page, card = (folder / "index.html").read_text(), (folder / "model_card.md").read_text()
    assert 'id="groups"' in page
    for group in trial.groups:
        assert f"age {group.value}" in page or f"department {group.value}".replace("&", "&amp;") in page
    written = card.split("| group |")[1].split("\n\n")[0].splitlines()
    assert len(written) == 2 + len(trial.groups)  # one table, without a gap
    assert any(row.startswith("| age 45-54 |") for row in written)
    assert {row.count("|") for row in written[1:]} == {8}
    kept = {row["user_id"]: row["attributes"] for row in lake.read("user_attributes").collect()}
    assert {user: said.get("age") for user, said in kept.items()} == {
        user: age if isinstance(age, str) else None for user, age in ages.items()
    }


@pytest.mark.parametrize(
    ("fairness", "said"),
    [
        ({"user": ["height"]}, "evaluate.fairness.user: source.users.attributes has no height; it has age, kids"),
        ({"item": ["price"]}, "evaluate.fairness.item: source.items.categorical has no price; it has brand, "),
    ],
)
def test_a_group_by_what_the_source_lacks_is_one_line(
    night: tuple[Config, dict[str, Any]], fairness: dict[str, list[str]], said: str
) -> None:
    given = msgspec.to_builtins(night[0])
    given["evaluate"]["fairness"] = fairness
    with pytest.raises(msgspec.ValidationError) as caught:
        convert(given)
    assert said in str(caught.value)


def test_users_are_read_with_their_last_known_values_and_without_the_erased(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.csv").write_text(HEAD + line("ada", "mate", day(1)))
    rows = ["id,years,town", "ada,31,", "bo,,Ulm", "ada,32,NA", "cy,40,Ulm", ",50,Ulm"]
    (tmp_path / "users.csv").write_text("\n".join(rows) + "\n")
    users = {
        "path": f"{tmp_path}/users.csv",
        "format": "csv",
        "options": {"header": "true"},
        "user_id": "id",
        "attributes": {"age": "years", "town": "town"},
    }
    night = context(spark, tmp_path, day(1).date(), source={"users": users})
    bury(night.lake, ["cy"], ["cy"], dt.datetime(2017, 1, 1, tzinfo=dt.UTC), "erasure")
    ingest.run(night)
    told = {row["user_id"]: row["attributes"] for row in night.lake.read("user_attributes").collect()}
    assert told == {"ada": {"age": "32"}, "bo": {"town": "Ulm"}}
    wrong = context(spark, tmp_path, day(1).date(), source={"users": users | {"attributes": {"age": "ages"}}})
    with pytest.raises(ContractError, match=r"source.users.attributes.age: .*ages"):
        ingest.run(wrong)
    assert night.lake.version("events") == 0
