"""Stage 3: cross-fitted generators, trained on real rows only, all in one launch."""

import hashlib

import msgspec
import torch

from recaug.generators.inputs import GeneratorInputs, LeftOut, counting
from recaug.generators.registry import generators
from recaug.lake.store import Store
from recaug.night.context import Context, StageResult
from recaug.night.inputs import generator_inputs, last_night
from recaug.results import Train
from recaug.training.checkpoint import read_meta
from recaug.training.jobs import Job, train
from recaug.training.models.covisitation import CoVisitation, Informed
from recaug.training.validation import validation_ndcg


def run(context: Context) -> StageResult:
    """Train those of augment.generators that learn, one model a user fold that is left out.

    Reads vocabulary, sequences (train; validation for the curves) and covisitation; writes model folders.
    With training.warm_epochs each goes on from the same fold's model of the last night before, where that fits.
    Raises ContractError if there is nothing to train on, TrainingError as training.jobs.train does.
    """
    inputs = generator_inputs(context, last_night(context))
    trained = train(jobs(context, inputs), context.spark, context.config.training, "generators")
    of_counts = {fold: _counts_ndcg(inputs, inputs.left_out[fold]) for fold in {model.fold for model in trained}}
    models = [msgspec.structs.replace(model, counts_ndcg=of_counts[model.fold]) for model in trained]
    weights = sorted(f"{Store(model.folder).name} {read_meta(model.folder)['weights']}" for model in models)
    written = hashlib.sha256("\n".join(weights).encode()).hexdigest()
    spent = None if inputs.private is None else inputs.private.spent
    return StageResult(Train(models=models, spent=spent), written, trained=models)


def jobs(context: Context, inputs: GeneratorInputs) -> list[Job]:
    """Give every model to train; that of fold k sees no row and no count of a user of fold k."""
    return [job for generator in generators(context.config.augment.generators) for job in generator.jobs(inputs)]


def _counts_ndcg(inputs: GeneratorInputs, left: LeftOut) -> float:
    """NDCG@10 of the counts that a generator may be informed by, popularity where they say nothing."""
    table = CoVisitation(*map(torch.from_numpy, left.neighbours), **counting(inputs.counts))
    informed = Informed(table, torch.from_numpy(left.log_popularity))
    with torch.inference_mode():
        return validation_ndcg(informed, left.validation, inputs.discovery, torch.device("cpu"))
