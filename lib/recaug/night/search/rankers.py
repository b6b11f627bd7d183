"""The rankers of search, each with the settings that validation chooses by NDCG@10."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recaug.clickstream.splits import SPLITS
from recaug.config import SearchRanking
from recaug.evaluate.gate import best
from recaug.evaluate.search_metrics import NDCG, Judged, measured
from recaug.night.context import Context
from recaug.night.search.data import SearchData
from recaug.night.search.reranker import fit_reranker
from recaug.night.search.towers import train_towers
from recaug.recommend.search.blend import Blend, candidates, combinations, label, ordered
from recaug.recommend.search.lexical import KINDS, Lexical, Numbered
from recaug.recommend.search.ranker import Ranker, top
from recaug.results import TrainedModel

DEPTH = 100  # of each ranker's list, of which a blend is chosen
LENGTH = 50  # of lists that are measured


class Chosen(NamedTuple):
    """A ranker with the settings that validation chose. validation: NDCG@10 by settings tried. seconds: of all that."""

    ranker: Ranker
    settings: str
    validation: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Rankers:
    """All rankers in the table's order: bm25, pairs, trigrams, two_tower, blend, reranked. trained: of the towers."""

    by_name: Mapping[str, Chosen]
    trained: TrainedModel

    @property
    def best(self) -> Ranker:
        """The one that answers queries: the best on validation."""
        scored = {name: own.validation[own.settings] for name, own in self.by_name.items()}
        return self.by_name[best(scored)].ranker


def fit_rankers(context: Context, data: SearchData, say: Callable[[str], None]) -> Rankers:
    """Fit every ranker, and choose its settings on the validation queries; the test is not looked at."""
    settings, judged = context.config.search_ranking, data.judged(SPLITS[1])
    chosen: dict[str, Chosen] = {}
    for kind in KINDS:
        chosen[kind] = _lexical(kind, data, settings, judged)
        _tell(say, kind, chosen[kind])
    started = time.monotonic()
    towers, trained = train_towers(context, data)
    chosen[towers.name] = Chosen(towers, "", {"": validated(towers, judged)}, time.monotonic() - started)
    _tell(say, towers.name, chosen[towers.name])
    chosen["blend"] = _blend({name: own.ranker for name, own in chosen.items()}, settings, judged)
    _tell(say, "blend", chosen["blend"])
    if settings.reranker is not None:
        started, blend = time.monotonic(), chosen["blend"].ranker
        assert isinstance(blend, Blend)
        ranker, settled, validation = fit_reranker(context, data, blend, settings.reranker, judged)
        chosen[ranker.name] = Chosen(ranker, settled, validation, time.monotonic() - started)
        _tell(say, ranker.name, chosen[ranker.name])
    return Rankers(chosen, trained)


def validated(ranker: Ranker, judged: Judged) -> float:
    """NDCG@10 over the judged queries."""
    lists = top(ranker, judged.texts, LENGTH)
    return float(measured(ranker.name, lists.items, judged)[NDCG].mean())


def _lexical(kind: str, data: SearchData, settings: SearchRanking, judged: Judged) -> Chosen:
    """Try every k1 with every b."""
    started = time.monotonic()
    weights: Mapping[str, float] = {str(name): weight for name, weight in settings.bm25.fields.items()}
    numbered = Numbered.of(data.catalogue.fields, kind, settings.language, weights)
    tried: dict[str, tuple[float, float]] = {
        f"k1 {k1:g}, b {b:g}": (k1, b) for k1, b in itertools.product(settings.bm25.k1, settings.bm25.b)
    }
    validation = {name: validated(numbered.index(weights, *own), judged) for name, own in tried.items()}
    settled = best(validation)
    ranker: Lexical = numbered.index(weights, *tried[settled])
    return Chosen(ranker, settled, validation, time.monotonic() - started)


def _blend(parts: Mapping[str, Ranker], settings: SearchRanking, judged: Judged) -> Chosen:
    """Try every combination of weights on the first of each ranker's list."""
    started = time.monotonic()
    looked = candidates(list(parts.values()), judged.texts, DEPTH)
    tried = {label(weights): weights for weights in combinations(list(parts), settings.blend)}
    validation = {}
    for name, weights in tried.items():
        scores = np.tensordot(np.array(list(weights.values()), np.float32), looked.scores, axes=1)
        lists = ordered(looked.items, scores, LENGTH)
        validation[name] = float(measured(name, lists, judged)[NDCG].mean())
    settled = best(validation)
    ranker = Blend(list(parts.values()), list(tried[settled].values()))
    return Chosen(ranker, settled, validation, time.monotonic() - started)


def _tell(say: Callable[[str], None], name: str, chosen: Chosen) -> None:
    by = f" ({chosen.settings})" if chosen.settings else ""
    say(f"  {name:<10} {chosen.seconds:6.1f} s  {NDCG} {chosen.validation[chosen.settings]:.4f} on validation{by}")
