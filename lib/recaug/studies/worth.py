"""Whether what a completion wrote makes the recommenders better, which the gate decides on the validation users."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from recaug.clickstream.terms import with_completed
from recaug.evaluate.arms import NONE
from recaug.evaluate.contest import VALIDATION, Contest
from recaug.evaluate.draws import Draws
from recaug.evaluate.gate import decide
from recaug.evaluate.sums import Axes, sums_of
from recaug.evaluate.task import Scorers
from recaug.evaluate.tasks.recommend import RecommendTask
from recaug.night.context import Context
from recaug.night.experiment import recommend_task
from recaug.night.features import WITH, item_embedding_features
from recaug.results import Worth

Arms = Mapping[str, Sequence[str]]  # the arm without and the one with what a completion wrote -> scorers


def worth(context: Context) -> dict[str, Worth]:
    """Compare recommenders that read the completion's tables with the same ones that do not, on the validation window.

    The content-based one reads completed attributes. SASRec reads what sasrec.item_features_from names: `completed`
    against the catalogue as it is, `latents` against no item features; as many seeds as the night's arms.
    Returns a verdict for each recommender. A night uses the tables where it is `publish`.
    """
    config, task = context.config, recommend_task(context)
    compared, scorers = _content(context, task)
    if config.sasrec.item_features and config.sasrec.item_features_from != "catalogue":
        arms, trained = _sasrec(context, task)
        compared, scorers = compared | arms, dict(scorers) | dict(trained)
    metric, gate = config.evaluate.gate.metric, config.evaluate.gate
    axes, draws = Axes(tuple(scorers), task.slices, (metric,)), Draws(gate.bootstraps, config.seed)
    sums = {VALIDATION: sums_of(task.measure([VALIDATION], scorers), axes, draws)}
    verdicts = {}
    for name, named in compared.items():
        contest = Contest(sums, named, gate)
        ((arm, lift),) = contest.lifts(VALIDATION, metric).items()
        verdict = decide(arm, lift, None, gate)
        verdicts[name] = Worth(arm=arm, decision=verdict.decision, reasons=verdict.reasons, lift=lift)
    return verdicts


def _content(context: Context, task: RecommendTask) -> tuple[dict[str, Arms], Scorers]:
    """The content-based recommender over both catalogues."""
    items = context.lake.read("items")
    full = with_completed(items, context.lake.read("completed_attributes"))
    catalogues = {NONE: items, WITH["completed"]: full}
    scorers = {f"content, {arm}": task.by_content(catalogue) for arm, catalogue in catalogues.items()}
    return {"content": {arm: [f"content, {arm}"] for arm in catalogues}}, scorers


def _sasrec(context: Context, task: RecommendTask) -> tuple[dict[str, Arms], Scorers]:
    """Train SASRec with both contents of the item embedding."""
    source = context.config.sasrec.item_features_from
    without = item_embedding_features(context, "catalogue") if source == "completed" else None
    features = {NONE: without, WITH[source]: item_embedding_features(context, source)}
    jobs = {
        arm: [
            replace(job, item_features=own) for job in task.real_jobs(f"sasrec, {arm}", context.config.evaluate.seeds)
        ]
        for arm, own in features.items()
    }
    trained = task.train([job for own in jobs.values() for job in own], f"recommender {WITH[source]} and without")
    scorers = task.scorers({model.name: model.folder for model in trained})
    return {"sasrec": {arm: [job.name for job in own] for arm, own in jobs.items()}}, scorers
