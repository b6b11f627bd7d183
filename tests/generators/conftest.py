"""The small lake of the trainings' tests, and the train rows of a small shop."""

import pandas as pd
import pytest
from tests.generators.shop import SCHEMA, histories, windows
from tests.training.conftest import train_files

__all__ = ["train_files"]


@pytest.fixture
def train(spark):
    rows = [row for user, items in histories().items() for row in windows(user, items)]
    return spark.createDataFrame(pd.DataFrame(rows), SCHEMA)
