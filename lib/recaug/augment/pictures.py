"""Pictures in batch by pandas UDFs: classic enhancement of real ones, and samples of the GAN and the VAE."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from torch import Tensor

from recaug.clickstream.layouts import png
from recaug.config import Enhancement
from recaug.training.checkpoint import load_model
from recaug.training.models.image_gan import ImageGAN
from recaug.training.models.image_layers import to_pixels, to_unit
from recaug.training.models.image_vae import ImageVAE

BLOCK = 64  # pictures that share a random generator: the same whatever the partitions
DRAWN = "image_id string, code int, pixels binary, parent_id string, distance double"


def enhanced(pictures: Tensor, settings: Enhancement, generator: torch.Generator) -> Tensor:
    """Noise, rotation, scaling and a flip, other ones for each picture; outside is the edge's colour.

    pictures: (batch, channels, height, width) in -1 to 1. Returns the same shape.
    """
    n = len(pictures)

    def between(most: float) -> Tensor:
        return (2 * torch.rand(n, generator=generator) - 1) * most

    angle, scale = between(math.radians(settings.rotation)), 1 + between(settings.scaling)
    sign = torch.where(torch.rand(n, generator=generator) < (0.5 if settings.flip else 0.0), -1.0, 1.0)
    cos, sin, zero = torch.cos(angle) / scale, torch.sin(angle) / scale, torch.zeros(n)
    turned = torch.stack([sign * cos, -sin, zero, sign * sin, cos, zero], dim=1).view(n, 2, 3)
    places = F.affine_grid(turned, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, places, padding_mode="border", align_corners=False)
    noise = torch.randn(pictures.shape, generator=generator) * 2 * settings.noise
    return (moved + noise).clamp(-1, 1)


def enhance(rows: DataFrame, settings: Enhancement, shape: tuple[int, int, int], copies: int, seed: int) -> DataFrame:
    """Enhance each picture `copies` times.

    Columns: `rows` needs image_id, code and pixels. shape: height, width, channels. Gives DRAWN: parent_id is the real
    picture's, distance is null.
    """

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        for frame in frames:
            for name, code, pixels in zip(frame["image_id"], frame["code"], frame["pixels"], strict=True):
                pictures = to_unit(decoded([pixels] * copies, shape))
                made = to_pixels(enhanced(pictures, settings, _generator(seed, name))).numpy()
                yield pd.DataFrame(
                    {
                        "image_id": [f"classic-{name}-{copy}" for copy in range(copies)],
                        "code": code,
                        "pixels": [picture.tobytes() for picture in made],
                        "parent_id": name,
                        "distance": np.nan,
                    }
                )

    return rows.mapInPandas(run, DRAWN)


def sampled(wanted: DataFrame, folder: str, name: str, seed: int, real: NDArray[np.uint8], nearest: float) -> DataFrame:
    """Draw pictures of a finished GAN or VAE, and leave out those that are too close to a real one.

    Columns: `wanted` needs block (int) and code, BLOCK rows a block at most; a block is drawn as one, so that the rows
    are the same whatever the partitions. real: (n, height, width, channels), what the model learnt from; nearest: least
    distance to any of them. Gives DRAWN, parent_id null; distance: of the closest real picture (see distances).
    """
    table = torch.from_numpy(real.reshape(len(real), -1).astype(np.float32) / 255)

    def draw(frame: pd.DataFrame) -> pd.DataFrame:
        torch.set_num_threads(1)  # one Spark task, one core
        block, model = int(frame["block"].iloc[0]), _load(folder)
        codes = np.sort(frame["code"].to_numpy())
        pictures = model.sample(torch.from_numpy(codes.astype(np.int64)), _generator(seed, f"{name}-{block}"))
        pixels = to_pixels(pictures).numpy()
        distance = distances(torch.from_numpy(pixels.reshape(len(pixels), -1).astype(np.float32) / 255), table)
        rows = pd.DataFrame(
            {
                "image_id": [f"{name}-{seed}-{block}-{place}" for place in range(len(codes))],
                "code": codes,
                "pixels": [picture.tobytes() for picture in pixels],
                "parent_id": None,
                "distance": distance.min(dim=1).values.double().numpy(),
            }
        )
        return rows[rows["distance"] >= nearest]

    return wanted.groupBy("block").applyInPandas(draw, DRAWN)


def distances(pictures: Tensor, others: Tensor) -> Tensor:
    """Root mean square difference of each pair, of values from 0 to 1. (n, pixels) and (m, pixels) give (n, m)."""
    return torch.cdist(pictures, others) / math.sqrt(pictures.shape[1])


def decoded(pixels: Iterable[bytes], shape: tuple[int, int, int]) -> Tensor:
    """Rows of bytes as uint8 (n, height, width, channels)."""
    return torch.from_numpy(np.frombuffer(b"".join(map(bytes, pixels)), np.uint8).reshape(-1, *shape).copy())


def as_png(rows: DataFrame, shape: tuple[int, int, int]) -> DataFrame:
    """Give the picture's PNG bytes, `png`, in place of `pixels`."""
    schema = ", ".join(f"`{name}` {'binary' if name == 'pixels' else kind}" for name, kind in rows.dtypes)

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for frame in frames:
            written = [png(picture) for picture in decoded(frame["pixels"], shape).numpy()]
            yield frame.assign(pixels=pd.Series(written, index=frame.index))

    return rows.mapInPandas(run, schema).withColumnRenamed("pixels", "png")


def _generator(seed: int, name: str) -> torch.Generator:
    """Random numbers that belong to a name."""
    words = np.random.SeedSequence([seed, *name.encode()]).generate_state(2)
    return torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)


@lru_cache(maxsize=4)
def _load(folder: str) -> ImageGAN | ImageVAE:
    """Load a model, once a Python worker; what lies at a model's address never changes."""
    model = load_model(folder)
    if not isinstance(model, (ImageGAN, ImageVAE)):
        raise ValueError(f"{folder} holds a {type(model).__name__}, no generator of pictures")
    return model
