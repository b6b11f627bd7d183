"""Look-up of similar items: the table similar_items from the attribute VAE's latents, and how good it is."""

import json
from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.covisitation import of_enough
from recaug.clickstream.splits import window_events
from recaug.clickstream.terms import unit_length
from recaug.evaluate.look_up import Order, Pairs, later_pairs, measure
from recaug.night.context import Context, StageResult
from recaug.night.failures import one_line_errors
from recaug.night.features import of_completion
from recaug.night.nightly import held, run_night, run_stage
from recaug.night.stage import Stage
from recaug.recommend.index import INDEXES, check_index
from recaug.recommend.similar import LookUp, similar_items, with_reasons
from recaug.report.look_up import markdown
from recaug.results import LookUpWay, SimilarItems
from recaug.studies.similar_ways import ways_of

SIMILAR = Stage(
    "similar",
    reads=("events", "items", "vocabulary", "covisitation", "item_latents"),
    writes=("similar_items",),
    sections=("seed", "prepare", "attributes", "similar_items", "privacy.min_users"),
    history=("complete",),
)


def run_similar_items(context: Context, say: Callable[[str], None] = print) -> SimilarItems:
    """Replace the date's partition of similar_items: the k items most like each item of the catalogue.

    What ingest and prepare have not done yet is done first; the latents are those of jobs/complete_attributes.py, of
    this date or an earlier one. Writes a row of `runs` (stage `similar`), and results.json and results.md in
    `<artifacts>/<date>/similar_items/`. Raises ContractError without latents, ConfigError for an index whose package is
    missing.
    """
    check_index(context.config.similar_items.index, "similar_items.index")
    run_night(context.config, context.date, context.spark, ["ingest", "prepare"], resume=True, say=say)
    with one_line_errors(SIMILAR.name), held(context, f"similar items of {context.date}"):
        done = run_stage(context, SIMILAR, _similar)
        found: SimilarItems = done.metrics
        folder = context.folder.at("similar_items")
        folder.write("results.json", json.dumps(msgspec.to_builtins(found), indent=2) + "\n")
        folder.write("results.md", markdown(found))
    listed = f"{found.rows:,} rows of similar_items: {found.listed:,} of {found.items:,} items have some"
    say(f"  {SIMILAR.name:<10} {done.wall_seconds:6.1f} s  {listed}, {found.new_listed:,} of {found.new:,} new ones")
    return found


def open_look_up(context: Context) -> LookUp:
    """Put the latents into an index: open_look_up(context).similar("1085983", 10) finds items like one in Python.

    Items of the vocabulary come first, the most popular ahead, then those without train events, by their names.
    Raises ContractError where no completion has run.
    """
    latents, vocabulary = of_completion(context, "item_latents"), context.lake.read("vocabulary")
    ranked = latents.join(F.broadcast(vocabulary.select("item_id", "item_index")), "item_id", how="left")
    rows = ranked.orderBy(F.col("item_index").asc_nulls_last(), "item_id").select("item_id", "latent").toPandas()
    places = unit_length(np.stack(list(rows["latent"])).astype(np.float32))
    index = INDEXES[context.config.similar_items.index].of(places, context.config.seed)
    return LookUp(rows["item_id"].to_numpy(), places, index)


def _similar(context: Context) -> StageResult:
    lake, settings, source = context.lake, context.config.similar_items, context.config.source.items
    look_up = open_look_up(context)
    listed = similar_items(context.spark, look_up, settings.k)
    attributes = [*source.categorical, *source.multi_valued] if source is not None else []
    said = with_reasons(listed, lake.read("items"), _together(context), attributes)
    dated = said.withColumn("event_date", F.lit(context.date))
    commit = lake.replace(dated, "similar_items", {"event_date": context.date}, context.run_id)
    known = lake.read("vocabulary").select("item_id")
    own = lake.read("similar_items").where(F.col("event_date") == F.lit(context.date)).select("item_id").distinct()
    items = lake.read("items").select("item_id")
    new = items.join(known, "item_id", how="left_anti")
    pairs = _held_out(context, look_up)
    metrics = SimilarItems(
        rows=commit.rows,
        items=items.count(),
        listed=own.count(),
        new=new.count(),
        new_listed=new.join(own, "item_id", how="left_semi").count(),
        without_latent=items.join(lake.read("item_latents"), "item_id", how="left_anti").count(),
        k=settings.k,
        pairs=len(pairs.unit),
        users=len(np.unique(pairs.unit)),
        ways=_measured(context, look_up, pairs) if len(pairs.unit) else {},
    )
    return StageResult(metrics, commit.content_hash)


def _together(context: Context) -> DataFrame:
    """How many users had two items together in the train window, where enough had: item_id, similar_id, users."""
    names = context.lake.read("vocabulary").select("item_id", "item_index").persist()
    either = context.lake.read("covisitation").select("item_index", "other_index", "users")
    enough = of_enough(either, context.config.privacy.min_users)
    users = enough.groupBy("item_index", "other_index").agg(F.sum("users").cast("int").alias("users"))
    other = names.select(F.col("item_id").alias("similar_id"), F.col("item_index").alias("other_index"))
    return (
        users.join(names, "item_index", how="inner")
        .join(other, "other_index", how="inner")
        .select("item_id", "similar_id", "users")
    )


def _held_out(context: Context, look_up: LookUp) -> Pairs:
    """The pairs of held-out events of items that have a latent."""
    events = window_events(context.lake.read("events"), context.date, context.config.prepare)
    rows = later_pairs(events, context.config.similar_items.users).toPandas()
    place = pd.Series(np.arange(len(look_up.item_ids)), look_up.item_ids)
    item, later = (rows[name].map(place).fillna(-1).to_numpy(np.int64) for name in ("item_id", "later_id"))
    known = (item >= 0) & (later >= 0)
    return Pairs(rows["unit"].to_numpy(np.int64)[known], item[known], later[known])


def _measured(context: Context, look_up: LookUp, pairs: Pairs) -> dict[str, LookUpWay]:
    vocabulary = context.lake.read("vocabulary")
    order = Order(vocabulary.where("head").count(), vocabulary.count())
    ways = ways_of(context, look_up, order.warm)
    return measure(pairs, ways, context.config.similar_items.k, order, context.config.seed)
