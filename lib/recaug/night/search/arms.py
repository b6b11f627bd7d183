"""Arms of a trial of generated queries: fields of their words and pairs of theirs, weights chosen on validation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recaug.clickstream.splits import SPLITS
from recaug.config import Lexical, Queries
from recaug.evaluate.arms import NONE
from recaug.evaluate.gate import best
from recaug.evaluate.search_metrics import Judged, measured
from recaug.evaluate.tasks.search import FIELDS, PAIRS, SEED
from recaug.night.search.rows import Source
from recaug.night.search.towers import Written, open_towers, towers_job, train_pairs, write_arm_pairs
from recaug.recommend.search.analysis import stemmed
from recaug.recommend.search.blend import Blend, candidates, ordered
from recaug.recommend.search.lexical import Numbered
from recaug.recommend.search.ranker import Ranker, top
from recaug.results import Arm, Part
from recaug.training.jobs import train
from recaug.training.two_tower import TowersJob

DEPTH = 200  # items of the ranker and of a field, among which a field's weight is chosen
LENGTH = 50
Tried = dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The arms, the fields that they read, and the metric on validation of everything that was tried."""

    arms: list[Arm]
    fields: dict[tuple[str, str], Ranker]
    tried: Tried


@dataclass(frozen=True, eq=False)
class ArmRows:
    """What towers of an arm learn from. items: hashed terms of the catalogue; rows: generated queries by generator."""

    source: Source
    items: NDArray[np.int32]
    rows: Mapping[str, pd.DataFrame]

    @cached_property
    def slices(self) -> dict[str, Written]:
        """What is written already, by the slice's name: several arms have the same pairs."""
        return {}

    @cached_property
    def real(self) -> pd.DataFrame:
        """Train pairs."""
        return train_pairs(self.source.data)

    def jobs(self, arm: Arm, seeds: int) -> list[TowersJob]:
        """Write an arm's pairs, and give a training a seed; arms of the same pairs have the same."""
        source = self.source
        job = towers_job(source.context, source.data, self.written(arm), self.items)
        return [replace(job, label=f"{arm.name}{SEED}{seed}", seed=job.seed + seed) for seed in range(seeds)]

    def written(self, arm: Arm) -> Written:
        """Write real pairs and, of items without one, generated ones; of an arm without any take the ranker's own."""
        if not any(part.rows == PAIRS for part in arm.parts):
            lake = self.source.context.lake
            return Written(self.real, lake.snapshot_files("search_pairs"), str(lake.content_hash("search_pairs")))
        used = [(name, part.weight) for part in arm.parts if part.rows == PAIRS for name in part.generators]
        name = "; ".join([NONE, *(f"{generator} {weight:g}" for generator, weight in used)])
        if name not in self.slices:
            generated = [self.new_pairs(*own) for own in used]
            pairs, texts = with_generated(self.real, self.source.data.queries["text"], generated)
            self.slices[name] = write_arm_pairs(self.source.context, self.items, name, pairs, texts)
        return self.slices[name]

    def new_pairs(self, generator: str, weight: float) -> pd.DataFrame:
        """Pairs of generated queries: text, item_index, weight.

        They are the first of each item that no train query led to, and those that are made of an item's own queries.
        """
        rows = self.rows[generator]
        new = rows[self.source.data.new_items()[rows["item_index"]] | (rows["source"] != "")]
        first = new.groupby("item_index").head(self.source.settings.pairs_per_item)
        return pd.DataFrame(
            {"text": first["text"], "item_index": first["item_index"].astype(np.int32), "weight": float(weight)}
        ).reset_index(drop=True)


def with_generated(
    real: pd.DataFrame, texts: pd.Series, generated: Sequence[pd.DataFrame]
) -> tuple[pd.DataFrame, pd.Series]:
    """Put generated pairs (as new_pairs gives them) behind real ones. texts: by query_index, which goes on."""
    new = pd.concat([real.iloc[:0].assign(text=""), *generated], ignore_index=True)
    new["query_index"] = np.arange(len(texts), len(texts) + len(new), dtype=np.int32)
    together = pd.concat([real, new[list(real.columns)]], ignore_index=True)
    return together, pd.concat([texts, pd.Series(new["text"].to_numpy(), index=new["query_index"])])


