"""Reads labelled pictures, from bytes or from files, and cuts them to one size."""

import io
import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recaug.clickstream.mapping import expression
from recaug.config import ImageSource
from recaug.errors import ContractError, RecaugError
from recaug.lake.store import Store

# What Pillow raises of a file that is damaged, or that is made to fill the memory.
DAMAGED = (ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
UNREADABLE = (RecaugError, OSError, *DAMAGED)
SPLITS = ("train", "validation", "test")
HELD_OUT = {"validation": 0.1, "test": 0.1}  # shares where the source names no split
KEY = "images.source"
PIXELS = 50_000_000  # of a picture that is read; a file of some kB may claim a thousand times as many


def images(df: DataFrame, source: ImageSource, size: int, channels: int) -> DataFrame:
    """Map and decode the source's rows: image_id, label, split, pixels (uint8, size x size x channels), problem.

    A picture is cut to a square about its centre and scaled; one that cannot be read has no pixels, but a problem. The
    split is the source's or, where it names none, by a hash of image_id. Raises ContractError for a column that is not
    there, and for an image that is neither bytes nor a path.
    """
    columns = {
        name: expression(df, text, f"{KEY}.{name}")
        for name in ("image_id", "label", "image", "split")
        if (text := getattr(source, name)) is not None
    }
    kind = dict(df.select(columns["image"].alias("image")).dtypes)["image"]
    if kind not in ("binary", "string"):
        raise ContractError(f"{KEY}.image: {source.image} is {kind}, neither the bytes of a picture nor a path")
    place = F.pmod(F.xxhash64(columns["image_id"].cast("string")), F.lit(1000)) / 1000
    drawn = F.when(place < HELD_OUT["test"], "test").when(place < sum(HELD_OUT.values()), "validation")
    split = columns.get("split", drawn.otherwise("train"))
    rows = df.select(
        columns["image_id"].cast("string").alias("image_id"),
        columns["label"].cast("string").alias("label"),
        split.cast("string").alias("split"),
        columns["image"].alias("image"),
    )
    if strays := rows.where(~F.coalesce("split", F.lit("")).isin(*SPLITS)).select("split").first():
        raise ContractError(f"{KEY}.split: {strays['split']!r} is none of {', '.join(SPLITS)}")

    def decode(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            read = [_pixels(image, size, channels) for image in frame.pop("image")]
            frame[["pixels", "problem"]] = pd.DataFrame(read, index=frame.index, dtype=object)
            yield frame

    return rows.mapInPandas(decode, "image_id string, label string, split string, pixels binary, problem string")


def _pixels(image: bytes | str | None, size: int, channels: int) -> tuple[bytes | None, str | None]:
    """Pixels of a picture or why there are none."""
    if image is None:
        return None, "no picture"
    try:
        with Image.open(io.BytesIO(Store(image).read("") if isinstance(image, str) else image)) as picture:
            if picture.width * picture.height > PIXELS:
                return None, f"{picture.width} x {picture.height} pixels, more than {PIXELS:,}"
            cut = ImageOps.fit(picture.convert("L" if channels == 1 else "RGB"), (size, size))
            return cut.tobytes(), None
    except UNREADABLE as error:
        return None, " ".join(str(error).split())


def picture_vectors(picture: Column, size: int) -> Column:
    """Read pictures, as bytes or paths: array<float> of 3 x size x size values in -1 to 1, null for what is none."""

    @F.pandas_udf("array<float>")  # type: ignore[call-overload]
    def read(pictures: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for part in pictures:
            yield part.map(lambda picture: _unit(picture, size))

    made: Column = read(picture)
    return made


def _unit(picture: bytes | str | None, size: int) -> NDArray[np.float32] | None:
    pixels, _ = _pixels(picture, size, 3)
    if pixels is None:
        return None
    whole = np.frombuffer(pixels, np.uint8).reshape(size, size, 3)
    return (whole.transpose(2, 0, 1).ravel() / 127.5 - 1).astype(np.float32)


def numbered(rows: DataFrame) -> DataFrame:
    """Add code (of the label, from 0 in alphabetical order) and turn (of a train picture in its class, else -1).

    The first `turn`s of each class are the same whatever their number: a smaller training set lies in a larger one.
    """
    labels = F.dense_rank().over(Window.orderBy("label")) - 1
    codes = rows.select("label").distinct().withColumn("code", labels)
    learnt = (F.col("split") == "train") & F.col("pixels").isNotNull()
    order = Window.partitionBy(learnt, "label").orderBy(F.xxhash64("image_id"), "image_id")
    turn = F.when(learnt, F.row_number().over(order) - 1).otherwise(-1)
    return rows.join(F.broadcast(codes), "label").withColumn("turn", turn)


def grid(pictures: NDArray[np.uint8], across: int = 10) -> NDArray[np.uint8]:
    """Lay pictures (n, height, width, channels) out in rows of `across`, white where there is none left.

    >>> grid(np.zeros((3, 4, 4, 1), np.uint8), across=2).shape
    (8, 8, 1)
    """
    missing = -len(pictures) % across
    blank = np.full((missing, *pictures.shape[1:]), 255, np.uint8)
    n, height, width, channels = (whole := np.concatenate([pictures, blank])).shape
    rows = whole.reshape(n // across, across, height, width, channels).swapaxes(1, 2)
    return rows.reshape(n // across * height, across * width, channels)
