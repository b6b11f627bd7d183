"""Lays rows out as columns where a format of its own has none: lines of items, an object of lists, NumPy archives."""

import io
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ENTRIES = 256  # of an archive that are laid out at once


def by_position(lines: DataFrame) -> DataFrame:
    """Lay out lines `user item item ...`: user, position, item; a line without items keeps a row, its item null."""
    words = F.split(F.trim("value"), r"\s+")
    return lines.select(
        words[0].alias("user"), F.posexplode_outer(F.slice(words, 2, F.size(words))).alias("position", "item")
    )


def by_key(files: DataFrame) -> DataFrame:
    """Lay out files that are one JSON object each: key, values (texts); a value that is no list is a list of one."""
    whole = F.from_json("value", "map<string,string>")
    pairs = files.select(F.explode(whole).alias("key", "value"))
    listed = F.coalesce(F.from_json("value", "array<string>"), F.array("value"))
    return pairs.select("key", listed.alias("values"))


def by_entry(files: DataFrame) -> DataFrame:
    """Lay out NumPy archives of pictures: position (in its file), image (PNG), label, split."""

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for content in (content for frame in frames for content in frame["content"]):
            with np.load(io.BytesIO(content)) as arrays:
                pictures, labels, split = arrays["images"], arrays["labels"], arrays["split"]
                classes, splits = arrays["classes"], arrays["splits"]
            for start in range(0, len(pictures), ENTRIES):
                part = slice(start, start + ENTRIES)
                yield pd.DataFrame(
                    {
                        "position": np.arange(len(pictures))[part],
                        "image": [png(picture) for picture in pictures[part]],
                        "label": classes[labels[part]],
                        "split": splits[split[part]],
                    }
                )

    return files.select("content").mapInPandas(run, "position int, image binary, label string, split string")


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Write a picture (height, width, channels) as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()
