"""The ranker with the queries that the gate let pass, used as they were proved."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
from pyspark.sql import functions as F

from recaug.evaluate.tasks.search import FIELDS, PAIRS
from recaug.night.context import Context
from recaug.night.search.arms import ArmRows, field_of
from recaug.night.search.data import SearchData
from recaug.night.search.rankers import Rankers
from recaug.night.search.reranker import fit_reranker
from recaug.night.search.rows import query_source, read_rows
from recaug.night.search.towers import open_towers, tower_items
from recaug.recommend.search.blend import Blend
from recaug.recommend.search.ranker import Ranker
from recaug.recommend.search.rerank import Reranked
from recaug.results import Arm, Part, SearchRefit, TrainedModel
from recaug.training.jobs import train


class Served(NamedTuple):
    """What answers queries. towers: the model of its towers; generated: pairs that they learnt from beside real ones.

    refit: what it cost that the ranker learnt from all judgements; None: it is the one that was proved.
    """

    ranker: Ranker
    towers: TrainedModel
    generated: Sequence[pd.DataFrame] = ()
    refit: SearchRefit | None = None


def with_published(context: Context, data: SearchData, fitted: Rankers, say: Callable[[str], None]) -> Served:
    """The ranker that validation chose or, with queries published up to the date, the blend with the last of these.

    That is what the gate proved; where validation chose the re-ranker, it is grown anew on that blend.
    """
    settings, lake, chosen = context.config.search_ranking, context.lake, fitted.best
    towers, generated = fitted.trained, []
    if settings.queries is None or not lake.exists("published_queries"):
        return Served(chosen, towers)
    table = lake.read("published_queries").where(F.col("event_date") <= F.lit(context.date))
    newest = table.orderBy(F.desc("event_date"), "generator").select("event_date", "generator", "uses").first()
    if newest is None:
        return Served(chosen, towers)
    name, uses = newest["generator"], newest["uses"]
    names = pd.DataFrame({"item_id": list(data.catalogue.item_ids), "item_index": range(len(data.catalogue))})
    rows = read_rows(table, names, {"event_date": newest["event_date"], "generator": name})
    source = query_source(context, data, settings.queries)
    blend = fitted.by_name["blend"].ranker
    assert isinstance(blend, Blend)
    parts, weights = list(blend.parts), list(blend.weights)
    if PAIRS in uses:
        made = ArmRows(source, tower_items(context, data), {name: rows})
        arm = Arm(name="published", parts=(Part(generators=(name,), rows=PAIRS, weight=uses[PAIRS]),))
        (towers,) = train(made.jobs(arm, 1), context.spark, context.config.training, "search")
        generated = [made.new_pairs(name, uses[PAIRS])]
        place = next(place for place, part in enumerate(parts) if part.name == "two_tower")
        parts[place] = open_towers(context, towers.folder, made.items)
    for kind in FIELDS:
        if kind in uses:
            parts.append(field_of(source, rows, kind))
            weights.append(uses[kind])
    say(f"  {len(rows):,} queries of {newest['event_date']}, published as proved, are read")
    more = Blend(parts, weights)
    if not isinstance(chosen, Reranked):
        return Served(more, towers, generated)
    grown, keep, _ = fit_reranker(context, data, more, chosen.settings, data.judged("validation"))
    say(f"  re-ranker grown anew, {keep}")
    return Served(grown, towers, generated)
