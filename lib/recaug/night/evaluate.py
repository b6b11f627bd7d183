"""Train the recommender with and without the candidates, prove or disprove the lift, and let the gate decide."""

import hashlib

import msgspec
import numpy as np
from pyspark.sql import functions as F

from recaug.evaluate.arms import NONE, arms_of, controls_of
from recaug.evaluate.gate import private
from recaug.evaluate.policy import choose
from recaug.evaluate.privacy.audit import asked_of, audits, examine
from recaug.evaluate.privacy.rows import Watched
from recaug.evaluate.tasks.recommend import RecommendTask
from recaug.evaluate.trial import run_trial
from recaug.night.context import Context, StageResult
from recaug.night.cost import Cost
from recaug.night.experiment import recommend_task
from recaug.results import Arm, Trial, Verdict, encode

NOTHING = "the policy adds nothing: no option helps on the validation window"


def run(context: Context) -> StageResult:
    """Compare the arms on the validation window, choose one there, and prove it on the test window.

    With a policy, the arm that it makes up of the candidates stands against the one without; else one a generator, and
    of those that are together. Raises ContractError, before an arm is trained, if a table knows what is held out.
    """
    config, policy = context.config, None
    task, arms = recommend_task(context), arms_of(context.config.augment)
    if config.evaluate.policy is not None:
        epochs, metric = config.sasrec.optimiser.epochs, config.evaluate.gate.metric
        with Cost(context.spark) as cost:
            arm, policy = choose(task, config.evaluate.policy, config.augment, epochs, metric)
        policy = msgspec.structs.replace(policy, cpu_seconds=round(cost.cpu_seconds, 1))
        arms = [Arm(name=NONE), *controls_of(config.augment), arm]
    trial, trained = run_trial(task, arms, config.evaluate.seeds, config.seed, config.evaluate.gate)
    if policy is not None and trial.chosen is None:
        trial = msgspec.structs.replace(trial, verdict=Verdict(decision="hold", reasons=(NOTHING,)))
    trial = _audited(context, task, trial)
    return StageResult(
        msgspec.structs.replace(trial, policy=policy),
        content_hash=content_of(trial),
        decision=trial.verdict.decision,
        reasons=trial.verdict.reasons,
        trained=trained,
    )


def _audited(context: Context, task: RecommendTask, trial: Trial) -> Trial:
    """The trial with what the rows of trained generators tell of users, which the gate may hold it for.

    Nothing is measured where privacy.users is 0, or there are no rows of models that leave a fold out.
    """
    tables, config = task.inputs.tables, context.config
    cross_fitted = {model.generator for model in task.inputs.generators.models if model.fold is not None}
    if tables.candidates is None or not config.privacy.users or not cross_fitted:
        return trial
    rows = tables.candidates.where(F.col("generator").isin(*sorted(filter(None, cross_fitted))))
    train = tables.sequences.where("split = 'train'")
    watched, random = Watched(train, tables.covisitation, tables.vocabulary), np.random.default_rng(config.seed)
    asked = asked_of(watched, config.privacy, config.seed, random)
    found = audits(examine(asked, watched, rows, random), config.evaluate.gate, config.seed)
    own = [audit for audit in found if audit.generator in trial.generators]
    verdict = private(trial.verdict, str(trial.chosen), own, config.evaluate.gate)
    return msgspec.structs.replace(trial, privacy=found, verdict=verdict)


def content_of(trial: Trial) -> str:
    """Hash what was found, without what trainings cost; models by their names, wherever the artifacts lie."""
    arms = {
        name: msgspec.structs.replace(result, measured=msgspec.structs.replace(result.measured, models=[]))
        for name, result in trial.arms.items()
    }
    names = [model.folder.rpartition("/")[2] for result in trial.arms.values() for model in result.measured.models]
    outcome = encode(msgspec.structs.replace(trial, arms=arms, policy=None))
    return hashlib.sha256("\n".join([outcome, *sorted(names)]).encode()).hexdigest()
