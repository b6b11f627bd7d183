import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.night.nights import note
from tests.training.conftest import N_ITEMS, entry, histories, small_config, with_generators

from recaug.errors import ContractError
from recaug.generators.base import DrawContinuations
from recaug.generators.counts import Counts
from recaug.generators.pseudo_prior import DrawEarlier, PseudoPrior
from recaug.generators.rare_items import RareItems
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import augment
from recaug.night.context import Context, StageResult
from recaug.night.inputs import generator_inputs, last_night
from recaug.night.train import jobs, run
from recaug.results import Train, TrainedModel
from recaug.training.checkpoint import load_model


def jobs_of(context: Context) -> list[Any]:
    """What the night would train."""
    return jobs(context, generator_inputs(context, last_night(context)))


def by_name(result: StageResult) -> dict[str, TrainedModel]:
    """The models that the stage trained."""
    assert isinstance(result.metrics, Train)
    return {model.name: model for model in result.metrics.models}


@pytest.fixture
def context(spark: SparkSession, own_toy: Lake, tmp_path: Path) -> Context:
    return Context(
        spark=spark,
        config=small_config(),
        date=dt.date(2017, 2, 4),
        lake=own_toy,
        artifacts=Store(tmp_path / "artifacts"),
    )


def test_every_generator_is_trained_once_a_fold_and_found_again(context: Context) -> None:
    result = run(context)
    models = by_name(result)
    assert sorted(models) == ["gan-fold0", "gan-fold1", "vae-fold0", "vae-fold1"]
    for name, model in models.items():
        assert Path(model.folder).parent == Path(context.models.root)
        assert model.curves[-1]["validation_ndcg@10"] > 0
        assert load_model(model.folder).next_logits is not None
        assert not model.reused, name
    again = run(context)
    assert again.content_hash == result.content_hash
    assert all(model.reused for model in by_name(again).values())


def test_a_generator_goes_on_from_the_last_nights(context: Context) -> None:
    training = msgspec.structs.replace(context.config.training, warm_epochs=3)
    alone = (entry(context.config, kind, informed=False) for kind in ("vae", "gan"))  # the counts would know it all
    config = with_generators(msgspec.structs.replace(context.config, training=training), *alone)
    first = dataclasses.replace(context, config=config)
    cold = run(first)
    assert all(model.epoch for model in by_name(cold).values())
    now = dt.datetime(2017, 2, 4)
    versions = {"vocabulary": first.lake.version("vocabulary") or 0}
    record = RunRecord(
        run_id=first.run_id,
        event_date=first.date,
        stage="train",
        started=now,
        finished=now,
        metrics=cold.metrics,
        config_hash=first.config.hash,
        input_versions=versions,
        cpu_seconds=0.0,
        wall_seconds=0.0,
        peak_memory_mb=0.0,
    )
    runs.record(first.lake, record)
    # the next day two items have gone and two have come: index i was i + 2
    shifted = first.lake.read("vocabulary").withColumn("item_id", F.expr("concat('i', item_index + 2)")).persist()
    shifted.count()
    first.lake.replace(shifted, "vocabulary", {}, "r")
    second = dataclasses.replace(first, date=dt.date(2017, 2, 5))
    assert run(first).content_hash == cold.content_hash  # the first night itself starts from nothing, again
    for job in jobs_of(second):
        assert job.start is not None
        assert job.start == by_name(cold)[job.name].folder
        assert job.places.tolist() == [0, *range(3, N_ITEMS + 1), 0, 0]
    warm = by_name(run(second))
    # the same epochs and the same loss from nothing
    vae = entry(first.config, "vae")
    short = msgspec.structs.replace(vae, anneal_share=0.0, optimiser=msgspec.structs.replace(vae.optimiser, epochs=3))
    alone = msgspec.structs.replace(context.config, training=msgspec.structs.replace(training, warm_epochs=None))
    config = with_generators(alone, short)
    anew = by_name(run(dataclasses.replace(second, config=config)))
    assert all(model.started_from is None for model in anew.values())
    for name, model in by_name(cold).items():
        assert model.started_from is None
        assert warm[name].started_from == model.folder
        assert [curve["epoch"] for curve in warm[name].curves] == [0, 1, 2, 3]
        assert warm[name].epoch in range(4)
        if name.startswith("vae"):
            before, fresh = (models[name].curves[0]["validation_ndcg@10"] for models in (warm, anew))
            assert before > fresh
        else:  # the first epoch of a GAN that starts from nothing is one of likelihood
            assert "loss_likelihood" in model.curves[1]
            assert "loss_likelihood" not in warm[name].curves[1]
    # what the gate or the recommender is set to is nothing to a generator; another width does not fit
    wide = with_generators(first.config, entry(first.config, "vae", hidden=16), entry(first.config, "gan"))
    recommend = msgspec.structs.replace(wide, recommend=msgspec.structs.replace(wide.recommend, k=7))
    starts = {job.name: job.start for job in jobs_of(dataclasses.replace(second, config=recommend))}
    assert {name: start is not None for name, start in starts.items()} == {
        "vae-fold0": False,
        "vae-fold1": False,
        "gan-fold0": True,
        "gan-fold1": True,
    }
    other = msgspec.structs.replace(first.config, seed=1)
    assert all(job.start is None for job in jobs_of(dataclasses.replace(second, config=other)))


