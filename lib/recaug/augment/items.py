"""Classic enhancement of the catalogue: copies of items with noise on their numbers and typing errors in their text."""

import math
import zlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.config import ItemEnhancement

HASHES = 1 << 30


def enhanced(items: DataFrame, spreads: Mapping[str, float], config: ItemEnhancement, seed: int) -> DataFrame:
    """Make config.copies of each item; what they are depends on the seed, the item's id and the copy's number alone.

    items: columns of the table items. spreads: numeric attribute -> its standard deviation, which the noise is measured
    in; a number without one stays. Returns the same columns and copy (int, from 1); what is missing stays missing.
    """

    @F.pandas_udf("string")  # type: ignore[call-overload]
    def typed(item_ids: pd.Series, copies: pd.Series, texts: pd.Series) -> pd.Series:
        made: list[str | None] = []
        for item, copy, text in zip(item_ids, copies, texts, strict=True):
            random = np.random.default_rng([seed, copy, zlib.crc32(item.encode())])
            made.append(None if text is None else mistyped(text, config, random))
        return pd.Series(made, dtype=object)

    scale = F.create_map(*(F.lit(part) for pair in spreads.items() for part in pair)) if spreads else None
    copies = items.withColumn("copy", F.explode(F.sequence(F.lit(1), F.lit(config.copies))))
    if scale is not None and config.noise:
        noise = F.transform_values(
            "numeric",
            lambda name, value: value + config.noise * F.coalesce(scale[name], F.lit(0.0)) * _normal(seed, name),
        )
        copies = copies.withColumn("numeric", noise)
    for column in ("title", "text"):
        copies = copies.withColumn(column, typed("item_id", "copy", column))
    return copies


def mistyped(text: str, config: ItemEnhancement, random: np.random.Generator) -> str:
    """Leave out words, but not all of them, and type some of the others wrongly, each with its chance.

    A typing error leaves a letter out, doubles it, or has it change places with the next one.

    >>> mistyped("red shoe", ItemEnhancement(copies=1, typos=0.0, dropped_words=1.0), np.random.default_rng(0))
    'red'
    """
    words = text.split()
    if not words:
        return text
    kept, wrong = random.random(len(words)) >= config.dropped_words, random.random(len(words)) < config.typos
    kept[0] |= not kept.any()
    typed = (typo(word, random) if bad else word for word, bad in zip(words, wrong, strict=True))
    return " ".join(word for word, there in zip(typed, kept, strict=True) if there)


def typo(word: str, random: np.random.Generator) -> str:
    """Make one typing error; a word of one letter stays."""
    if len(word) < 2:
        return word
    at, kind = int(random.integers(len(word) - 1)), random.integers(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[: at + 1] + word[at:]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _normal(seed: int, name: Column) -> Column:
    """Draw from N(0, 1) by hashes (Box and Muller 1958): the same wherever the row lies."""
    first, second = (
        (F.pmod(F.xxhash64(F.lit(f"{seed} {which}"), "item_id", "copy", name), F.lit(HASHES)) + 0.5) / HASHES
        for which in ("radius", "angle")
    )
    return F.sqrt(-2 * F.log(first)) * F.cos(2 * math.pi * second)
