import numpy as np
import pandas as pd
import pytest
import torch
from pyspark.sql import SparkSession

from recaug.augment.pictures import as_png, distances, enhance, enhanced, sampled
from recaug.clickstream.layouts import png
from recaug.config import Enhancement
from recaug.evaluate.images import fidelity_and_diversity, nearest_allowed
from recaug.lake.store import Store
from recaug.training.checkpoint import finish_model
from recaug.training.models.image_vae import ImageVAE

NOTHING = {"noise": 0.0, "rotation": 0.0, "scaling": 0.0, "flip": False}
SHAPE = (28, 28, 1)


def spot(row: int, column: int) -> torch.Tensor:
    """A bright spot on black, (1, 1, 28, 28)."""
    picture = torch.full((1, 1, 28, 28), -1.0)
    picture[0, 0, row - 1 : row + 2, column - 1 : column + 2] = 1.0
    return picture


def brightest(picture: torch.Tensor) -> tuple[int, int]:
    row, column = divmod(int(picture.flatten().argmax()), 28)
    return row, column


def test_without_ranges_a_picture_stays_as_it_is() -> None:
    same = enhanced(spot(5, 9), Enhancement(**NOTHING), torch.Generator().manual_seed(0))
    torch.testing.assert_close(same, spot(5, 9))


def test_each_range_does_what_it_says() -> None:
    many, seed = spot(5, 9).repeat(200, 1, 1, 1), torch.Generator().manual_seed(0)
    flipped = enhanced(many, Enhancement(**NOTHING | {"flip": True}), seed)
    columns = [int(one.amax(dim=(0, 1)).argmax()) for one in flipped]
    assert set(columns) == {8, 27 - 10}  # about half of them mirrored
    assert 60 < columns.count(8) < 140
    noisy = enhanced(torch.zeros(200, 1, 28, 28), Enhancement(**NOTHING | {"noise": 0.05}), seed)
    assert float(noisy.std()) / 2 == pytest.approx(0.05, rel=0.05)
    turned = enhanced(many, Enhancement(**NOTHING | {"rotation": 30.0}), seed)
    centre = 13.5
    angles = []
    for one in turned:
        weight = one[0] + 1
        row = float((weight.sum(dim=1) * torch.arange(28)).sum() / weight.sum()) - centre
        column = float((weight.sum(dim=0) * torch.arange(28)).sum() / weight.sum()) - centre
        angles.append(np.degrees(np.arctan2(row, column) - np.arctan2(5 - centre, 9 - centre)))
    assert 25 < np.max(np.abs(angles)) < 31
    scaled = enhanced(spot(13, 13).repeat(200, 1, 1, 1), Enhancement(**NOTHING | {"scaling": 0.5}), seed)
    sizes = (scaled + 1).sum(dim=(1, 2, 3)) / (spot(13, 13) + 1).sum()
    assert float(sizes.min()) < 0.5
    assert float(sizes.max()) > 1.6


def test_enhancing_names_the_parent_and_knows_no_partitions(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        pd.DataFrame({"image_id": ["a", "b", "c"], "code": [0, 1, 1], "pixels": [bytes(range(196)) * 4] * 3})
    )
    settings = Enhancement(noise=0.1, rotation=20.0, scaling=0.2, flip=True)
    one = enhance(rows.coalesce(1), settings, SHAPE, 2, 7).orderBy("image_id").toPandas()
    three = enhance(rows.repartition(3), settings, SHAPE, 2, 7).orderBy("image_id").toPandas()
    pd.testing.assert_frame_equal(one, three)
    assert one["parent_id"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert one["pixels"].map(bytes).nunique() == 6


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained VAE as a finished model."""
    torch.manual_seed(0)
    arguments = {"classes": 3, "network": "perceptron", "z_dim": 4, "width": 1, "size": 28, "channels": 1}
    folder = Store(tmp_path_factory.mktemp("models") / "vae")
    finish_model(folder, ImageVAE(**arguments), {"arguments": arguments})
    return folder.root


def test_samples_are_of_the_classes_asked_for_and_know_no_partitions(spark: SparkSession, vae: str) -> None:
    wanted = spark.range(100).selectExpr("cast(id div 64 AS int) AS block", "cast(id % 3 AS int) AS code")
    real = np.zeros((2, *SHAPE), np.uint8)
    one = sampled(wanted.coalesce(1), vae, "vae", 7, real, 0.0).orderBy("image_id").toPandas()
    many = sampled(wanted.repartition(5), vae, "vae", 7, real, 0.0).orderBy("image_id").toPandas()
    pd.testing.assert_frame_equal(one, many)
    assert one["code"].value_counts().to_dict() == {0: 34, 1: 33, 2: 33}
    assert one["pixels"].map(bytes).nunique() == 100
    other = sampled(wanted, vae, "vae", 8, real, 0.0).toPandas()
    assert not set(other["pixels"].map(bytes)) & set(one["pixels"].map(bytes))


def test_a_picture_too_close_to_a_real_one_is_left_out(spark: SparkSession, vae: str) -> None:
    wanted = spark.range(20).selectExpr("0 AS block", "cast(id % 3 AS int) AS code")
    black = np.zeros((1, *SHAPE), np.uint8)
    drawn = sampled(wanted, vae, "vae", 7, black, 0.0).toPandas()
    copied = np.frombuffer(drawn["pixels"][4], np.uint8).reshape(1, *SHAPE)
    left = sampled(wanted, vae, "vae", 7, np.concatenate([black, copied]), 1e-3).toPandas()
    assert set(drawn["image_id"]) - set(left["image_id"]) == {drawn["image_id"][4]}
    assert (left["distance"] >= 1e-3).all()


def test_pictures_are_written_as_png(spark: SparkSession) -> None:
    pixels = np.arange(784, dtype=np.uint16).astype(np.uint8)
    rows = spark.createDataFrame([("a", pixels.tobytes())], "image_id string, pixels binary")
    row = as_png(rows, SHAPE).first()
    assert row is not None
    assert bytes(row["png"]) == png(pixels.reshape(SHAPE))


def test_distances_and_the_bound_are_known() -> None:
    black, white, grey = torch.zeros(1, 4), torch.ones(1, 4), torch.full((1, 4), 0.5)
    torch.testing.assert_close(distances(black, torch.cat([white, grey])), torch.tensor([[1.0, 0.5]]))
    # pictures of one grey value each, 1, 2, ..., 100 apart: the nearest other is as far as the smaller gap
    values = np.cumsum(np.arange(22)).astype(np.uint8)
    pictures = np.broadcast_to(values[:, None, None, None], (22, 2, 2, 1))
    gaps = np.minimum(np.append(np.diff(values), 255), np.insert(np.diff(values), 0, 255)) / 255
    assert nearest_allowed(pictures, 0) == pytest.approx(np.quantile(gaps, 0.05), abs=1e-4)


def test_a_collapsed_generator_has_precision_and_no_recall() -> None:
    torch.manual_seed(0)
    real = torch.randn(300, 2)
    good = fidelity_and_diversity(real, torch.randn(300, 2))
    assert min(good.values()) > 0.8
    collapsed = fidelity_and_diversity(real, 0.01 * torch.randn(300, 2))
    assert collapsed["precision"] == 1
    assert collapsed["recall"] < 0.1
    assert collapsed["coverage"] < 0.3
