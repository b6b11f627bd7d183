"""What the tests share: one SparkSession, built as a job builds it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from recaug.config import Spark
from recaug.lake.tables import Lake
from recaug.session import build

# The machine's speed is no property of the code.
settings.register_profile("recaug", deadline=None, max_examples=30)
settings.load_profile("recaug")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Two local cores, two shuffle partitions, Delta on."""
    settings = {
        "spark.driver.memory": "1g",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
    }
    session = build(Spark(master="local[2]", shuffle_partitions=2, settings=settings), "recaug tests", 2)
    yield session
    session.stop()


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake of a test's own."""
    return Lake(spark, path=str(tmp_path / "lake"))
