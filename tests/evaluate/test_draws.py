"""Counts of units in the draws of a Poisson bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, poisson

from recaug.evaluate.draws import MOST, Draws, poisson_weights


def test_counts_are_poisson_and_do_not_hang_on_each_other() -> None:
    weights = poisson_weights(np.arange(4000), Draws(500, 3)).astype(np.float64)
    n = weights.size
    found = np.bincount(weights.astype(np.int64).ravel(), minlength=8)
    expected = n * np.append(poisson.pmf(np.arange(7), 1), poisson.sf(6, 1))
    assert chisquare(np.append(found[:7], found[7:].sum()), expected).pvalue > 1e-4
    for one, other in (
        (weights[1:], weights[:-1]),  # of units that follow each other
        (weights[:, 1:], weights[:, :-1]),  # of draws
        (weights, poisson_weights(np.arange(4000), Draws(500, 4))),  # of seeds
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(n)
    # the mean count of a draw has the spread that it should have: no unit is drawn with another one
    assert weights.mean(axis=1).std() * np.sqrt(500) == pytest.approx(1, abs=0.05)
    assert weights.mean(axis=0).std() * np.sqrt(4000) == pytest.approx(1, abs=0.15)
    assert weights.max() <= MOST == 12


@settings(deadline=None, max_examples=30)
@given(
    units=st.lists(st.integers(0, 2**62), min_size=1, max_size=300, unique=True),
    draws=st.integers(0, 9),
    seed=st.integers(0, 2**32),
)
def test_a_units_counts_are_the_same_among_any_others(units: list[int], draws: int, seed: int) -> None:
    together = poisson_weights(np.array(units), Draws(draws, seed))
    assert together.shape == (len(units), draws)
    for unit, weights in list(zip(units, together, strict=True))[:5]:
        np.testing.assert_array_equal(poisson_weights(np.array([unit]), Draws(draws, seed))[0], weights)
    more = poisson_weights(np.array(units), Draws(draws + 3, seed))
    np.testing.assert_array_equal(more[:, :draws], together)
