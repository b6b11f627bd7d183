import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.night.nights import note
from tests.training.conftest import N_ITEMS, histories, small_config, write_tables

from recaug.config import RareItems, Sampling
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.lake.runs import RunRecord
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import augment
from recaug.night.context import Context
from recaug.night.train import generator_jobs, run
from recaug.training.checkpoint import load_generator


@pytest.fixture
def context(spark: SparkSession, lake: Lake, tmp_path: Path) -> Context:
    write_tables(lake)
    return Context(
        spark=spark,
        config=small_config({"augment": {"generators": ["vae", "gan"]}}),
        date=dt.date(2017, 2, 4),
        lake=lake,
        artifacts=Store(tmp_path / "artifacts"),
    )


def test_every_generator_is_trained_once_a_fold_and_found_again(context: Context) -> None:
    result = run(context)
    models = result.metrics["models"]
    assert sorted(models) == ["gan-fold0", "gan-fold1", "vae-fold0", "vae-fold1"]
    for name, model in models.items():
        assert Path(model["folder"]).parent == Path(context.models.root)
        assert model["curves"][-1]["validation_ndcg@10"] > 0
        assert load_generator(model["folder"]).next_logits is not None
        assert not model["reused"], name
    again = run(context)
    assert again.content_hash == result.content_hash
    assert all(model["reused"] for model in again.metrics["models"].values())


def test_a_generator_goes_on_from_the_last_nights(context: Context) -> None:
    training = msgspec.structs.replace(context.config.training, warm_epochs=3)
    first = dataclasses.replace(context, config=msgspec.structs.replace(context.config, training=training))
    cold = run(first)
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
    for job in generator_jobs(second):
        assert job.start is not None
        assert job.start[0] == cold.metrics["models"][f"{job.kind}-fold{job.fold}"]["folder"]
        assert job.start[1].tolist() == [0, *range(3, N_ITEMS + 1), 0, 0]
    warm = run(second).metrics["models"]
    # the same epochs and the same loss from nothing
    vae = first.config.vae
    short = msgspec.structs.replace(vae, anneal_share=0.0, optimiser=msgspec.structs.replace(vae.optimiser, epochs=3))
    alone = msgspec.structs.replace(context.config.augment, generators=["vae"])
    config = msgspec.structs.replace(context.config, vae=short, augment=alone)
    anew = run(dataclasses.replace(second, config=config)).metrics["models"]
    assert all(model["started_from"] is None for model in anew.values())
    for name, model in cold.metrics["models"].items():
        assert model["started_from"] is None
        assert warm[name]["started_from"] == model["folder"]
        assert len(warm[name]["curves"]) == 3
        if name.startswith("vae"):
            assert warm[name]["curves"][0]["loss"] < anew[name]["curves"][0]["loss"]
        else:  # the first epoch of a GAN that starts from nothing is one of likelihood
            assert "loss_likelihood" in model["curves"][0]
            assert "loss_likelihood" not in warm[name]["curves"][0]
    other = msgspec.structs.replace(first.config, seed=1)
    assert all(job.start is None for job in generator_jobs(dataclasses.replace(second, config=other)))


def test_nothing_of_the_left_out_fold_reaches_its_generator(context: Context) -> None:
    jobs = {(job.kind, job.fold): job for job in generator_jobs(context)}
    assert set(jobs) == {(kind, fold) for kind in ("vae", "gan") for fold in (0, 1)}
    rows = context.lake.read("sequences").where("split = 'train' AND length >= 2")
    for (_, fold), job in jobs.items():
        assert job.rows == rows.where(F.col("fold") != fold).count()
        assert job.n_items == N_ITEMS
        assert job.neighbours is not None
        counted = context.lake.read("covisitation").where(F.col("fold") != fold).agg(F.sum("weight")).first()
        assert counted is not None
        assert job.neighbours.weights.sum() <= counted[0] + 1e-3
        seen = Counter(item for user, items in enumerate(histories()) if user % 3 % 2 != fold for item in items)
        shares = np.array([0.1 + seen[item] for item in range(N_ITEMS + 1)])
        np.testing.assert_allclose(np.exp(job.log_popularity), shares / shares.sum(), rtol=1e-5)
        held_out = context.lake.read("sequences").where((F.col("split") == "validation") & (F.col("fold") == fold))
        assert len(job.validation.histories) == held_out.count()


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
    own = {
        "counts": Sampling(continuations=3, weight=0.6),
        "rare_items": Sampling(continuations=2),
        "pseudo_prior": Sampling(continuations=0, histories=1.0),
    }
    alone = msgspec.structs.replace(
        context.config.augment, generators=list(own), histories=0.0, own=own, rare_items=RareItems(events=few)
    )
    night = dataclasses.replace(context, config=msgspec.structs.replace(context.config, augment=alone))
    trained = run(night)
    assert trained.metrics["models"] == {}
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
    assert len(candidates) == first.metrics["generators"]["counts"]["candidates"] > 100
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
    rare = msgspec.structs.replace(context.config.augment, rare_items=RareItems(events=few, by=by), generators=[])
    night = dataclasses.replace(context, config=msgspec.structs.replace(context.config, augment=rare))
    model = load_generator(augment.counts_generator(night, "rare_items"))
    assert model.share == 1
    found = model.likeness.neighbours[1:].numpy()
    assert (found > 0).any(axis=1).all()
    assert all(events[int(item)] <= few for item in np.unique(found[found > 0]))  # of equals the most frequent are kept
    assert ((found % 2 == np.arange(1, N_ITEMS + 1)[:, None] % 2) | (found == 0)).all()


def test_a_generator_is_informed_by_what_the_catalogue_says(context: Context) -> None:
    say_which_items_are_alike(context)
    assert all(job.alike is None for job in generator_jobs(context))
    vae = msgspec.structs.replace(context.config.vae, attributes=True)
    alone = msgspec.structs.replace(context.config.augment, generators=["vae"])
    night = dataclasses.replace(context, config=msgspec.structs.replace(context.config, vae=vae, augment=alone))
    for job in generator_jobs(night):
        assert job.alike is not None
        of_each = job.alike.items[1:]
        assert (of_each > 0).any(axis=1).all()
        assert ((of_each % 2 == np.arange(1, N_ITEMS + 1)[:, None] % 2) | (of_each == 0)).all()
    for model in run(night).metrics["models"].values():
        informed = load_generator(model["folder"]).informed
        assert informed.likeness is not None
        assert informed.log_share.item() != pytest.approx(np.log(0.25))  # it was learned


def test_a_lake_without_histories_is_one_line(context: Context) -> None:
    alone = context.lake.read("sequences").where("fold = 0").persist()
    alone.count()
    context.lake.replace(alone, "sequences", {}, "r", files=4)
    with pytest.raises(ContractError, match="no history of two events or more outside fold 0"):
        run(context)
