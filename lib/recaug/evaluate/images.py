"""What generated pictures are worth: a classifier's accuracy on real ones, fidelity and diversity in its features."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from torch import Tensor

from recaug.augment.pictures import decoded, distances
from recaug.results import Fidelity
from recaug.training.checkpoint import load_model
from recaug.training.models.image_classifier import ImageClassifier
from recaug.training.models.image_layers import to_unit

NEAREST = 5  # neighbours of precision, recall, density and coverage (Naeem et al. 2020, section 4)
COMPARED = 2000  # pictures at most on each side
CLOSE = 0.05  # quantile of the real pictures' distances to each other, below which a generated one is too close


def judged(rows: DataFrame, folders: Mapping[str, str], shape: tuple[int, int, int]) -> DataFrame:
    """Ask each classifier for the class of each picture.

    Columns: `rows` needs image_id, split, code and pixels. Gives image_id, split, model, right (double, 1 or 0).
    """

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        models = {name: load_classifier(folder) for name, folder in folders.items()}
        for frame in frames:
            pictures, truth = to_unit(decoded(frame["pixels"], shape)), frame["code"].to_numpy()
            for name, model in models.items():
                with torch.no_grad():
                    predicted = model(pictures).argmax(dim=1).numpy()
                yield frame[["image_id", "split"]].assign(model=name, right=(predicted == truth).astype(float))

    return rows.select("image_id", "split", "code", "pixels").mapInPandas(
        run, "image_id string, split string, model string, right double"
    )


def load_classifier(folder: str) -> ImageClassifier:
    """Load a finished classifier."""
    model = load_model(folder)
    if not isinstance(model, ImageClassifier):
        raise ValueError(f"{folder} holds a {type(model).__name__}, no classifier of pictures")
    return model


def features(pictures: NDArray[np.uint8], classifier: ImageClassifier) -> Tensor:
    """Features of pictures (n, height, width, channels): (n, features)."""
    with torch.no_grad():
        return torch.cat([classifier.features(to_unit(part)) for part in torch.from_numpy(pictures).split(256)])


def fidelity_and_diversity(real: Tensor, generated: Tensor) -> dict[str, float]:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020) of two sets.

    real: (n, features); generated: (m, features). A ball about a picture reaches to its fifth neighbour of its own
    kind. precision: share of the generated in some real ball; recall: of the real in some generated ball; density: mean
    number of real balls that hold a generated picture, over five; coverage: share of the real balls that hold any.

    >>> torch.manual_seed(0) and None
    >>> same = torch.randn(200, 2)
    >>> fidelity_and_diversity(same, same + 100)["coverage"]
    0.0
    >>> fidelity_and_diversity(same, same)["recall"]
    1.0
    """
    k = min(NEAREST, len(real) - 1, len(generated) - 1)
    reach_real = torch.cdist(real, real).kthvalue(k + 1, dim=1).values  # itself is the nearest
    reach_generated = torch.cdist(generated, generated).kthvalue(k + 1, dim=1).values
    between = torch.cdist(real, generated)
    within = between <= reach_real[:, None]
    return {
        "precision": float(within.any(dim=0).double().mean()),
        "recall": float((between <= reach_generated[None, :]).any(dim=1).double().mean()),
        "density": float(within.double().sum(dim=0).mean() / k),
        "coverage": float(within.any(dim=1).double().mean()),
    }


def picture_fidelity(
    real: NDArray[np.uint8],
    real_codes: NDArray[np.int64],
    made: NDArray[np.uint8],
    made_codes: NDArray[np.int64],
    likeness: Mapping[str, float],
) -> Fidelity:
    """Collapse and copies of generated pictures, as the gate bounds them.

    real, made: (n, height, width, channels); codes: their classes; likeness: of fidelity_and_diversity. coverage: of
    the real pictures; entropy_ratio: of the classes; duplicates, copies: shares that equal another, a real picture.

    >>> one = np.zeros((1, 2, 2, 1), np.uint8)
    >>> same = np.concatenate([one, one, one + 1, one + 2])
    >>> found = picture_fidelity(one, np.zeros(1, int), same, np.zeros(4, int), {"coverage": 1.0, "precision": 1.0})
    >>> found.duplicates, found.copies
    (0.5, 0.5)
    """
    counts = Counter(picture.tobytes() for picture in made)
    known = {picture.tobytes() for picture in real}
    entropies = [_entropy(codes) for codes in (made_codes, real_codes)]
    return Fidelity(
        rows=len(made),
        histories=len(made),
        coverage=likeness["coverage"],
        entropy_ratio=entropies[0] / entropies[1] if entropies[1] > 0 else 1.0,
        duplicates=sum(n for n in counts.values() if n > 1) / max(len(made), 1),
        copies=sum(n for picture, n in counts.items() if picture in known) / max(len(made), 1),
        mean_fidelity=likeness["precision"],
    )


def _entropy(codes: NDArray[np.int64]) -> float:
    """Shannon's, of the shares of the classes, in nats."""
    shares = np.unique(codes, return_counts=True)[1] / len(codes)
    return float(-(shares * np.log(shares)).sum())


def nearest_allowed(real: NDArray[np.uint8], seed: int) -> float:
    """The distance below which a generated picture counts as a copy: a low quantile of the real ones' own.

    real: (n, height, width, channels), of which COMPARED at most are compared; each with its nearest other.
    """
    table = torch.from_numpy(some(real, seed).reshape(min(len(real), COMPARED), -1).astype(np.float32) / 255)
    between = distances(table, table)
    between.fill_diagonal_(torch.inf)
    return float(between.min(dim=1).values.quantile(CLOSE))


def some(pictures: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    """COMPARED of them at most."""
    if len(pictures) <= COMPARED:
        return pictures
    return pictures[np.sort(np.random.default_rng(seed).choice(len(pictures), COMPARED, replace=False))]
