"""Generated queries proved on a shop's searches: arms and controls on one trial, and the same gate as a night's."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.splits import SPLITS
from recaug.config import Queries
from recaug.evaluate.contest import TEST, VALIDATION
from recaug.evaluate.query_fidelity import Known, gate_fidelity, query_fidelity
from recaug.evaluate.task import Check, Items
from recaug.evaluate.tasks.search import SearchInputs, SearchTask
from recaug.evaluate.trial import run_trial
from recaug.night.context import Context
from recaug.night.search.arms import ArmRows, Chosen, choose_arms
from recaug.night.search.data import SearchData
from recaug.night.search.rankers import Rankers
from recaug.night.search.rows import Generated, Source, query_source, write_queries
from recaug.night.search.towers import open_towers, tower_items
from recaug.recommend.search.analysis import stemmed
from recaug.recommend.search.blend import Blend
from recaug.recommend.search.ranker import Blocks
from recaug.results import Arm, GeneratedQueries, QueryExample, QueryFidelity, Trial
from recaug.training.jobs import train


def prove_queries(
    context: Context, data: SearchData, fitted: Rankers, settings: Queries, say: Callable[[str], None]
) -> GeneratedQueries:
    """Generate queries, choose how each generator's are used on validation, and let the gate judge the best one.

    Writes generated_queries and, where the gate publishes, the day's published_queries; else the day has none.
    """
    source = query_source(context, data, settings)
    made = write_queries(source)
    for name, rows in made.rows.items():
        say(f"  {len(rows):,} queries of {name}, {made.dropped[name]:,} dropped")
    blend = fitted.by_name["blend"].ranker
    assert isinstance(blend, Blend)
    fidelity = _fidelity(source, made, fitted)
    learnt = ArmRows(source, tower_items(context, data), made.rows)
    controls = [name for name in made.rows if name not in settings.generators]
    place = list(fitted.by_name).index("two_tower")
    chosen = choose_arms(learnt, blend, place, data.judged(SPLITS[1]), controls, say)
    task = SearchTask(_inputs(source, learnt, chosen, blend, fidelity), {arm.name: arm for arm in chosen.arms})
    trial, _ = run_trial(task, chosen.arms, settings.seeds, context.config.seed, settings.gate)
    say(f"  {trial.verdict.decision}: {'; '.join(trial.verdict.reasons)}")
    return GeneratedQueries(
        trial=trial,
        tried=chosen.tried,
        fidelity=fidelity,
        examples=examples(source, made, settings),
        models=made.models,
        published=publish(context, trial),
    )


def publish(context: Context, trial: Trial) -> int:
    """Make the chosen arm's queries the day's published_queries where the gate says so, and none where not.

    uses: how they were proved, rows (all, missing or pairs) -> weight. Returns the rows.
    """
    if trial.verdict.decision != "publish" or trial.chosen is None:
        withdraw(context)
        return 0
    arm = trial.arms[trial.chosen].arm
    rows = context.lake.read("generated_queries").where(F.col("run_id") == F.lit(context.study_id))
    uses = F.create_map(*(F.lit(value) for part in arm.parts for value in (part.rows, part.weight)))
    accepted = rows.where(F.col("generator").isin(*arm.generators)).withColumns(
        {"uses": uses.cast("map<string,double>"), "event_date": F.lit(context.date)}
    )
    return _published(context, accepted)


def withdraw(context: Context) -> None:
    """Remove what an earlier run has published of the day."""
    if context.lake.exists("published_queries"):
        _published(context, context.lake.read("published_queries").where("false"))


def _published(context: Context, rows: DataFrame) -> int:
    return context.lake.replace(rows, "published_queries", {"event_date": context.date}, context.study_id).rows


def _fidelity(source: Source, made: Generated, fitted: Rankers) -> dict[str, QueryFidelity]:
    pairs, texts = source.inputs.pairs, source.data.queries["text"].to_numpy()
    real = pd.DataFrame({"text": texts[pairs.query], "item_index": pairs.item})
    language, seed = source.context.config.search_ranking.language, source.context.config.seed
    known = Known(source.words, fitted.by_name["bm25"].ranker, real, source.rare, language)
    return {
        name: query_fidelity(rows, made.dropped[name], known, source.settings.round_trip, seed)
        for name, rows in made.rows.items()
    }


def _inputs(
    source: Source, rows: ArmRows, chosen: Chosen, blend: Blend, fidelity: dict[str, QueryFidelity]
) -> SearchInputs:
    context, data, ranking = source.context, source.data, source.context.config.search_ranking
    new = data.new_items()
    led = np.bincount(source.inputs.pairs.item, minlength=len(new)).astype(np.float32)
    drawn = context.lake.read("generated_queries").where(F.col("run_id") == F.lit(context.study_id))
    return SearchInputs(
        spark=context.spark,
        blend=blend,
        towers=next(place for place, part in enumerate(blend.parts) if part.name == "two_tower"),
        judged={split: data.judged(split) for split in (VALIDATION, TEST)},
        fields=chosen.fields,
        jobs=rows.jobs,
        open_towers=cache(lambda folder: open_towers(context, folder, rows.items)),
        train=lambda jobs, title: train(jobs, context.spark, context.config.training, title),
        drawn=lambda arm: drawn.where(F.col("generator").isin(*arm.generators)),
        fidelity={name: gate_fidelity(own, len(new)) for name, own in fidelity.items()},
        checks=lambda arms: leak_checks(source, arms),
        items=Items(np.concatenate([[0], led]), np.concatenate([[False], ~new])),
        blocks=Blocks(ranking.block_queries, ranking.block_items),
    )


def leak_checks(source: Source, arms: Sequence[Arm]) -> list[Check]:
    """Look for queries of validation and test among what generated ones are made of, and among the towers' pairs."""
    context, queries = source.context, source.data.queries
    held_out = queries[queries["split"] != SPLITS[0]]
    ids = context.spark.createDataFrame([(name,) for name in held_out["query_id"]], "query_id string")
    numbers = context.spark.createDataFrame([(int(row),) for row in held_out.index], "query_index int")
    drawn = context.lake.read("generated_queries").where(F.col("run_id") == F.lit(context.study_id))
    made_of = drawn.select("text", F.explode("source_queries").alias("query_id")).join(ids, "query_id", how="left_semi")
    tables = [name for name in ("search_pairs", "search_arm_pairs") if context.lake.exists(name)]
    learnt = [context.lake.read(name).join(numbers, "query_index", how="left_semi") for name in tables]
    checks = []
    for name, rows, column in (
        ("generated queries made of held-out ones", made_of, "text"),
        *((f"{table} of held-out queries", own, "query_index") for table, own in zip(tables, learnt, strict=True)),
    ):
        leak = rows.first()
        checks.append(Check(name, 0 if leak is None else rows.count(), "" if leak is None else str(leak[column])))
    return checks


def examples(source: Source, made: Generated, settings: Queries) -> list[QueryExample]:
    """A query of some items by each generator, of items that no train query led to where it has some of these."""
    data, language = source.data, source.context.config.search_ranking.language
    new = data.new_items()
    order = np.random.default_rng(source.context.config.seed).permutation(len(new))
    place = np.argsort(np.concatenate([order[new[order]], order[~new[order]]]))  # of an item; new ones first
    asked = dict(zip(data.queries["query_id"], data.queries["text"], strict=True))
    shown = []
    for name in settings.generators:
        rows = made.rows[name].drop_duplicates("item_index")
        rows = rows.iloc[np.argsort(place[rows["item_index"]], kind="stable")[: settings.examples]]
        texts, items = rows["text"].tolist(), rows["item_index"].tolist()
        for text, item, of, stems in zip(texts, items, rows["source"], stemmed(texts, language), strict=True):
            missing = [word for word in dict.fromkeys(stems) if word not in source.words[item]]
            shown.append(
                QueryExample(
                    item_id=data.catalogue.item_ids[item],
                    title=data.catalogue.titles[item],
                    generator=name,
                    text=text,
                    missing=missing,
                    source=asked.get(of, ""),
                )
            )
    return shown
