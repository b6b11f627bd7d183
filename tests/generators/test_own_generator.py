"""A shop's own generator, by its class path in the YAML: it repeats what users had last."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from pyspark.sql import DataFrame, SparkSession
from tests.generators.shop import SCHEMA, L, histories, windows

from recaug.classes import class_path
from recaug.config import load, loads
from recaug.config.base import Positive
from recaug.errors import ConfigError
from recaug.generators.base import DrawHistories, Generator, Names, Request
from recaug.generators.histories import Histories
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.registry import KINDS, classes, decode, generators
from recaug.generators.samplers import history_frame, sources_of
from recaug.generators.sampling import generate
from recaug.results import TrainedModel


class Recent(Generator, kw_only=True):
    """A user for each of a fold's, with the last events alone. last: so many."""

    label = "recent events"
    colour = ("#444444", "#bbbbbb")
    writes = frozenset({"histories"})

    last: Positive
    draw: DrawHistories = DrawHistories()

    def folders(self, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> dict[int, str]:
        """There is nothing to keep."""
        return {fold: inputs.models.address("recent") for fold in inputs.folds if fold is not None}

    def sampler(self, folder: str) -> "Last":
        """The last events."""
        return Last(self)


class Last:
    """Samples from Recent."""

    def __init__(self, entry: Recent) -> None:
        self.entry = entry

    def draw(
        self, histories: Histories, fold: int, request: Request, random: torch.Generator
    ) -> Iterator[pd.DataFrame]:
        """Give a frame for every user."""
        names = Names(request, fold)
        for user in sources_of(histories, fold, self.entry.draw.histories, random):
            end = histories.starts[user + 1]
            own = slice(max(histories.starts[user], end - self.entry.last), end)
            source = histories.user_ids[user]
            items, times = histories.items[own], histories.times[own]
            frame = history_frame((names.next(source), source), items, times, np.ones(len(items)))
            yield frame.assign(weight=self.entry.draw.history_weight)


class Half(Generator, kw_only=True):
    """Has a label and no more."""

    label = "half"


ENTRY: dict[str, Any] = {
    "kind": "tests.generators.test_own_generator:Recent",
    "last": 3,
    "draw": {"histories": 1.0, "history_weight": 0.2},
}


def demo(*entries: dict[str, Any]) -> str:
    """The demo's configuration with these generators."""
    values = yaml.safe_load(Path("conf/weeks.yaml").read_text(encoding="utf-8"))
    values["augment"]["generators"] = list(entries)
    return yaml.safe_dump(values)


def test_a_class_path_in_the_yaml_is_a_generator(spark: SparkSession) -> None:
    config = loads(demo(ENTRY))
    (recent,) = generators(config.augment.generators)
    assert recent.name == "Recent"
    assert class_path(type(recent)) == ENTRY["kind"]
    rows = [row for user, items in histories().items() for row in windows(user, items)]
    train: DataFrame = spark.createDataFrame(pd.DataFrame(rows), SCHEMA)
    request = Request(recent.name, 1, dt.date(2017, 2, 4), L, True, 16)
    made = generate(train, recent, {0: "a", 1: "b"}, request, buckets=4).orderBy("user_id", "event_time").toPandas()
    drawn = made.groupby("user_id").agg(items=("item_index", list), source=("source_users", "first"))
    expected = {f"u{user:03}": items[-3:] for user, items in histories().items() if len(items) >= 3}
    assert {source[0]: items for items, source in zip(drawn["items"], drawn["source"], strict=True)} == expected
    assert set(made["generator"]) == {"Recent"}
    assert set(made["weight"]) == {0.2}
    assert made["event_id"].is_unique


@pytest.mark.parametrize("path", ["conf/beauty.yaml", "conf/bench/cold_start_beauty.yaml", "conf/weeks.yaml"])
def test_a_generator_round_trips_through_yaml(path: str) -> None:
    for entry in generators(load(path).augment.generators):
        assert decode(yaml.safe_load(yaml.safe_dump(msgspec.to_builtins(entry)))) == entry


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_a_generator_is_in_its_schema(kind: str) -> None:
    found = classes()[kind]
    schema = msgspec.json.schema(found)
    keys = {field.encode_name for field in msgspec.structs.fields(found)}
    assert set(schema["$defs"][found.__name__]["properties"]) == keys
    assert {"kind", "name", "draw"} <= keys
    assert found.label
    assert len(found.colour) == 2
    assert found.writes <= {"continuations", "histories"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ENTRY | {"kind": "nobody"}, "'nobody' is none of vae, gan, diffusion, transformer, counts"),
        (ENTRY | {"kind": "tests.nowhere:Recent"}, "a class path is package.module:Class"),
        (ENTRY | {"kind": "recaug.errors:ConfigError"}, "is no Generator"),
        ({"kind": "tests.generators.test_own_generator:Half"}, "Half lacks colour, folders, sampler, writes"),
        ({"kind": "recaug.generators.neural:Neural"}, "Neural lacks arguments, colour, label, network, task"),
        (ENTRY | {"last": 0}, "`$.augment.generators[0].last`"),
        (ENTRY | {"draw": {"temperature": 1.0}}, "unknown field `temperature` - at `$.augment.generators[0].draw`"),
        ({"last": 3}, "an entry with a kind"),
        ({"kind": "counts", "draw": {"continuations": 1, "histories": 1.0}}, "`$.augment.generators[0].draw`"),
        ({"kind": "counts", "draw": {"continuations": 0}}, "counts draws nothing"),
    ],
)
def test_a_wrong_entry_names_its_place(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        loads(demo(entry))
    assert words in str(error.value)


def test_one_kind_stands_twice_under_names_of_its_own() -> None:
    assert loads(demo(ENTRY, ENTRY | {"name": "long", "last": 9})).augment.names == ["Recent", "long"]
    with pytest.raises(ConfigError, match="Recent is taken"):
        loads(demo(ENTRY, ENTRY))
    assert loads(demo(ENTRY)).hash != loads(demo(ENTRY | {"last": 4})).hash
