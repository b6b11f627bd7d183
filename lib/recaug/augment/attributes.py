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
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri
from torch import Tensor

from recaug.clickstream.attributes import TEST, VALIDATION, Field
from recaug.training.attributes import RECALL, Known, found, known
from recaug.training.checkpoint import load_attribute_vae
from recaug.training.models.attribute_vae import BEHAVIOUR, Ensemble, Experts
from recaug.training.models.item_fields import Seen, given, split

BATCH_ROWS = 512
CALIBRATED = 20  # likeliest values of a multi-valued attribute that its probabilities are fitted on
INTERVAL = 0.9  # of a number, that should hold so many of the truths
COMPLETED = (
    "item_id string, attribute string, code int, number double, probability double, likelier int, "
    "likelier_number double, likelier_probability double"
)
MEASURED = (
    "attribute string, way string, value double, covered double, probabilities array<double>, right array<boolean>"
)


class Calibration(NamedTuple):
    """What turns a field's output into probabilities.

    Of a category softmax(slope * logits), the slope being one over the temperature (Guo et al. 2017). Of the values of
    a multi-valued one sigmoid(slope * log t - bend * log(1 - t) + offset), the beta calibration of Kull et al. (2017),
    where t is the chance that one of as many draws from the softmax as items have values is this one. Of a number slope
    is the factor of sigma.
    """

    slope: float
    bend: float = 0.0
    offset: float = 0.0
    draws: float = 1.0

    def logit(self, log_p: Tensor) -> Tensor:
        """Of a multi-valued field's log softmax."""
        log_missed = self.draws * torch.log1p(-log_p.exp().clamp(max=1 - 1e-9))  # log(1 - t)
        return self.slope * torch.log(-torch.expm1(log_missed)) - self.bend * log_missed + self.offset


def calibrate(model: Ensemble, rows: Known) -> dict[str, Calibration]:
    """Fit each field's calibration to its values kept for validation, by likelihood; slope 1 where there are none."""
    seen, made = rows.without(model.fields, (VALIDATION, TEST)), {}
    whole, visible, experts = split(model.fields, Seen(*rows[:3])), model.present(seen), model.read(seen)
    for place, one in enumerate(model.fields):
        if not one.completed:
            continue
        asked = (rows.parts[:, place] == VALIDATION) & given(one, whole[place])
        told, truth = model.tell(experts, visible, one)[asked], whole[place][asked]
        made[one.name] = _fitted(one, told, truth) if len(truth) else Calibration(1.0)
    return made


def _fitted(one: Field, told: Tensor, truth: Tensor) -> Calibration:
    if one.kind == "numeric":
        mean, log_sigma = told.double().chunk(2, dim=1)
        return Calibration(float(((truth - mean) / log_sigma.clamp(-5, 3).exp()).square().mean().sqrt()))
    if one.kind == "categorical":
        common = truth[:, 0] <= one.size
        logits, labels = told[common, 1:].double(), truth[common, :1] - 1

        def nll(at: NDArray[np.float64]) -> float:
            return -float(torch.log_softmax(np.exp(at[0]) * logits, dim=1).gather(1, labels).mean())

        return Calibration(float(np.exp(minimize(nll, [0.0], method="Nelder-Mead").x[0])) if len(labels) else 1.0)
    draws = float((truth > 0).sum(dim=1).double().mean())
    best = torch.log_softmax(told.double(), dim=1).topk(min(CALIBRATED, one.size), dim=1)
    right = _is_true(best.indices, truth).double()

    def cross_entropy(at: NDArray[np.float64]) -> float:
        logit = Calibration(np.exp(at[0]), np.exp(at[1]), at[2], draws).logit(best.values)
        return float(torch.nn.functional.binary_cross_entropy_with_logits(logit, right))

    slope, bend, offset = minimize(cross_entropy, [0.0, 0.0, 0.0], method="Nelder-Mead").x
    return Calibration(float(np.exp(slope)), float(np.exp(bend)), float(offset), draws)


def probabilities(one: Field, told: Tensor, calibration: Calibration) -> Tensor:
    """Probability of each value of a coded field, (batch, size + 1); 0 at 0."""
    if one.kind == "categorical":
        return torch.softmax(calibration.slope * told.double(), dim=1)
    chances = torch.sigmoid(calibration.logit(torch.log_softmax(told.double(), dim=1)))
    return torch.where(told > -torch.inf, chances, 0.0)


