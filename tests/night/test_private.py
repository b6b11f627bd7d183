"""A night with differential privacy: what its generators know has noise, and what that spends is written down."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from pyspark.sql import SparkSession
from tests.training.conftest import N_ITEMS, entry, small_config, with_generators

from recaug.config import Config, Privacy, convert
from recaug.errors import ConfigError
from recaug.generators.counts import Counts
from recaug.generators.samplers import opened
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import refit
from recaug.night.context import Context
from recaug.night.inputs import generator_inputs
from recaug.night.train import run
from recaug.report.privacy import Protection
from recaug.results import Spent, Train, TrainedModel
from recaug.training.checkpoint import read_meta, read_weights

KEYS = ("0123456789abcdef" * 2, "another key of another shop or so")


def asked(config: Config, key: Path, **changes: Any) -> Config:
    """The configuration with differential privacy, of the VAE alone and a few steps."""
    vae = entry(config, "vae")
    short = msgspec.structs.replace(vae, optimiser=msgspec.structs.replace(vae.optimiser, epochs=2))
    private = msgspec.convert({"epsilon": 8.0, "delta": 1e-3, "key": {"file": str(key)}} | changes, Privacy)
    return msgspec.structs.replace(with_generators(config, short), privacy=private)


@pytest.fixture
def night(spark: SparkSession, toy: Lake, tmp_path: Path) -> Context:
    (tmp_path / "key").write_text(KEYS[0])
    config = asked(small_config(), tmp_path / "key")
    return Context(spark, config, dt.date(2017, 2, 4), toy, Store(tmp_path / "artifacts"))


def trained(night: Context) -> TrainedModel:
    metrics = run(night).metrics
    assert isinstance(metrics, Train)
    (model,) = metrics.models
    return model


def test_one_model_serves_all_folds_and_says_what_it_spent(night: Context) -> None:
    metrics = run(night).metrics
    assert isinstance(metrics, Train)
    (model,) = metrics.models
    assert (model.name, model.fold, model.epoch) == ("vae-all", None, 2)  # the last epoch: validation chooses nothing
    assert metrics.spent is not None
    assert 7.9 < metrics.spent.epsilon <= 8.0
    private = read_meta(model.folder)["private"]
    assert msgspec.convert(private["spent"], Spent) == metrics.spent
    assert KEYS[0] not in Store(model.folder).read("meta.json").decode()
    assert "epsilon 8.00 at delta 0.001" in Protection(spent=metrics.spent).said
    users = night.lake.read("sequences").where("split = 'train' AND length >= 2").count()
    _, (noise, rate, steps) = metrics.spent.mechanisms
    assert (private["training"], rate, steps) == (noise, 16 / users, 2 * -(-users // 16))
    served = night.config.augment.entry("vae").folders(generator_inputs(night), [model])  # type: ignore[attr-defined]
    assert served == dict.fromkeys(range(2), model.folder)


def test_the_same_night_has_the_same_noise_and_another_key_another(night: Context, tmp_path: Path) -> None:
    first = trained(night)
    again = trained(dataclasses.replace(night, artifacts=Store(tmp_path / "again")))
    assert Path(first.folder).name == Path(again.folder).name
    assert not again.reused
    assert read_meta(first.folder)["weights"] == read_meta(again.folder)["weights"]
    (tmp_path / "key").write_text(KEYS[1])
    other = trained(night)
    assert Path(other.folder).name != Path(first.folder).name
    assert read_meta(other.folder)["weights"] != read_meta(first.folder)["weights"]


def test_a_refit_adds_what_it_spends_to_what_the_proof_spent(night: Context) -> None:
    proved = run(night).metrics
    assert isinstance(proved, Train)
    assert proved.spent is not None
    both = refit._spent(night, proved)
    assert both is not None
    assert both.mechanisms == proved.spent.mechanisms * 2  # the toy's tables stand for those of all days
    assert proved.spent.epsilon < both.epsilon < 2 * proved.spent.epsilon
    exact = dataclasses.replace(night, config=small_config())
    assert refit._spent(exact, msgspec.structs.replace(proved, spent=None)) is None


def test_counts_and_popularity_are_the_noisy_ones(night: Context) -> None:
    inputs, exact = generator_inputs(night), generator_inputs(dataclasses.replace(night, config=small_config()))
    assert inputs.private is not None
    folders = Counts(attributes=0.0).folders(inputs, [])
    assert len(set(folders.values())) == 1
    module: Any = opened(folders[0])
    assert not module.own  # a bounded part with noise cannot be taken out
    threshold = inputs.private.noise("any").threshold
    weights = module.covisitation.weights
    assert float(weights[weights > 0].min()) > 0.1 * threshold if bool((weights > 0).any()) else threshold > 5
    noisy, real = inputs.events(), exact.events()
    assert len(noisy) == len(real) == N_ITEMS + 1
    assert not np.allclose(noisy, real, atol=0.05)
    assert np.array_equal(noisy, inputs.events())
    popularity = read_weights(trained(night).folder)["head.informed.popularity"].numpy()
    assert popularity[1:] == pytest.approx((noisy + 0.1)[1:] / (noisy + 0.1).sum(), rel=1e-3)


def test_a_delta_that_a_user_could_fall_into_is_refused(night: Context, tmp_path: Path) -> None:
    loose = dataclasses.replace(night, config=asked(small_config(), tmp_path / "key", delta=0.009))
    assert generator_inputs(loose).private is not None  # fewer than 111 users
    few = msgspec.structs.replace(loose.config.privacy, delta=0.02)
    wrong = dataclasses.replace(loose, config=msgspec.structs.replace(loose.config, privacy=few))
    with pytest.raises(ConfigError, match=r"privacy.delta 0.02 is 1 in \d+ users or more; set it to a tenth"):
        generator_inputs(wrong)


def test_a_vae_that_learns_by_candidates_is_refused(night: Context) -> None:
    small = msgspec.structs.replace(night.config.augment.entry("vae"), full_softmax_items=10)  # type: ignore[type-var]
    wrong = dataclasses.replace(night, config=with_generators(night.config, small))
    with pytest.raises(ConfigError, match=f"vae: with privacy.epsilon set full_softmax_items to {N_ITEMS} or more"):
        run(wrong)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epsilon": 0.0}, "Expected `float` > 0"),
        ({"epsilon": -1.0}, "Expected `float` > 0"),
        ({"key": None}, "privacy.epsilon wants privacy.key"),
        ({"min_users": 2}, "privacy.min_users is for exact counts"),
        ({"delta": 0.5}, "Expected `float` < 0.01"),
        ({"contributions": 0}, "Expected `int` >= 1"),
        ({}, "privacy.epsilon: gan cannot keep it; leave these generators out, or set it to null"),
    ],
)
def test_what_keeps_no_privacy_is_one_line(changes: dict[str, Any], said: str) -> None:
    given = msgspec.to_builtins(small_config())
    given["privacy"] |= {"epsilon": 4.0, "key": {"env": "RECAUG_KEY"}} | changes
    with pytest.raises((msgspec.ValidationError, ValueError), match=said):
        convert(given)
