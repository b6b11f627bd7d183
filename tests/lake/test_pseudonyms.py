"""What the shop's names become past its own tables."""

import hashlib
import hmac

import pandas as pd
from pyspark.sql import SparkSession

from recaug.lake.contracts import TABLES
from recaug.lake.pseudonyms import BARE, Pseudonyms

KEY = "0123456789abcdef" * 2


def test_a_pseudonym_is_the_hmac_of_rfc_2104() -> None:
    """T10: the ids were SHA-256 of what everybody knows. Computed by its definition, H(K ^ opad, H(K ^ ipad, text))."""
    inner, outer = (bytes(b ^ pad for b in KEY.encode().ljust(64, b"\0")) for pad in (0x36, 0x5C))
    by_hand = hashlib.sha256(outer + hashlib.sha256(inner + b"user_id\x1fAda").digest()).hexdigest()
    assert Pseudonyms(KEY).of("user_id", "Ada") == by_hand[:32]
    assert hmac.new(KEY.encode(), b"user_id\x1fAda", "sha256").hexdigest() == by_hand


def test_names_go_one_way_in_every_form_and_come_back_by_the_shops_own_table(spark: SparkSession) -> None:
    named = Pseudonyms(KEY)
    rows = [("Ada", "s1", 1), (None, "Ada", 2), ("Zoë", None, 3)]
    frame = pd.DataFrame(rows, columns=["user_id", "session_id", "n"])
    known = spark.createDataFrame(rows, "user_id string, session_id string, n int")
    hidden = named.hide(known, ("user_id", "session_id")).orderBy("n").toPandas()
    pd.testing.assert_frame_equal(
        hidden, named.in_frame(frame, ("user_id", "session_id")).astype({"n": "int32"}), check_dtype=False
    )
    assert hidden["user_id"][0] == named.of("user_id", "Ada") != hidden["session_id"][1]
    assert hidden["user_id"][1] is None
    back = named.reveal(named.hide(known, ("user_id",)), known, "user_id")
    assert sorted(back.select("user_id", "n").collect()) == [("Ada", 1), ("Zoë", 3)]
    assert Pseudonyms(KEY[::-1]).of("user_id", "Ada") != named.of("user_id", "Ada")
    assert Pseudonyms(KEY[::-1]).fingerprint != named.fingerprint is not None


def test_no_plan_shows_the_key(spark: SparkSession) -> None:
    """Spark's event log keeps plans with their literals."""
    rows = Pseudonyms(KEY).hide(spark.createDataFrame([("Ada",)], "user_id string"), ("user_id",))
    plan = rows._jdf.queryExecution().toString()
    assert "pseudonym(user_id" in plan
    assert KEY not in plan
    assert KEY.encode().hex() not in plan.lower()


def test_without_a_key_names_stand_for_themselves(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("Ada",)], "user_id string")
    assert BARE.hide(rows, ("user_id",)) is rows
    assert (BARE.of("user_id", "Ada"), BARE.fingerprint) == ("Ada", None)


def test_every_table_of_the_shops_own_names_says_so() -> None:
    own = {name for name, table in TABLES.items() if table.names}
    assert own == {"events", "search_events", "user_attributes", "recommendations"}
