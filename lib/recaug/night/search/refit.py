"""After the proof: the ranker of the lists goes on learning, from every judged query up to the night."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from recaug.lake.contracts import REFIT
from recaug.lake.views import Room
from recaug.night.context import Context
from recaug.night.refit import SHARE
from recaug.night.search.arms import with_generated
from recaug.night.search.data import SearchData
from recaug.night.search.published import Served
from recaug.night.search.reranker import popularity_of_all, regrow
from recaug.night.search.towers import gained, open_towers, tower_items, towers_job, write_pairs
from recaug.recommend.search.blend import Blend
from recaug.recommend.search.ranker import Ranker
from recaug.recommend.search.rerank import Reranked
from recaug.recommend.search.towers import Towers
from recaug.results import SearchRefit, TrainedModel
from recaug.training.jobs import train
from recaug.training.two_tower import Validation


def refit_served(context: Context, data: SearchData, served: Served, say: Callable[[str], None]) -> Served:
    """Let what answers queries learn from all judgements, its settings and the published queries as they were proved.

    The towers go on from the proved ones for one in SHARE of their epochs. The re-ranker's trees are grown on the
    queries of validation and test as the proved towers score them, which have not learnt them. A ranker of counts
    alone, or whose towers were best before they learnt anything, stays as it is.
    Raises TrainingError as training.jobs.train does.
    """
    epochs = math.ceil((served.towers.epoch or 0) / SHARE)
    if not context.config.refit or not learns(served.ranker) or not epochs:
        return served
    started = time.monotonic()
    towers, trained, pairs = _towers(context, data, served, epochs)
    ranker = _with(served.ranker, towers)
    if isinstance(ranker, Reranked):
        grown = regrow(served.ranker, data, context.config.seed)  # type: ignore[arg-type]
        ranker = replace(ranker, trees=grown.trees, popularity=popularity_of_all(data))
    queries = data.judgements["query_index"].nunique()
    found = SearchRefit(queries=queries, pairs=pairs, seconds=round(time.monotonic() - started, 1), model=trained)
    say(f"  refit on {queries:,} judged queries, {found.seconds} s")
    return Served(ranker, trained, served.generated, found)


def learns(ranker: Ranker) -> bool:
    """Whether towers have a say in it."""
    if isinstance(ranker, Blend):
        return any(
            isinstance(part, Towers) and weight for part, weight in zip(ranker.parts, ranker.weights, strict=True)
        )
    return isinstance(ranker, Towers | Reranked)


def _towers(context: Context, data: SearchData, served: Served, epochs: int) -> tuple[Towers, TrainedModel, int]:
    """Train them on, on pairs in a table of their own. Returns how many pairs those are, too."""
    whole = replace(context, lake=Room(context.lake, REFIT))
    items = tower_items(context, data)
    pairs, texts = with_generated(gained(data.judgements), data.queries["text"], served.generated)
    job = towers_job(context, data, write_pairs(whole, items, pairs, texts), items)
    optimiser = msgspec.structs.replace(job.config.optimiser, epochs=epochs)
    nothing = np.zeros((0, 1), np.int32)
    job = replace(
        job,
        config=msgspec.structs.replace(job.config, optimiser=optimiser),
        validation=Validation(nothing, nothing, np.zeros((0, 0), np.float32)),
        watched=None,
        start=served.towers.folder,
        label=f"{REFIT}-{job.label}",
    )
    (trained,) = train([job], context.spark, context.config.training, "refit, search")
    return open_towers(context, trained.folder, items), trained, len(pairs)


def _with(ranker: Ranker, towers: Towers) -> Ranker:
    """The same ranker with other towers."""
    if isinstance(ranker, Towers):
        return towers
    if isinstance(ranker, Reranked):
        return replace(ranker, blend=_with(ranker.blend, towers))  # type: ignore[arg-type]
    assert isinstance(ranker, Blend)
    parts = [towers if isinstance(part, Towers) else part for part in ranker.parts]
    return Blend(parts, ranker.weights, ranker.name)
