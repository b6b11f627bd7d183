"""Fills the catalogue's gaps with the attribute VAE in pandas UDFs, and measures it on values that it has not seen."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from scipy.special import ndtr, ndtri
from torch import Tensor

from recaug.augment.calibration import Calibration, is_true, normal_deviate, probabilities, told_number
from recaug.clickstream.attributes import TEST, VALIDATION, Field
from recaug.training.attributes import RECALL, Known, known, score
from recaug.training.checkpoint import load_attribute_vae
from recaug.training.models.attribute_vae import BEHAVIOUR, Ensemble, Experts
from recaug.training.models.item_fields import Seen, given, split

BATCH_ROWS = 512
INTERVAL = 0.9  # of a number, that should hold so many of the truths
COMPLETED = (
    "item_id string, attribute string, code int, number double, probability double, likelier int, "
    "likelier_number double, likelier_probability double"
)
MEASURED = (
    "attribute string, way string, value double, covered double, probabilities array<double>, right array<boolean>"
)


def measure(
    rows: DataFrame, folders: Sequence[str], calibrations: Mapping[str, Calibration], ablations: bool = False
) -> DataFrame:
    """Predict the hidden test values of each item in several ways, and score each prediction.

    rows: of the table item_attributes.
    Ways: `vae`, from all else that is given; `prior`, the most frequent values; `neighbours`, the values of items that
    the same users had, then the most frequent. With ablations instead: `without <modality>[ and <another>]` and
    `only <modality>`.
    Gives attribute, way, value (the score, see training.attributes.score). Of the way `vae` also: covered, whether a
    number's interval holds the truth; probabilities and right, of its proposals (the likeliest value; of a multi-valued
    attribute the likeliest five).
    """

    def of_batch(model: Ensemble, batch: Known, frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
        seen = batch.without(model.fields, (VALIDATION, TEST))
        whole, present, experts = split(model.fields, Seen(*batch[:3])), model.present(seen), model.read(seen)
        names = [*(field.name for field in model.fields), BEHAVIOUR]
        for place, field in enumerate(model.fields):
            asked = (batch.parts[:, place] == TEST) & given(field, whole[place])
            if not field.completed or not bool(asked.any()):
                continue
            part, truth, there = [expert.at(asked) for expert in experts], whole[place][asked], present[asked]
            if ablations:
                others = [at for at in range(len(names)) if at != place]
                for without in [*combinations(others, 1), *combinations(others, 2)]:
                    left = there.clone()
                    left[:, list(without)] = False
                    way = "without " + " and ".join(names[at] for at in without)
                    yield _rows(field, way, score(field, model.tell(part, left, field), truth))
                for at in others:
                    only = torch.zeros_like(there)
                    only[:, at] = there[:, at]
                    yield _rows(field, f"only {names[at]}", score(field, model.tell(part, only, field), truth))
                continue
            predicted = model.tell(part, there, field)
            yield _proposals(field, predicted, truth, calibrations[field.name])
            yield from _baselines(model, field, part[0], truth)

    return rows.mapInPandas(_by_batch(folders, of_batch, MEASURED), MEASURED)


class Bounds(NamedTuple):
    """Where a gap is filled, where a given value is doubtful, and how far off a number may be."""

    min_probability: float
    max_doubt: float
    tolerance: float


def complete(
    rows: DataFrame, folders: Sequence[str], calibrations: Mapping[str, Calibration], bounds: Bounds
) -> DataFrame:
    """Fill each gap that is told with min_probability, and list the given values that all else speaks against.

    Gives item_id, attribute, code or number, probability; of a doubtful value also likelier, likelier_number and
    likelier_probability, null of a filled gap. Doubtful is a category whose probability is below max_doubt while
    another value has min_probability; one of several values that is less than max_doubt times as likely as in the
    catalogue at large, where most are rare (likelier is then the likeliest that is not given); a number with less than
    max_doubt beyond it on both sides. A number's probability is that the truth is within `tolerance` of it, as a share
    of it.
    """

    def of_batch(model: Ensemble, batch: Known, frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
        seen, items = Seen(*batch[:3]), frame["item_id"].to_numpy()
        whole, present, experts = split(model.fields, seen), model.present(seen), model.read(seen)
        for place, field in enumerate(model.fields):
            if not field.completed:
                continue
            others = present.clone()
            others[:, place] = False
            output, calibration = model.tell(experts, others, field), calibrations[field.name]
            if field.kind == "numeric":
                yield from _judged_numbers(items, field, output, whole[place], calibration, bounds)
                continue
            chances = probabilities(field, output, calibration)
            yield _doubtful(items, field, chances, whole[place], model.first.prior_of(field), bounds)
            yield _filled(items, field, chances, given(field, whole[place]), bounds)

    return rows.mapInPandas(_by_batch(folders, of_batch, COMPLETED), COMPLETED)


def _filled(items: NDArray[Any], field: Field, chances: Tensor, there: Tensor, bounds: Bounds) -> pd.DataFrame:
    """The values of a coded field that fill its gaps: of a category the likeliest, else each that is likely enough.

    chances: (batch, size + 1); there: (batch,) bool, whether the field has a value.
    """
    filled = chances
    if field.kind == "categorical":
        best = chances.max(dim=1)
        filled = torch.zeros_like(chances).scatter_(1, best.indices[:, None], best.values[:, None])
    filled = filled.masked_fill(there[:, None], 0.0)
    row, code = torch.nonzero(filled >= max(bounds.min_probability, 1e-9), as_tuple=True)
    return _completed(items[row.numpy()], field, filled[row, code].numpy(), code=code.numpy())


def _doubtful(
    items: NDArray[Any], field: Field, chances: Tensor, codes: Tensor, prior: Tensor, bounds: Bounds
) -> pd.DataFrame:
    """The given values of a coded field that are unlikely.

    codes: (batch, width), the given ones, size + 1 for one too rare to be told; prior: (size,).
    """
    common = (codes > 0) & (codes <= field.size)
    held = torch.where(common, codes, 0)
    chance, best = chances.gather(1, held), chances.scatter(1, held, 0.0).max(dim=1)
    if field.kind == "categorical":
        doubted = common & (chance < bounds.max_doubt) & (best.values >= bounds.min_probability)[:, None]
    else:
        doubted = common & (chance < bounds.max_doubt * torch.cat([prior.new_zeros(1), prior])[held])
    row, place = torch.nonzero(doubted, as_tuple=True)
    likelier = {"likelier": best.indices[row].numpy(), "likelier_probability": best.values[row].numpy()}
    rows = _completed(items[row.numpy()], field, chance[row, place].numpy(), code=held[row, place].numpy())
    return rows.assign(**likelier)


def _judged_numbers(
    items: NDArray[Any], field: Field, output: Tensor, truth: Tensor, calibration: Calibration, bounds: Bounds
) -> Iterator[pd.DataFrame]:
    """The numbers that fill a field's gaps, and the given ones that are too far off."""
    there = given(field, truth).numpy()
    number, likely = told_number(field, output, calibration, bounds.tolerance)
    filled = ~there & (likely >= bounds.min_probability)
    yield _completed(items[filled], field, likely[filled], number=number[filled])
    mean, sigma = normal_deviate(output, calibration)
    chance = 2 * ndtr(-np.abs(truth[:, 0].double().numpy() - mean) / sigma)
    at = there & (chance < bounds.max_doubt)
    doubtful = _completed(items[at], field, chance[at], number=field.number(truth[:, 0].double().numpy()[at]))
    yield doubtful.assign(likelier=0, likelier_number=number[at], likelier_probability=likely[at])


