"""Who takes a lake on a store where two drivers can make the same commit."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recaug.lake import lease
from recaug.lake.claims import SETTLE_SECONDS, claim, overwrites
from recaug.lake.lease import Holder, LakeHeldError, hold
from recaug.lake.store import Store
from recaug.lake.tables import Lake


def test_of_all_who_claim_at_once_the_last_one_has_it(tmp_path: Path) -> None:
    place, together = Store(tmp_path), threading.Barrier(8)

    def claimed(_: int) -> bool:
        together.wait()
        return claim(place, settle=1.0)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claimed, range(8))) == 1
    assert claim(place, settle=0.0)  # an old claim keeps nobody out


def test_a_commit_can_take_the_place_of_anothers_on_s3_without_a_log_store(spark: SparkSession) -> None:
    session = spark.newSession()
    assert overwrites(Lake(session, "s3a://nights/lake"))
    assert not overwrites(Lake(session, "hdfs://nights/lake"))
    assert not overwrites(Lake(session, "/nights/lake"))
    assert not overwrites(Lake(session, catalog="main.recaug"))
    session.conf.set("spark.delta.logStore.s3a.impl", "io.delta.storage.S3DynamoDBLogStore")
    assert not overwrites(Lake(session, "s3a://nights/lake"))
    assert overwrites(Lake(session, "s3://nights/lake"))
    session.conf.set("spark.delta.logStore.s3a.impl", "io.delta.storage.S3SingleDriverLogStore")  # Delta's default
    assert overwrites(Lake(session, "s3a://nights/lake"))


@pytest.fixture
def overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "overwrites", lambda lake: True)


def test_who_is_not_first_does_not_touch_the_lake(
    spark: SparkSession, tmp_path: Path, overwritten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T4: on S3 two nights that began in the same moment both held the lake."""
    monkeypatch.setattr(lease, "claim", lambda place: False)
    lake = Lake(spark, str(tmp_path / "lake"))
    with pytest.raises(LakeHeldError, match="held by another job that is about to take it"), hold(lake, "a night", 60):
        raise AssertionError("two hold it")
    assert not lake.exists("leases")


def test_who_is_first_looks_whether_somebody_has_been_through(
    spark: SparkSession, tmp_path: Path, overwritten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, other = Lake(spark, str(tmp_path / "lake")), Holder("another night", "elsewhere", "", 1, 0.0)
    monkeypatch.setattr(lease, "claim", lambda place: True)
    with hold(lake, "a night", 60):
        assert lake.exists("leases")

    def late(place: Store) -> bool:
        lease._update(lake, 1, 2, other, 60)
        return True

    monkeypatch.setattr(lease, "claim", late)
    with pytest.raises(LakeHeldError, match="held by another night"), hold(lake, "a second night", 60):
        raise AssertionError("two hold it")


def test_who_lost_a_claim_stays_away_until_the_winner_is_through(
    spark: SparkSession, tmp_path: Path, overwritten: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two who wait keep each other out: each claims again while the other's claim settles."""
    answers, slept = iter([False, True]), list[float]()
    monkeypatch.setattr(lease, "claim", lambda place: next(answers))
    with monkeypatch.context() as patch:
        patch.setattr(lease.time, "sleep", slept.append)
        with hold(Lake(spark, str(tmp_path / "lake")), "a night", 60, wait=60):
            assert next(answers, None) is None  # it claimed twice
    assert sum(2 * SETTLE_SECONDS <= seconds < 3 * SETTLE_SECONDS for seconds in slept) == 1  # others' are short


def test_a_lease_of_the_same_number_is_not_the_same(spark: SparkSession, tmp_path: Path) -> None:
    lake, other = Lake(spark, str(tmp_path / "lake")), Holder("another night", "elsewhere", "", 1, 0.0)
    with pytest.raises(LakeHeldError, match="lost its lease.*another night"), hold(lake, "a night", 60):
        lake.delta("leases").update(F.lit(True), {"holder": F.lit(other.said)})
        lake.ledger.guard()
    row = lake.read("leases").first()
    assert row is not None
    assert row["holder"] == other.said  # which is not released either