def field_of(source: Source, rows: pd.DataFrame, kind: str) -> Ranker:
    """Index the words of generated queries as a field of its own. kind: see FIELDS."""
    language, settings = source.context.config.search_ranking.language, source.context.config.search_ranking.bm25
    words: list[list[str]] = [[] for _ in source.words]
    for item, own in zip(rows["item_index"].tolist(), stemmed(rows["text"], language), strict=True):
        words[item] += own
    if kind == "missing":
        has = list(map(set, source.words))
        words = [[word for word in own if word not in has[item]] for item, own in enumerate(words)]
    return indexed(words, language, settings)


def indexed(words: Sequence[list[str]], language: str, settings: Lexical) -> Ranker:
    """BM25 of one field, with the middle k1 and b of those that are tried for the catalogue's own."""
    k1, b = (sorted(values)[len(values) // 2] for values in (settings.k1, settings.b))
    field = Numbered.of({"queries": words}, "bm25", language, {"queries": 1.0})
    return field.index({"queries": 1.0}, k1, b)


def choose_arms(
    made: ArmRows, blend: Blend, towers: int, judged: Judged, controls: Sequence[str], say: Callable[[str], None]
) -> Chosen:
    """Make each generator's arms: a field, pairs, and both, each with the weight that is best on validation."""
    settings = made.source.settings
    chosen = Chosen([Arm(name=NONE)], {}, {})
    for name, rows in made.rows.items():
        parts = []
        if len(rows):
            fields = {kind: field_of(made.source, rows, kind) for kind in FIELDS}
            scored = _fields(blend, fields, judged, settings)
            chosen.tried[f"{name}, field"] = scored
            kind, of_field = best(scored).rsplit(" ", 1)
            chosen.fields[name, kind] = fields[kind]
            parts.append(Part(generators=(name,), rows=kind, weight=float(of_field)))
        if len(rows) and settings.pair_weights and blend.weights[towers] > 0:
            weight = settings.pair_weights[0]
            if len(settings.pair_weights) > 1:
                scored = _pairs(made, name, blend, towers, judged)
                chosen.tried[f"{name}, pairs"] = scored
                weight = float(best(scored))
            parts.append(Part(generators=(name,), rows=PAIRS, weight=weight))
        control = name in controls
        for part in parts:
            label = "pairs" if part.rows == PAIRS else "field"
            chosen.arms.append(Arm(name=f"{name} {label}", parts=(part,), control=control))
        if len(parts) > 1:
            chosen.arms.append(Arm(name=f"{name} both", parts=tuple(parts), control=control))
        say(f"  {name:<9} " + ", ".join(f"{part.rows} at {part.weight:g}" for part in parts))
    return chosen


def _fields(blend: Blend, fields: Mapping[str, Ranker], judged: Judged, settings: Queries) -> dict[str, float]:
    """The metric on validation by `kind weight`, among the first of the blend's and of the field's lists."""
    scored = {}
    for kind, field in fields.items():
        looked = candidates([blend, field], judged.texts, DEPTH)
        for weight in settings.field_weights:
            lists = ordered(looked.items, looked.scores[0] + np.float32(weight) * looked.scores[1], LENGTH)
            scored[f"{kind} {weight:g}"] = _metric(lists, judged, settings)
    return scored


def _pairs(made: ArmRows, name: str, blend: Blend, towers: int, judged: Judged) -> dict[str, float]:
    """The metric on validation by the weight of generated pairs, of one training each."""
    settings, context = made.source.settings, made.source.context
    arms = [
        Arm(name=f"{name} {weight:g}", parts=(Part(generators=(name,), rows=PAIRS, weight=weight),))
        for weight in settings.pair_weights
    ]
    jobs = [job for arm in arms for job in made.jobs(arm, 1)]
    trained = train(jobs, context.spark, context.config.training, f"towers with {name}")
    scored = {}
    for weight, model in zip(settings.pair_weights, trained, strict=True):
        learnt = open_towers(context, model.folder, made.items)
        parts = [*blend.parts[:towers], learnt, *blend.parts[towers + 1 :]]
        lists = top(Blend(parts, blend.weights), judged.texts, LENGTH)
        scored[f"{weight:g}"] = _metric(lists.items, judged, settings)
    return scored


def _metric(lists: NDArray[np.int64], judged: Judged, settings: Queries) -> float:
    return float(measured("", lists, judged)[settings.gate.metric].mean())


def validation_of(source: Source) -> Judged:
    """The queries that choose."""
    return source.data.judged(SPLITS[1])
