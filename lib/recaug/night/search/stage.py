"""The search stage: queries and judgements, rankers, generated queries with their proof, and a list for every query."""

import hashlib

from recaug.errors import NoRowsError
from recaug.night.context import Context, StageResult
from recaug.night.evaluate import content_of
from recaug.night.search.data import SearchData, read_search_data
from recaug.night.search.lists import engine_of, list_examples, served_of, write_lists
from recaug.night.search.prove import prove_queries, withdraw
from recaug.night.search.rankers import Rankers, fit_rankers
from recaug.night.search.tables import Prepared, prepare_searches
from recaug.results import GeneratedQueries, Search, SearchRefit, TrainedModel

NO_SEARCH = "source.search has no row up to the night"
NOT_ASKED = "no generated queries are asked for (search_ranking.queries)"


def run(context: Context) -> StageResult:
    """Prove generated queries, publish those that the gate lets pass, and list the best items of every query.

    Where the log has too little to choose a ranker on, or to judge it, the stage holds and says so: no night ends for
    it. Raises ContractError where a table knows what is held out, TrainingError as training.jobs.train does.
    """
    prepared = prepare_searches(context)
    try:
        if not prepared.written:
            raise NoRowsError(NO_SEARCH)
        data = read_search_data(context)
    except NoRowsError as error:
        withdraw(context)
        return StageResult(_found(context, prepared), None, "hold", (str(error),))
    return _searched(context, prepared, data)


def _searched(context: Context, prepared: Prepared, data: SearchData) -> StageResult:
    settings = context.config.search_ranking.queries
    fitted = fit_rankers(context, data, _quietly)
    generated = prove_queries(context, data, fitted, settings, _quietly) if settings is not None else None
    if generated is None:
        withdraw(context)
    served = served_of(context, data, fitted, _quietly)
    engine = engine_of(context, data, served)
    lists, trained = write_lists(context, engine), _trained(fitted, generated, served.refit)
    found = _found(
        context,
        prepared,
        validation={name: own.validation[own.settings] for name, own in fitted.by_name.items()},
        ranker=fitted.best.name,
        generated=generated,
        refit=served.refit,
        lists=lists,
        examples=list_examples(context, data, engine),
        models=trained,
    )
    verdict = generated.trial.verdict if generated is not None else None
    proved = content_of(generated.trial) if generated is not None else ""
    hashes = [commit.content_hash for _, commit in sorted(prepared.written.items())] + [lists.content_hash, proved]
    return StageResult(
        found,
        hashlib.sha256("".join(hashes).encode()).hexdigest(),
        verdict.decision if verdict is not None else "none",
        tuple(verdict.reasons) if verdict is not None else (NOT_ASKED,),
        trained,
    )


def _found(context: Context, prepared: Prepared, **more: object) -> Search:
    search = context.config.source.search
    made = search.click_model.judged if search is not None and search.click_model is not None else None
    counted = {"queries": prepared.splits, "judgements": prepared.judgements, "made": made}
    return Search(**(counted | more))  # type: ignore[arg-type]


def _trained(fitted: Rankers, generated: GeneratedQueries | None, refitted: SearchRefit | None) -> list[TrainedModel]:
    """Every model once: the towers, the VAE of queries, the arms' towers, and those of the lists."""
    models = [fitted.trained]
    if generated is not None:
        models += generated.models
        models += [model for result in generated.trial.arms.values() for model in result.measured.models]
    models += [refitted.model] if refitted is not None else []
    return list({model.folder: model for model in models}.values())


def _quietly(line: str) -> None:
    """A stage says one line, when it has ended."""
