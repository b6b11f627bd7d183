"""Train the recommender with and without the candidates, prove or disprove the lift, and let the gate decide."""

import hashlib

import msgspec

from recaug.evaluate.arms import NONE, arms_of, controls_of
from recaug.evaluate.policy import choose
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
    return StageResult(
        msgspec.structs.replace(trial, policy=policy),
        content_hash=content_of(trial),
        decision=trial.verdict.decision,
        reasons=trial.verdict.reasons,
        trained=trained,
    )


def content_of(trial: Trial) -> str:
    """Hash what was found, without what trainings cost."""
    arms = {
        name: msgspec.structs.replace(result, measured=msgspec.structs.replace(result.measured, models=[]))
        for name, result in trial.arms.items()
    }
    folders = [model.folder for result in trial.arms.values() for model in result.measured.models]
    outcome = encode(msgspec.structs.replace(trial, arms=arms, policy=None))
    return hashlib.sha256("\n".join([outcome, *sorted(folders)]).encode()).hexdigest()
