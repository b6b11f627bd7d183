import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recaug.clickstream.images import grid, images, numbered
from recaug.clickstream.layouts import png
from recaug.clickstream.source import read_source
from recaug.config import ImageSource
from recaug.errors import ContractError

CLOTHING = Path(__file__).parents[3] / "shared" / "data" / "product_images" / "clothing_32.npz"
COLUMNS = {"path": "unused", "format": "parquet", "image_id": "id", "image": "photo", "label": "kind"}


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (8, 4)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_pictures_are_cut_to_a_square_and_what_is_no_picture_says_so(spark: SparkSession) -> None:
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = (255, 128, 0)  # the middle square; the rest is black
    rows = [("a", png(wide), "x"), ("b", b"no picture", "x"), ("c", None, "y"), ("d", picture((9, 9, 9)), "y")]
    df = spark.createDataFrame(rows, "id string, photo binary, kind string")
    read = {row["image_id"]: row for row in images(df, ImageSource(**COLUMNS), 4, 3).collect()}
    cut = np.frombuffer(read["a"]["pixels"], np.uint8).reshape(4, 4, 3)
    assert (cut == (255, 128, 0)).all()
    assert read["b"]["pixels"] is None
    assert "cannot identify" in read["b"]["problem"]
    assert read["c"]["problem"] == "no picture"
    grey = images(df.where("id = 'd'"), ImageSource(**COLUMNS), 2, 1).first()
    assert grey is not None
    assert bytes(grey["pixels"]) == bytes([9] * 4)


def test_a_path_is_opened_where_it_is_read(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(picture((1, 2, 3)))
    df = spark.createDataFrame(
        [("a", str(tmp_path / "one.png"), "x"), ("b", "/nowhere.png", "x")], "id string, photo string, kind string"
    )
    read = {row["image_id"]: row for row in images(df, ImageSource(**COLUMNS), 1, 3).collect()}
    assert bytes(read["a"]["pixels"]) == bytes([1, 2, 3])
    assert "No such file" in read["b"]["problem"]


def test_a_source_that_lacks_what_it_names_ends_in_one_line(spark: SparkSession) -> None:
    df = spark.createDataFrame([("a", 1, "x", "holdout")], "id string, photo int, kind string, part string")
    with pytest.raises(ContractError, match=r"images\.source\.image: photo is int, neither the bytes"):
        images(df, ImageSource(**COLUMNS), 4, 3)
    with pytest.raises(ContractError, match=r"images\.source\.label: the source has no column"):
        images(df, ImageSource(**COLUMNS | {"label": "nothing"}), 4, 3)
    bytes_of = df.withColumn("photo", F.lit(b"x"))
    with pytest.raises(ContractError, match=r"'holdout' is none of train, validation, test"):
        images(bytes_of, ImageSource(**COLUMNS, split="part"), 4, 3)


def test_a_tenth_each_is_held_out_and_small_training_sets_lie_in_larger_ones(spark: SparkSession) -> None:
    df = spark.range(2000).selectExpr("id", "if(id % 3 = 0, 'b', 'a') AS kind")
    df = df.withColumn("photo", F.when(F.col("id") % 50 != 0, F.lit(picture((1, 2, 3)))))
    rows = numbered(images(df, ImageSource(**COLUMNS), 1, 3)).toPandas()
    shares = rows["split"].value_counts(normalize=True)
    assert shares["validation"] == pytest.approx(0.1, abs=0.03)
    assert shares["test"] == pytest.approx(0.1, abs=0.03)
    assert set(rows.loc[rows["label"] == "b", "code"]) == {1}
    learnt = (rows["split"] == "train") & rows["pixels"].notna()
    assert (rows.loc[~learnt, "turn"] == -1).all()
    for _, of_class in rows[learnt].groupby("label"):
        assert sorted(of_class["turn"]) == list(range(len(of_class)))


def test_a_grid_has_a_picture_at_each_place() -> None:
    pictures = np.arange(5, dtype=np.uint8).repeat(4).reshape(5, 2, 2, 1)
    laid = grid(pictures, across=3)
    assert laid.shape == (4, 6, 1)
    assert laid[::2, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 255]]


def test_the_clothing_archive_is_read_whole(spark: SparkSession) -> None:
    if not CLOTHING.exists():
        pytest.skip(f"no {CLOTHING}; the real pictures lie beside the project")
    columns = {"image_id": "position", "image": "image", "label": "label", "split": "split"}
    source = ImageSource(path=str(CLOTHING), format="npz", **columns)
    rows = images(read_source(spark, source, "images.source"), source, 32, 3)
    counts = {row["split"]: row["count"] for row in rows.groupBy("split").count().collect()}
    assert counts == {"train": 3068, "validation": 341, "test": 372}
    assert rows.where("problem IS NOT NULL").count() == 0
    with np.load(CLOTHING) as arrays:
        first = rows.where("image_id = '7'").first()
        assert first is not None
        assert bytes(first["pixels"]) == arrays["images"][7].tobytes()
        assert first["label"] == arrays["classes"][arrays["labels"][7]]
