"""Generated queries as rows: what draws them, what is dropped, and the tables that they lie in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.search_terms import terms
from recaug.clickstream.splits import SPLITS
from recaug.config import Queries
from recaug.generators.query_classic import Classic, co_clicked
from recaug.generators.query_counts import folds_of_items
from recaug.generators.query_inputs import LOGGED, QueryInputs, query_inputs, rare_queries
from recaug.generators.query_samplers import Counted, QuerySampler, RandomWords, Siblings, TitleItself, Variational
from recaug.generators.query_sampling import draw_queries
from recaug.night.context import Context
from recaug.night.search.data import SearchData
from recaug.night.search.towers import train_pairs
from recaug.night.search.vae import item_terms_of, train_query_vae
from recaug.recommend.search.analysis import LONGEST
from recaug.results import TrainedModel

FIELDS = ("title", "text", "attributes")


class Generated(NamedTuple):
    """rows: what read_rows gives, by generator; dropped: copies of rare queries."""

    rows: dict[str, pd.DataFrame]
    dropped: dict[str, int]
    models: list[TrainedModel]


@dataclass(frozen=True, eq=False)
class Source:
    """What queries are generated from. words: stemmed, of all fields of each item; rare: train queries of few users."""

    context: Context
    data: SearchData
    settings: Queries
    inputs: QueryInputs
    words: Sequence[Sequence[str]]
    rare: frozenset[str]


def query_source(context: Context, data: SearchData, settings: Queries) -> Source:
    """Count the train pairs, and find the train queries that may be personal."""
    catalogue, language = data.catalogue, context.config.search_ranking.language
    words = [
        [word for own in fields for word in own] for fields in zip(*map(catalogue.fields.get, FIELDS), strict=True)
    ]
    logged = bool(data.judgements["source"].isin(LOGGED).any())
    inputs = query_inputs(data.queries, train_pairs(data), words, language, logged, settings)
    trained = (data.queries["split"] == SPLITS[0]).to_numpy()
    rare = rare_queries(data.queries, logged, settings.min_users) & trained
    return Source(context, data, settings, inputs, words, frozenset(data.queries["text"][rare]))


def write_queries(source: Source) -> Generated:
    """Draw every generator's queries and the controls', drop copies of rare ones, and write generated_queries.

    The run's slice is replaced, a generator after the other.
    """
    context, data = source.context, source.data
    names = pd.DataFrame({"item_id": list(data.catalogue.item_ids), "item_index": range(len(data.catalogue))})
    items = context.spark.createDataFrame(names).repartition(context.spark.sparkContext.defaultParallelism)
    samplers, models = samplers_of(source)
    made = Generated({}, {}, models)
    identity = f"{context.config.seed}|{context.date.isoformat()}"
    rare = context.spark.createDataFrame([(text,) for text in sorted(source.rare)], "text string")
    for sampler in samplers:
        drawn = draw_queries(items, sampler, identity, context.config.seed).persist()
        try:
            kept = drawn.join(F.broadcast(rare), "text", how="left_anti").withColumn("run_id", F.lit(context.study_id))
            where = {"run_id": context.study_id, "generator": sampler.name}
            commit = context.lake.replace(kept, "generated_queries", where, context.study_id)
            made.dropped[sampler.name] = drawn.count() - commit.rows
        finally:
            drawn.unpersist()
        made.rows[sampler.name] = read_rows(context.lake.read("generated_queries"), names, where)
    return made


def read_rows(table: DataFrame, names: pd.DataFrame, where: Mapping[str, str]) -> pd.DataFrame:
    """Read a slice of generated or published queries, in the order of items and serials.

    Gives row_id, text, item_id, item_index, serial, weight, and source: the query of the item's own that it is made of,
    empty of others.
    """
    chosen = table
    for column, value in where.items():
        chosen = chosen.where(F.col(column) == F.lit(value))
    own = F.array_contains("source_items", F.col("item_id"))
    source = F.when(own & (F.size("source_queries") > 0), F.element_at("source_queries", 1)).otherwise("")
    rows = chosen.select("row_id", "text", "item_id", "serial", "weight", source.alias("source")).toPandas()
    return rows.merge(names, on="item_id").sort_values(["item_index", "serial"], ignore_index=True)


def samplers_of(source: Source) -> tuple[list[QuerySampler], list[TrainedModel]]:
    """The controls and the generators that are asked for; the VAE is trained, or found."""
    inputs, settings, data = source.inputs, source.settings, source.data
    made: list[QuerySampler] = [
        TitleItself(data.catalogue.titles),
        RandomWords([terms(title[:LONGEST]) for title in _texts(data)], inputs.vocabulary.lengths, settings.per_item),
        Siblings(inputs.item_terms, _asked(source), settings.per_item),
    ]
    models: list[TrainedModel] = []
    for name in settings.generators:
        sampler, trained = GENERATORS[name](source)
        made.append(sampler)
        models += trained
    return made, models


def _counted(source: Source) -> tuple[QuerySampler, list[TrainedModel]]:
    inputs = source.inputs
    left_out = folds_of_items(inputs.pairs, len(source.data.catalogue))
    version = source.context.study_id
    return Counted(inputs.translation, inputs.vocabulary, left_out, source.settings.per_item, version=version), []


def _variational(source: Source) -> tuple[QuerySampler, list[TrainedModel]]:
    inputs, settings = source.inputs, source.settings
    trained = train_query_vae(source.context, source.data, inputs, settings)
    sampler = Variational(
        inputs.translation,
        inputs.vocabulary,
        folds_of_items(inputs.pairs, len(source.data.catalogue)),
        settings.per_item,
        version=trained.folder.rsplit("/", 1)[-1],
        folder=trained.folder,
        terms=item_terms_of(inputs, settings),
    )
    return sampler, [trained]


def _classic(source: Source) -> tuple[QuerySampler, list[TrainedModel]]:
    asked, language = _asked(source), source.context.config.search_ranking.language
    synonyms = co_clicked(source.inputs, [text for own in asked for _, text in own], language)
    return Classic(asked, synonyms, language, source.settings.per_item, source.context.study_id), []


GENERATORS: Mapping[str, Callable[[Source], tuple[QuerySampler, list[TrainedModel]]]] = {
    "counts": _counted,
    "vae": _variational,
    "classic": _classic,
}


def _texts(data: SearchData) -> list[str]:
    """What random words are drawn from: titles as they are shown, where an item has no text or attributes beside."""
    rest = zip(*(data.catalogue.fields[name] for name in FIELDS[1:]), strict=True)
    return [" ".join([title, *more, *again]) for title, (more, again) in zip(data.catalogue.titles, rest, strict=True)]


def _asked(source: Source) -> list[list[tuple[str, str]]]:
    """Train queries of each item by how much it is worth to them; those that may be personal are left out."""
    data, pairs = source.data, source.inputs.pairs
    asked: list[list[tuple[str, str]]] = [[] for _ in range(len(data.catalogue))]
    ids, texts = data.queries["query_id"].tolist(), data.queries["text"].tolist()
    for place in np.lexsort((pairs.query, -pairs.weight)).tolist():
        query = int(pairs.query[place])
        if texts[query] not in source.rare:
            asked[int(pairs.item[place])].append((ids[query], texts[query]))
    return asked