def measure(
    rows: DataFrame, folders: Sequence[str], calibrations: Mapping[str, Calibration], ablations: bool = False
) -> DataFrame:
    """Tell the test's values of each item from what else is given, and from less.

    Columns: `rows` as item_attributes. Gives attribute, way, value (see training.attributes.found), and of the way
    `vae` whether a number's interval covers it, and of the proposals (the likeliest value, of a multi-valued attribute
    five) the probability and whether it is right. Ways: `vae`, `prior` (the most frequent values), `neighbours` (those
    of the items that users had with it, then the most frequent); with ablations instead `without <modality>[ and
    <another>]`, and `only <modality>`.
    """

    def of_batch(model: Ensemble, batch: Known, frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
        seen = batch.without(model.fields, (VALIDATION, TEST))
        whole, present, experts = split(model.fields, Seen(*batch[:3])), model.present(seen), model.read(seen)
        names = [*(one.name for one in model.fields), BEHAVIOUR]
        for place, one in enumerate(model.fields):
            asked = (batch.parts[:, place] == TEST) & given(one, whole[place])
            if not one.completed or not bool(asked.any()):
                continue
            part, truth, there = [told.of(asked) for told in experts], whole[place][asked], present[asked]
            if ablations:
                others = [at for at in range(len(names)) if at != place]
                for without in [*combinations(others, 1), *combinations(others, 2)]:
                    left = there.clone()
                    left[:, list(without)] = False
                    way = "without " + " and ".join(names[at] for at in without)
                    yield _rows(one, way, found(one, model.tell(part, left, one), truth))
                for at in others:
                    only = torch.zeros_like(there)
                    only[:, at] = there[:, at]
                    yield _rows(one, f"only {names[at]}", found(one, model.tell(part, only, one), truth))
                continue
            told = model.tell(part, there, one)
            yield _proposals(one, told, truth, calibrations[one.name])
            yield from _baselines(model, one, part[0], truth)

    return rows.mapInPandas(_by_batch(folders, of_batch, MEASURED), MEASURED)


def complete(
    rows: DataFrame,
    folders: Sequence[str],
    calibrations: Mapping[str, Calibration],
    *,
    min_probability: float,
    max_doubt: float,
    tolerance: float,
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
        seen = Seen(*batch[:3])
        whole, present, experts = split(model.fields, seen), model.present(seen), model.read(seen)
        for place, one in enumerate(model.fields):
            if not one.completed:
                continue
            others = present.clone()
            others[:, place] = False
            told, calibration = model.tell(experts, others, one), calibrations[one.name]
            items, there = frame["item_id"].to_numpy(), given(one, whole[place]).numpy()
            if one.kind == "numeric":
                yield from _judged_numbers(items, there, one, told, whole[place], calibration)
                continue
            chances = probabilities(one, told, calibration)
            yield _doubtful(items, one, chances, whole[place], model.first.prior_of(one))
            filled = chances
            if one.kind == "categorical":
                best = chances.max(dim=1)
                filled = torch.zeros_like(chances).scatter_(1, best.indices[:, None], best.values[:, None])
            filled = filled.masked_fill(torch.from_numpy(there)[:, None], 0.0)
            row, code = torch.nonzero(filled >= max(min_probability, 1e-9), as_tuple=True)
            yield _completed(items[row.numpy()], one, filled[row, code].numpy(), code=code.numpy())

    def _doubtful(items: NDArray[Any], one: Field, chances: Tensor, codes: Tensor, prior: Tensor) -> pd.DataFrame:
        """codes: (batch, width), the given ones, size + 1 for one too rare to be told; prior: (size,)."""
        common = (codes > 0) & (codes <= one.size)
        held = torch.where(common, codes, 0)
        chance, best = chances.gather(1, held), chances.scatter(1, held, 0.0).max(dim=1)
        if one.kind == "categorical":
            doubted = common & (chance < max_doubt) & (best.values >= min_probability)[:, None]
        else:
            doubted = common & (chance < max_doubt * torch.cat([prior.new_zeros(1), prior])[held])
        row, place = torch.nonzero(doubted, as_tuple=True)
        likelier = {"likelier": best.indices[row].numpy(), "likelier_probability": best.values[row].numpy()}
        rows = _completed(items[row.numpy()], one, chance[row, place].numpy(), code=held[row, place].numpy())
        return rows.assign(**likelier)

    def _judged_numbers(
        items: NDArray[Any], there: NDArray[np.bool_], one: Field, told: Tensor, truth: Tensor, calibration: Calibration
    ) -> Iterator[pd.DataFrame]:
        number, likely = _number(one, told, calibration, tolerance)
        filled = ~there & (likely >= min_probability)
        yield _completed(items[filled], one, likely[filled], number=number[filled])
        mean, sigma = _normal(told, calibration)
        chance = 2 * ndtr(-np.abs(truth[:, 0].double().numpy() - mean) / sigma)
        at = there & (chance < max_doubt)
        doubtful = _completed(items[at], one, chance[at], number=one.number(truth[:, 0].double().numpy()[at]))
        yield doubtful.assign(likelier=0, likelier_number=number[at], likelier_probability=likely[at])

    return rows.mapInPandas(_by_batch(folders, of_batch, COMPLETED), COMPLETED)


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
    """Load the models, once a Python worker."""
    return Ensemble([load_attribute_vae(folder) for folder in folders])


def _is_true(codes: Tensor, truth: Tensor) -> Tensor:
    """Which codes (batch, k) are among the truth's (batch, width)."""
    return (codes[:, :, None] == truth[:, None, :]).any(dim=2) & (codes > 0)


def _rows(one: Field, way: str, value: Tensor, **more: Any) -> pd.DataFrame:
    empty = {"covered": np.nan, "probabilities": None, "right": None}
    return pd.DataFrame({"attribute": one.name, "way": way, "value": value.double().numpy()}).assign(**(empty | more))


def _proposals(one: Field, told: Tensor, truth: Tensor, calibration: Calibration) -> pd.DataFrame:
    """What the VAE tells, with its probabilities and whether they are right."""
    value = found(one, told, truth)
    if one.kind == "numeric":
        mean, sigma = _normal(told, calibration)
        inside = np.abs(truth[:, 0].double().numpy() - mean) <= ndtri((1 + INTERVAL) / 2) * sigma
        return _rows(one, "vae", value, covered=inside.astype(float))
    best = probabilities(one, told, calibration).topk(1 if one.kind == "categorical" else min(RECALL, one.size), dim=1)
    right = _is_true(best.indices, truth).numpy()
    return _rows(one, "vae", value, probabilities=list(best.values.numpy()), right=list(right))


def _baselines(model: Ensemble, one: Field, experts: Experts, truth: Tensor) -> Iterator[pd.DataFrame]:
    """What frequency tells, and the neighbours' values; of a number the median."""
    if one.kind == "numeric":
        yield _rows(one, "prior", found(one, torch.zeros(len(truth), 2), truth))
        return
    prior = model.first.prior_of(one).expand(len(truth), -1)
    shares = experts.shares[model.first.told.index(one)][:, 0]
    near = (1e-6 * prior).index_add(0, experts.rows, shares)
    for way, told in {"prior": prior, "neighbours": near}.items():
        yield _rows(one, way, found(one, torch.nn.functional.pad(told, (1, 0), value=-1.0), truth))


def _normal(told: Tensor, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and calibrated deviation of a number's normal deviate."""
    mean, log_sigma = told.double().chunk(2, dim=1)
    return mean[:, 0].numpy(), calibration.slope * log_sigma[:, 0].clamp(-5, 3).exp().numpy()


def _number(
    one: Field, told: Tensor, calibration: Calibration, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A number and the probability that the truth is about the same."""
    mean, sigma = _normal(told, calibration)
    number = one.number(mean)
    off = tolerance * np.abs(number)
    low, high = one.normal(number - off), one.normal(number + off)
    return number, ndtr((high - mean) / sigma) - ndtr((low - mean) / sigma)


def _completed(
    items: NDArray[Any],
    one: Field,
    probability: NDArray[np.float64],
    code: NDArray[np.int64] | int = 0,
    number: NDArray[np.float64] | float = np.nan,
) -> pd.DataFrame:
    told = {"item_id": items, "attribute": one.name, "code": code, "number": number}
    nothing = {"likelier": None, "likelier_number": np.nan, "likelier_probability": np.nan}
    millionths = np.floor(probability * 1e6)  # not rounded up, so that what is below a bound is written below it
    return pd.DataFrame(told | {"probability": millionths / 1e6} | nothing)