def latents(rows: DataFrame, folders: Sequence[str]) -> DataFrame:
    """Where the first VAE puts each item: item_id, latent (array<float>), mu of all that is given."""

    def of_batch(model: Ensemble, batch: Known, frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
        seen = Seen(*batch[:3])
        with torch.no_grad():
            mu = model.first.join(model.first.read(seen), model.present(seen))[0].numpy()
        yield frame[["item_id"]].assign(latent=pd.Series(list(mu), index=frame.index))

    schema = "item_id string, latent array<float>"
    return rows.mapInPandas(_by_batch(folders, of_batch, schema), schema)


Batches = Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]


def _by_batch(
    folders: Sequence[str], of_batch: Callable[[Ensemble, Known, pd.DataFrame], Iterator[pd.DataFrame]], schema: str
) -> Batches:
    """Make the function that gives a model the rows of Arrow batches, some hundred at once."""
    columns = [column.split()[0] for column in schema.split(", ")]

    def run(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        torch.set_num_threads(1)  # one Spark task, one core
        model = load(tuple(folders))
        for frame in frames:
            for start in range(0, len(frame), BATCH_ROWS):
                part = frame.iloc[start : start + BATCH_ROWS]
                for made in of_batch(model, known(part), part):
                    yield made[columns]

    return run


@lru_cache(maxsize=2)
def load(folders: tuple[str, ...]) -> Ensemble:
    """Load the models, once a Python worker; what lies at a model's address never changes."""
    return Ensemble([load_attribute_vae(folder) for folder in folders])


def _rows(field: Field, way: str, value: Tensor, **more: Any) -> pd.DataFrame:
    empty = {"covered": np.nan, "probabilities": None, "right": None}
    return pd.DataFrame({"attribute": field.name, "way": way, "value": value.double().numpy()}).assign(**(empty | more))


def _proposals(field: Field, predicted: Tensor, truth: Tensor, calibration: Calibration) -> pd.DataFrame:
    """What the VAE tells, with its probabilities and whether they are right."""
    value = score(field, predicted, truth)
    if field.kind == "numeric":
        mean, sigma = normal_deviate(predicted, calibration)
        inside = np.abs(truth[:, 0].double().numpy() - mean) <= ndtri((1 + INTERVAL) / 2) * sigma
        return _rows(field, "vae", value, covered=inside.astype(float))
    k = 1 if field.kind == "categorical" else min(RECALL, field.size)
    best = probabilities(field, predicted, calibration).topk(k, dim=1)
    right = is_true(best.indices, truth).numpy()
    return _rows(field, "vae", value, probabilities=list(best.values.numpy()), right=list(right))


def _baselines(model: Ensemble, field: Field, experts: Experts, truth: Tensor) -> Iterator[pd.DataFrame]:
    """What frequency tells, and the neighbours' values; of a number the median."""
    if field.kind == "numeric":
        yield _rows(field, "prior", score(field, torch.zeros(len(truth), 2), truth))
        return
    prior = model.first.prior_of(field).expand(len(truth), -1)
    shares = experts.shares[model.first.by_neighbours.index(field)][:, 0]
    near = (1e-6 * prior).index_add(0, experts.rows, shares)
    for way, frequencies in {"prior": prior, "neighbours": near}.items():
        yield _rows(field, way, score(field, torch.nn.functional.pad(frequencies, (1, 0), value=-1.0), truth))


def _completed(
    items: NDArray[Any],
    field: Field,
    probability: NDArray[np.float64],
    code: NDArray[np.int64] | int = 0,
    number: NDArray[np.float64] | float = np.nan,
) -> pd.DataFrame:
    columns = {"item_id": items, "attribute": field.name, "code": code, "number": number}
    nothing = {"likelier": None, "likelier_number": np.nan, "likelier_probability": np.nan}
    millionths = np.floor(probability * 1e6)  # not rounded up, so that what is below a bound is written below it
    return pd.DataFrame(columns | {"probability": millionths / 1e6} | nothing)
