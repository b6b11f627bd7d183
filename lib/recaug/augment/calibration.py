"""Turns what the attribute VAE gives of a field into probabilities, fitted on values kept for validation."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtr
from torch import Tensor

from recaug.clickstream.attributes import TEST, VALIDATION, Field
from recaug.training.attributes import Known
from recaug.training.models.attribute_vae import Ensemble
from recaug.training.models.item_fields import Seen, given, split

CALIBRATED = 20  # likeliest values of a multi-valued attribute that its probabilities are fitted on


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
    for place, field in enumerate(model.fields):
        if not field.completed:
            continue
        asked = (rows.parts[:, place] == VALIDATION) & given(field, whole[place])
        predicted, truth = model.tell(experts, visible, field)[asked], whole[place][asked]
        made[field.name] = _fitted(field, predicted, truth) if len(truth) else Calibration(1.0)
    return made


def _fitted(field: Field, predicted: Tensor, truth: Tensor) -> Calibration:
    if field.kind == "numeric":
        mean, log_sigma = predicted.double().chunk(2, dim=1)
        return Calibration(float(((truth - mean) / log_sigma.clamp(-5, 3).exp()).square().mean().sqrt()))
    if field.kind == "categorical":
        common = truth[:, 0] <= field.size
        logits, labels = predicted[common, 1:].double(), truth[common, :1] - 1

        def nll(at: NDArray[np.float64]) -> float:
            return -float(torch.log_softmax(np.exp(at[0]) * logits, dim=1).gather(1, labels).mean())

        return Calibration(float(np.exp(minimize(nll, [0.0], method="Nelder-Mead").x[0])) if len(labels) else 1.0)
    draws = float((truth > 0).sum(dim=1).double().mean())
    best = torch.log_softmax(predicted.double(), dim=1).topk(min(CALIBRATED, field.size), dim=1)
    right = is_true(best.indices, truth).double()

    def cross_entropy(at: NDArray[np.float64]) -> float:
        logit = Calibration(np.exp(at[0]), np.exp(at[1]), at[2], draws).logit(best.values)
        return float(torch.nn.functional.binary_cross_entropy_with_logits(logit, right))

    slope, bend, offset = minimize(cross_entropy, [0.0, 0.0, 0.0], method="Nelder-Mead").x
    return Calibration(float(np.exp(slope)), float(np.exp(bend)), float(offset), draws)


def probabilities(field: Field, predicted: Tensor, calibration: Calibration) -> Tensor:
    """Probability of each value of a coded field, (batch, size + 1); 0 at 0."""
    if field.kind == "categorical":
        return torch.softmax(calibration.slope * predicted.double(), dim=1)
    chances = torch.sigmoid(calibration.logit(torch.log_softmax(predicted.double(), dim=1)))
    return torch.where(predicted > -torch.inf, chances, 0.0)


def is_true(codes: Tensor, truth: Tensor) -> Tensor:
    """Which codes (batch, k) are among the truth's (batch, width)."""
    return (codes[:, :, None] == truth[:, None, :]).any(dim=2) & (codes > 0)


def normal_deviate(predicted: Tensor, calibration: Calibration) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and calibrated deviation of a number's normal deviate."""
    mean, log_sigma = predicted.double().chunk(2, dim=1)
    return mean[:, 0].numpy(), calibration.slope * log_sigma[:, 0].clamp(-5, 3).exp().numpy()


def told_number(
    field: Field, predicted: Tensor, calibration: Calibration, tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A number and the probability that the truth is about the same."""
    mean, sigma = normal_deviate(predicted, calibration)
    number = field.number(mean)
    off = tolerance * np.abs(number)
    low, high = field.normal(number - off), field.normal(number + off)
    return number, ndtr((high - mean) / sigma) - ndtr((low - mean) / sigma)