def test_nothing_of_the_left_out_fold_reaches_its_generator(context: Context) -> None:
    jobs = {(job.generator, job.fold): job for job in jobs_of(context)}
    assert set(jobs) == {(kind, fold) for kind in ("vae", "gan") for fold in (0, 1)}
    rows = context.lake.read("sequences").where("split = 'train' AND length >= 2")
    for (_, fold), job in jobs.items():
        assert job.left.rows == rows.where(F.col("fold") != fold).count()
        assert job.left.n_items == N_ITEMS
        assert job.left.neighbours is not None
        counted = context.lake.read("covisitation").where(F.col("fold") != fold).agg(F.sum("weight")).first()
        assert counted is not None
        assert job.left.neighbours.weights.sum() <= counted[0] + 1e-3
        seen = Counter(item for user, items in enumerate(histories()) if user % 3 % 2 != fold for item in items)
        shares = np.array([0.1 + seen[item] for item in range(N_ITEMS + 1)])
        np.testing.assert_allclose(np.exp(job.left.log_popularity), shares / shares.sum(), rtol=1e-5)
        held_out = context.lake.read("sequences").where((F.col("split") == "validation") & (F.col("fold") == fold))
        assert len(job.left.validation.histories) == held_out.count()


def say_which_items_are_alike(context: Context) -> None:
    """Write a catalogue in which the even items are alike, and the odd ones."""
    rows = [(f"i{i}", None, {}, {}, "even" if i % 2 == 0 else "odd", None, {}) for i in range(1, N_ITEMS + 1)]
    schema = (
        "item_id string, title string, categorical map<string,string>, numeric map<string,double>, text string, "
        "vectors map<string,array<float>>, multi_valued map<string,array<string>>"
    )
    context.lake.replace(context.spark.createDataFrame(rows, schema), "items", {}, "r")


def test_what_is_not_trained_samples_from_the_tables_and_its_generator_is_found_again(context: Context) -> None:
    say_which_items_are_alike(context)
    events = {row.item_index: row.events for row in context.lake.read("vocabulary").collect()}
    few = int(np.median(list(events.values())))
    own = [
        Counts(draw=DrawContinuations(continuations=3, weight=0.6)),
        RareItems(events=few, draw=DrawContinuations(continuations=2)),
        PseudoPrior(draw=DrawEarlier(histories=1.0)),
    ]
    night = dataclasses.replace(context, config=with_generators(context.config, *own))
    trained = run(night)
    assert by_name(trained) == {}
    note(night, "train", trained)
    first = augment.run(night)
    folders = list(Path(night.models.root).glob("counts-*"))
    assert len(folders) == len(own)
    written = [folder.stat().st_mtime_ns for folder in folders]
    every = night.lake.read("candidate_events").join(night.lake.read("vocabulary"), "item_id").toPandas()
    rare, prior = every[every["generator"] == "rare_items"], every[every["generator"] == "pseudo_prior"]
    assert len(rare) > 100
    assert rare["item_index"].map(events).max() <= few < max(events.values())
    assert rare["parent_event_id"].notna().all()
    assert prior["parent_event_id"].isna().all()
    assert prior["user_id"].str.startswith("generated-").all()
    candidates = every[every["generator"] == "counts"]
    assert len(candidates) == first.metrics.generators["counts"].candidates > 100
    assert candidates.groupby("parent_event_id").size().max() == 3
    assert set(candidates["weight"]) == {0.6 / 3}
    again = augment.run(night)
    assert again.content_hash == first.content_hash
    assert [folder.stat().st_mtime_ns for folder in folders] == written


@pytest.mark.parametrize("by", ["catalogue", "latents"])
def test_rare_items_follow_the_items_that_they_are_like(context: Context, by: str) -> None:
    say_which_items_are_alike(context)
    latents = [(f"i{i}", [1.0, 0.0] if i % 2 == 0 else [0.0, 1.0], "v", "r") for i in range(1, N_ITEMS + 1)]
    schema = "item_id string, latent array<float>, generator_version string, run_id string"
    context.lake.replace(context.spark.createDataFrame(latents, schema), "item_latents", {}, "r")
    events = {row.item_index: row.events for row in context.lake.read("vocabulary").collect()}
    few = int(np.median(list(events.values())))
    folders = RareItems(events=few, by=by).folders(generator_inputs(context), [])  # type: ignore[arg-type]
    assert list(folders) == [0, 1]
    model: Any = load_model(folders[0])
    assert model.share == 1
    found = model.likeness.neighbours[1:].numpy()
    assert (found > 0).any(axis=1).all()
    assert all(events[int(item)] <= few for item in np.unique(found[found > 0]))  # of equals the most frequent are kept
    assert ((found % 2 == np.arange(1, N_ITEMS + 1)[:, None] % 2) | (found == 0)).all()


def test_a_generator_is_informed_by_what_the_catalogue_says(context: Context) -> None:
    say_which_items_are_alike(context)
    assert all(job.alike is None for job in jobs_of(context))
    vae = entry(context.config, "vae", attributes=True)
    night = dataclasses.replace(context, config=with_generators(context.config, vae))
    for job in jobs_of(night):
        assert job.alike is not None
        of_each = job.alike.items[1:]
        assert (of_each > 0).any(axis=1).all()
        assert ((of_each % 2 == np.arange(1, N_ITEMS + 1)[:, None] % 2) | (of_each == 0)).all()
    for model in by_name(run(night)).values():
        informed = load_model(model.folder).head.informed
        assert informed.likeness is not None
        assert informed.log_share.item() != pytest.approx(np.log(0.25))  # it was learned


def test_a_lake_without_histories_is_one_line(context: Context) -> None:
    alone = context.lake.read("sequences").where("fold = 0").persist()
    alone.count()
    context.lake.replace(alone, "sequences", {}, "r", files=4)
    with pytest.raises(ContractError, match="no history of two events or more outside fold 0"):
        run(context)
