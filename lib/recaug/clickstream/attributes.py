"""The catalogue as numbers: values by frequency, text hashed, numbers by their quantiles; missing stays missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from scipy.special import ndtr, ndtri

from recaug.config import Attributes, Items
from recaug.errors import ContractError

TEXT = "text"
TEXT_TERMS = 48  # words and pairs of words of an item that are looked at
KNOTS = 201  # quantiles that a number is normalised by
EDGE = 0.002  # quantiles further out are all the same
LEARNT, VALIDATION, TEST = 0, 1, 2
_HASHES = 1 << 30
Kind = Literal["categorical", "multi_valued", "text", "numeric", "vector", "picture"]
ARRAYS = ("vector", "picture")


class Field(msgspec.Struct, frozen=True):
    """One modality of the catalogue.

    size: values that are coded from 1 (size + 1: given, but rarer), buckets of the text, numbers of a vector; 1 of a
    number. width: columns that it takes of `codes`, or of `numbers`. knots: a number's quantiles, at even steps.
    """

    name: str
    kind: Kind
    size: int
    width: int
    knots: tuple[float, ...] = ()

    @property
    def coded(self) -> bool:
        """Whether it lies in `codes`."""
        return self.kind in ("categorical", "multi_valued", "text")

    @property
    def completed(self) -> bool:
        """Whether its gaps are filled."""
        return self.kind in ("categorical", "multi_valued", "numeric")

    def normal(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn a number into the normal deviate of its quantile; of values that are alike the middle one."""
        steps, knots = np.linspace(0, 1, len(self.knots)), np.asarray(self.knots)
        low, high = np.searchsorted(knots, values, "left"), np.searchsorted(knots, values, "right")
        at = np.where(high > low, (low + high - 1) / 2 / (len(knots) - 1), np.interp(values, knots, steps))
        return np.where(np.isnan(values), np.nan, ndtri(np.clip(at, EDGE, 1 - EDGE)))

    @property
    def spread(self) -> float:
        """A number's standard deviation, by the quantiles that lie one deviation off the middle of a normal one."""
        low, high = self.number(np.array([-1.0, 1.0]))
        return float(high - low) / 2

    def number(self, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn it back."""
        return np.interp(ndtr(normal), np.linspace(0, 1, len(self.knots)), np.asarray(self.knots))


def values(items: DataFrame, min_items: int) -> DataFrame:
    """Code the values that enough items have: attribute, value, code (from 1, most frequent first), items."""
    counted = _given(items).groupBy("attribute", "value").agg(F.count("*").cast("int").alias("items"))
    order = Window.partitionBy("attribute").orderBy(F.desc("items"), "value")
    return counted.where(F.col("items") >= min_items).withColumn("code", F.row_number().over(order))


def fields(items: DataFrame, coded: DataFrame, source: Items, config: Attributes, seed: int) -> list[Field]:
    """Describe the modalities, in the order of the YAML. coded: of `values`.

    A number's quantiles are those of the values that are learnt from. Raises ContractError for an attribute without
    any value and for vectors that differ in length.
    """
    sizes = {row["attribute"]: row["n"] for row in coded.groupBy("attribute").agg(F.max("code").alias("n")).collect()}
    asked = [F.max(F.size(F.col("multi_valued")[name])).alias(f"m_{name}") for name in source.multi_valued]
    arrays: dict[str, Kind] = dict.fromkeys([*source.vectors, *source.sounds], "vector")
    arrays |= dict.fromkeys(source.pictures, "picture")
    asked += [F.collect_set(F.size(F.col("vectors")[name])).alias(f"v_{name}") for name in arrays]
    steps = [float(step) for step in np.linspace(0, 1, KNOTS)]
    for name in source.numeric:
        learnt = F.when(_part(seed, name, config) == LEARNT, F.col("numeric")[name])
        asked.append(F.percentile(learnt, steps).alias(f"n_{name}"))
    counted: Any = items.agg(F.count("*"), *asked).first()
    made = []
    for name in [*source.categorical, *source.multi_valued]:
        if name not in sizes:
            raise ContractError(
                f"attribute {name}: no value that {config.min_items} items have; lower attributes.min_items or leave "
                "it out of source.items"
            )
        width = 1 if name in source.categorical else counted[f"m_{name}"]
        made.append(Field(name, "categorical" if name in source.categorical else "multi_valued", sizes[name], width))
    if config.text:
        made.append(Field(TEXT, "text", config.text_buckets, TEXT_TERMS))
    for name in source.numeric:
        if counted[f"n_{name}"] is None:
            raise ContractError(f"attribute {name}: no item has a number; leave it out of source.items.numeric")
        made.append(Field(name, "numeric", 1, 1, tuple(counted[f"n_{name}"])))
    for name, kind in arrays.items():
        lengths = {size for size in counted[f"v_{name}"] if size > 0}  # of null it is -1
        if len(lengths) != 1:
            raise ContractError(
                f"attribute {name}: vectors of {sorted(lengths) or 'no'} numbers; all must have as many"
            )
        (length,) = lengths
        made.append(Field(name, kind, length, length))
    return made


def encoded(
    items: DataFrame, coded: DataFrame, vocabulary: DataFrame, layout: Sequence[Field], config: Attributes, seed: int
) -> DataFrame:
    """Write each item in numbers: the columns of the table item_attributes.

    coded: of `values`; vocabulary: item_id, item_index. item_index is 0 for items without events. codes: int32, one
    field after the other, 0 for none. numbers: float32, normal deviates and vectors, NaN for missing. parts: int8, one
    a field: whether its value is learnt from, or kept for validation or test.
    """
    of_items = (
        _given(items)
        .join(F.broadcast(coded), ["attribute", "value"], how="left")
        .groupBy("item_id")
        .agg(F.sort_array(F.collect_list(F.struct("attribute", "code"))).alias("given"))
    )
    parts = [_part(seed, field.name, config) if field.completed else F.lit(0) for field in layout]
    rows = (
        items.join(of_items, "item_id", how="left")
        .join(F.broadcast(vocabulary.select("item_id", "item_index")), "item_id", how="left")
        .select(
            "item_id",
            F.coalesce("item_index", F.lit(0)).alias("item_index"),
            F.col("given")["attribute"].alias("attributes"),
            F.col("given")["code"].alias("codes"),
            _terms(config).alias("terms"),
            *(F.col("numeric")[field.name].alias(f"n_{field.name}") for field in layout if field.kind == "numeric"),
            *(F.col("vectors")[field.name].alias(f"v_{field.name}") for field in layout if field.kind in ARRAYS),
            F.array(*parts).alias("parts"),
        )
    )
    return rows.mapInPandas(
        _packer(list(layout)), "item_id string, item_index int, codes binary, numbers binary, parts binary"
    )


def _packer(layout: list[Field]) -> Any:
    """Make the function that packs rows into bytes."""
    ends = np.cumsum([0, *(field.width for field in layout if field.coded)])
    starts: Mapping[str, int] = dict(zip((field.name for field in layout if field.coded), ends, strict=False))
    by_name = {field.name: field for field in layout}

    def pack(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            codes = np.zeros((len(frame), ends[-1]), np.int32)
            for row, (names, given) in enumerate(zip(frame["attributes"], frame["codes"], strict=True)):
                filled: dict[str, int] = {}
                for name, code in zip(names, given, strict=True) if names is not None else ():
                    place = filled.get(name, 0)
                    filled[name] = place + 1
                    rare = code is None or np.isnan(code)
                    codes[row, starts[name] + place] = by_name[name].size + 1 if rare else code
            if TEXT in starts:
                for row, terms in enumerate(frame["terms"]):
                    codes[row, starts[TEXT] : starts[TEXT] + len(terms)] = terms
            columns = [_column(field, frame) for field in layout if not field.coded]
            numbers = np.concatenate([np.zeros((len(frame), 0)), *columns], axis=1).astype(np.float32)
            parts = np.stack(list(frame["parts"])).astype(np.int8)
            packed = {"codes": codes, "numbers": numbers, "parts": parts}
            made = frame[["item_id", "item_index"]].copy()
            for name, array in packed.items():
                made[name] = [row.tobytes() for row in array]
            yield made

    return pack


def _column(field: Field, frame: pd.DataFrame) -> NDArray[np.float64]:
    """A field's numbers: (rows, width)."""
    if field.kind == "numeric":
        return field.normal(frame[f"n_{field.name}"].to_numpy(np.float64))[:, None]
    empty = np.full(field.width, np.nan)
    vectors = [empty if given is None else np.asarray(given, np.float64) for given in frame[f"v_{field.name}"]]
    return np.stack(vectors) if vectors else np.zeros((0, field.width))


def _given(items: DataFrame) -> DataFrame:
    """One row a value of a categorical or multi-valued attribute: item_id, attribute, value."""
    single = items.select("item_id", F.explode("categorical").alias("attribute", "value"))
    many = items.select("item_id", F.explode("multi_valued").alias("attribute", "told"))
    return single.unionByName(many.select("item_id", "attribute", F.explode("told").alias("value")))


def _part(seed: int, name: str, config: Attributes) -> Column:
    """Whether an item's value is learnt from, or kept for validation or test: by hash of seed, item and attribute."""
    place = F.pmod(F.xxhash64(F.lit(f"{seed} {name}"), "item_id"), F.lit(_HASHES)) / _HASHES
    return (
        F.when(place < config.test_share, TEST)
        .when(place < config.test_share + config.validation_share, VALIDATION)
        .otherwise(LEARNT)
    )


def _terms(config: Attributes) -> Column:
    """Words and pairs of words of the text, hashed to 1 ... text_buckets, without doubles."""
    if not config.text:
        return F.array().cast("array<int>")
    words = F.filter(F.split(F.lower(F.concat_ws(" ", *config.text)), r"[^\p{L}\p{N}]+"), lambda word: word != "")
    pairs = F.zip_with(words, F.slice(words, 2, TEXT_TERMS), lambda word, following: F.concat_ws(" ", word, following))
    terms = F.concat(words, F.filter(pairs, lambda pair: F.instr(pair, " ") > 0))
    hashed = F.transform(terms, lambda term: (F.pmod(F.xxhash64(term), F.lit(config.text_buckets)) + 1).cast("int"))
    return F.slice(F.array_sort(F.array_distinct(hashed)), 1, TEXT_TERMS)
