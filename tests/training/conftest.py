"""A small lake: users of even and of odd items, as prepare leaves them, and the demo's configuration made small."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from recaug.config import Config, convert
from recaug.config import load as load_config
from recaug.lake.tables import Lake

USERS, N_ITEMS, MAX_LENGTH, FILES = 96, 40, 8, 4


def binary(items: np.ndarray, width: int = MAX_LENGTH) -> bytes:
    """Fixed-width little-endian int32, padded with 0."""
    return np.pad(np.asarray(items, np.int32), (0, width - len(items))).tobytes()


def histories() -> list[np.ndarray]:
    """Each user's distinct items, all even or all odd, 1 to MAX_LENGTH of them."""
    order = np.random.default_rng(0)
    return [
        order.permutation(np.arange(2 - user % 2, N_ITEMS + 1, 2))[: 1 + user % MAX_LENGTH] for user in range(USERS)
    ]


def sequences() -> pd.DataFrame:
    """Rows of `sequences`: train, and validation with two more items of the user's parity."""
    rows = []
    for user, items in enumerate(histories()):
        unseen = np.setdiff1d(np.arange(2 - user % 2, N_ITEMS + 1, 2), items)[:2]
        common = {
            "user_index": user,
            "user_id": f"u{user}",
            "fold": user % 3 % 2,
            "window": 0,
            "length": len(items),
            "n_events": len(items),
            "items": binary(items),
            "times": bytes(8 * MAX_LENGTH),
            "event_ids": [f"e{user}-{place}" for place in range(len(items))],
            "seen": sorted(items.tolist()),
            "cold": len(items) <= 5,
        }
        rows += [
            common | {"split": "train", "targets": []},
            common | {"split": "validation", "targets": unseen.tolist()},
        ]
    return pd.DataFrame(rows)


def covisitation() -> pd.DataFrame:
    """Counts of each fold, window 2, both directions alike; each row of a user's own, added up where they are read."""
    rows = []
    for user, items in enumerate(histories()):
        for gap in (1, 2):
            for first, second in zip(items[:-gap], items[gap:], strict=True):
                rows += [(user % 3 % 2, first, second, 1 / gap, 1), (user % 3 % 2, second, first, 1 / gap, 1)]
    counted = pd.DataFrame(rows, columns=["fold", "item_index", "other_index", "weight", "users"])
    return counted.assign(window=2, backward=1.0, decay=0.95)


def write_tables(lake: Lake) -> None:
    """What prepare writes, through the lake."""
    spark = lake.spark
    lake.replace(
        spark.createDataFrame(
            sequences(),
            "user_index int, user_id string, fold int, window int, length int, n_events int, items binary, "
            "times binary, event_ids array<string>, seen array<int>, cold boolean, split string, targets array<int>",
        ),
        "sequences",
        {},
        "r",
        files=FILES,
    )
    lake.replace(spark.createDataFrame(covisitation()), "covisitation", {}, "r")
    counts = np.bincount(np.concatenate(histories()), minlength=N_ITEMS + 1)[1:]
    vocabulary = pd.DataFrame(
        {"item_id": [f"i{i}" for i in range(1, N_ITEMS + 1)], "item_index": range(1, N_ITEMS + 1), "users": counts}
    )
    lake.replace(spark.createDataFrame(vocabulary.assign(events=counts, head=False)), "vocabulary", {}, "r")
    drawn = np.random.default_rng(1).integers(1, N_ITEMS + 1, (USERS, 50))
    negatives = pd.DataFrame(
        {"user_index": np.repeat(range(USERS), 50), "item_index": drawn.ravel(), "probability": 1 / N_ITEMS}
    )
    lake.replace(
        spark.createDataFrame(negatives.assign(event_date=dt.date(2017, 2, 4))), "negatives", {}, "r", files=FILES
    )


@pytest.fixture(scope="session")
def train_files(toy: Lake) -> list[str]:
    """Addresses of the train rows' files."""
    return toy.snapshot_files("sequences", {"split": "train"})


@pytest.fixture(scope="session")
def negatives_files(toy: Lake) -> list[str]:
    """Addresses of the negatives' files."""
    return toy.snapshot_files("negatives")


SMALL: dict[str, dict[str, Any]] = {
    "prepare": {"max_length": MAX_LENGTH, "folds": 2},
    "training": {"launcher": "local", "workers": 1, "checkpoint_epochs": 1},
    "covisitation": {"window": 2, "neighbours": 10},
    "sasrec": {"dim": 16, "blocks": 1, "full_softmax_items": 1000, "dropout": 0.1},
}
SMALL_GENERATORS: dict[str, dict[str, Any]] = {
    "vae": {"hidden": 32, "z_dim": 8, "dropout": 0.2},
    "gan": {"hidden": 32, "z_dim": 8, "dropout": 0.2, "warmup_epochs": 20},
}
EPOCHS = {"sasrec": 12, "vae": 25, "gan": 24}


def small_config(changes: Mapping[str, Mapping[str, Any]] | None = None) -> Config:
    """conf/weeks.yaml made small, with the changes on top, those of vae and gan to the generators' entries."""
    values = msgspec.to_builtins(load_config(Path(__file__).parents[2] / "conf" / "weeks.yaml"))
    values["covisitation"] = {}  # of which the layers name some keys
    entries = {entry["kind"]: entry for entry in values["augment"]["generators"]}
    for layer in (SMALL, SMALL_GENERATORS, changes or {}):
        for section, keys in layer.items():
            entries.get(section, values.get(section, {})).update(keys)
    for section, epochs in EPOCHS.items():
        optimiser = entries.get(section, values.get(section, {}))["optimiser"]
        optimiser |= {"epochs": epochs, "batch_rows": 16, "learning_rate": 0.01}
    return convert(values)


def entry(config: Config, name: str, **changes: Any) -> Any:
    """The generator of this name, with changes to its keys."""
    return msgspec.structs.replace(config.augment.entry(name), **changes)


def with_generators(config: Config, *entries: Any) -> Config:
    """The configuration with these generators instead."""
    return msgspec.structs.replace(config, augment=msgspec.structs.replace(config.augment, generators=list(entries)))
