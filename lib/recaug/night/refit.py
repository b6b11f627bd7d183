"""Let the recipe that was proved learn from all days, the held-out ones too, before its rows and lists are used."""

import hashlib
import math
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np

from recaug.evaluate.arms import NONE
from recaug.evaluate.gate import faults_of
from recaug.evaluate.tasks.recommend import RecommendTask
from recaug.evaluate.trial import refuse_leaks
from recaug.generators.accounting import together
from recaug.generators.inputs import Before
from recaug.lake.contracts import REFIT
from recaug.lake.runs import RunRecord
from recaug.lake.views import Room
from recaug.night import prepare
from recaug.night.augment import write_candidates
from recaug.night.context import Context, StageResult
from recaug.night.counting import counting_of
from recaug.night.experiment import recommend_task
from recaug.night.inputs import generator_inputs, places_in, private_of
from recaug.night.train import jobs
from recaug.results import Arm, ArmResult, Augment, Prepare, Refit, Spent, Train, TrainedModel
from recaug.training.jobs import train

SHARE = 3  # a model goes on for one in so many of the epochs that it was proved with


def run(context: Context) -> StageResult:
    """Make the recipe's models, candidates and recommender anew from every day of the night's windows.

    The recipe is the chosen arm's where that is published, else the one without generated rows. Each model goes on from
    the proved one. Where the new rows break a bound of fidelity, what was proved serves.
    Raises ContractError if a table knows an event of no such day, TrainingError as training.jobs.train does.
    """
    if not context.config.refit:
        return StageResult(Refit())
    served = served_arm(context.recorded("evaluate"))
    whole = _of_all_days(context, served.arm)
    prepared = prepare.run(whole)
    places = places_in(whole.lake.read("vocabulary"), partial(context.lake.read, "vocabulary"))
    assert places is not None  # of the night itself
    proved = context.recorded("train").metrics
    generators, spent = _go_on(whole, proved, places), _spent(whole, proved)
    written = write_candidates(whole, generators)
    task = recommend_task(whole, Train(models=generators, spent=spent))
    fidelity = task.fidelity([served.arm]).get(served.arm.name) if served.arm.parts else None
    faults = faults_of(fidelity, context.config.evaluate.gate) if fidelity is not None else []
    learnt, drawn = prepared.metrics, written.metrics
    assert isinstance(learnt, Prepare)
    assert isinstance(drawn, Augment)
    found = Refit(
        rows=learnt.rows["train"],
        candidates=drawn.candidates,
        models=generators,
        fidelity=fidelity,
        faults=tuple(faults),
        spent=spent,
    )
    if faults:
        return StageResult(found, prepared.content_hash, trained=_named(generators))
    recommender, leaks = _recommender(task, served, places)
    found = msgspec.structs.replace(
        found, recommender=recommender.folder, models=[*generators, recommender], leaks=leaks
    )
    hashed = hashlib.sha256(f"{prepared.content_hash} {written.content_hash}".encode()).hexdigest()
    return StageResult(found, hashed, trained=_named(found.models))


def served_arm(judged: RunRecord) -> ArmResult:
    """Give the arm whose rows and lists are used: the chosen one where it is published. judged: of evaluate."""
    trial = judged.metrics
    arm: ArmResult = trial.arms[trial.chosen if judged.decision == "publish" and trial.chosen is not None else NONE]
    return arm


def _of_all_days(context: Context, arm: Arm) -> Context:
    """The night with nothing held out, in tables of its own, and with the generators of the arm alone."""
    config = context.config
    entries = [entry for entry in config.augment.generators if entry.name in arm.generators]
    whole = msgspec.structs.replace(
        config,
        prepare=config.prepare.whole(),
        covisitation=counting_of(context),
        augment=msgspec.structs.replace(config.augment, generators=entries, together=[]),
        evaluate=msgspec.structs.replace(config.evaluate, policy=None),
        benchmark=None,
        learning_curve=None,
    )
    return replace(context, config=whole, lake=Room(context.lake, REFIT), proved=config)


def _go_on(whole: Context, proved: Train, places: np.ndarray) -> list[TrainedModel]:
    """Train each network of the recipe on from the proved one. places: see Before."""
    models = {(model.generator, model.fold): model for model in proved.models if model.generator is not None}
    before = Before(
        folders={key: model.folder for key, model in models.items()},
        epochs={key: math.ceil((model.epoch or 0) / SHARE) for key, model in models.items()},
        places=places,
    )
    config = whole.config
    own = jobs(whole, generator_inputs(whole, before)) if config.augment.generators else []
    return train(own, whole.spark, config.training, "refit, generators")


def _spent(whole: Context, proved: Train) -> Spent | None:
    """Privacy that the proved models and those of the recipe spend of the same users; as if these learnt in full."""
    private = private_of(whole) if whole.config.augment.generators else None
    return proved.spent if private is None or proved.spent is None else together([proved.spent, private.spent])


def _recommender(task: RecommendTask, served: ArmResult, places: np.ndarray) -> tuple[TrainedModel, dict[str, int]]:
    """Train the arm's recommender on from its first seed's, once no table knows too much."""
    arm = served.arm
    (job,) = task.jobs(arm, 1) if arm.parts else task.real_jobs(arm.name, 1)
    leaks = refuse_leaks(task, [arm])
    job = replace(job, start=served.measured.models[0].folder, places=places)
    epochs = math.ceil((served.measured.models[0].epoch or 1) / SHARE)
    (model,) = task.briefly(epochs).train([job], "refit, recommender")
    return model, leaks


def _named(models: list[TrainedModel]) -> list[TrainedModel]:
    """The models under names that the night's others do not have."""
    return [msgspec.structs.replace(model, name=f"{REFIT}-{model.name}") for model in models]
