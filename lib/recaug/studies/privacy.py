"""The full audit of a night's generators: halves of the users again and again, models of one half, rows for the other.

The tables and models of the halves are removed as it goes.
"""

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.errors import ConfigError
from recaug.evaluate.privacy.audit import Asked, Examined, asked_of, audits, examine
from recaug.evaluate.privacy.rows import Watched
from recaug.evaluate.privacy.weights import ModelScores, examine_weights
from recaug.generators.base import Generator, Model
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.likelihood import likelihoods
from recaug.generators.registry import generators
from recaug.generators.samplers import opened
from recaug.generators.sampling import generate
from recaug.night.augment import request_of
from recaug.night.context import Context
from recaug.night.failures import one_line_errors
from recaug.night.inputs import private_of
from recaug.report.page import templates
from recaug.report.privacy import Protection, privacy
from recaug.report.privacy import markdown as table
from recaug.report.series import generators_of
from recaug.results import Audit
from recaug.studies.halves import Halves
from recaug.training.jobs import train

FOLDER = "privacy"  # below the night's
RECOMMENDER = "the recommender"  # as the table names it; no generator can have this name


@dataclass(frozen=True)
class Evidence:
    """What salts have given so far. rows, weights: by the name of a generator, or of the recommender."""

    rows: dict[str, list[Examined]] = field(default_factory=dict)
    weights: dict[str, list[ModelScores]] = field(default_factory=dict)

    def conclude(self, context: Context) -> list[Audit]:
        """What they say, rows first."""
        gate, seed = context.config.evaluate.gate, context.config.seed
        weights = {name: examine_weights(models, seed) for name, models in self.weights.items()}
        return audits(self.rows, gate, seed) + audits(weights, gate, seed, "weights")


def run_audit(context: Context, say: Callable[[str], None] = print) -> list[Audit]:
    """Attack the rows of the configured generators, those of counts among them, and all models' weights.

    Over privacy.salts halves; the recommender learns from real rows alone.
    Needs the tables of prepare. Writes audit.json, audit.md and index.html into privacy/ of the night's folder. Raises
    ContractError where prepare has not run, ConfigError where there is nothing to audit.
    """
    if not context.config.privacy.users or not context.config.augment.generators:
        raise ConfigError("privacy.users is 0, or augment.generators is empty: there is nothing to audit")
    settings, place, evidence = context.config.privacy, context.folder.at(FOLDER), Evidence()
    with one_line_errors("audit_privacy"):
        context.recorded("prepare")
        for salt in range(settings.salts):
            halves = Halves(context, salt, place.at(f"halves-{salt}"))
            try:
                halves.write()
                _attack(halves, evidence)
            finally:
                halves.remove()
            say(f"salt {salt + 1} of {settings.salts}: {', '.join(sorted(evidence.rows.keys() | evidence.weights))}")
        concluded = evidence.conclude(context)
        place.write("audit.json", json.dumps(msgspec.to_builtins(concluded), indent=2) + "\n")
        place.write("audit.md", markdown(concluded) + "\n")
        place.write("index.html", render(context, concluded))
    return concluded


def markdown(concluded: Sequence[Audit]) -> str:
    """Write the table, and how much it rests on."""
    what = {"rows": "sets of rows", "weights": "models"}
    rests = ", ".join(
        f"{audit.generator} {audit.users} users, {audit.releases} {what[audit.subject]}" for audit in concluded
    )
    return f"{table(concluded)}\n\n{rests}"


def render(context: Context, concluded: Sequence[Audit]) -> str:
    """Write the page."""
    settings, bound = context.config.privacy, context.config.evaluate.gate.max_attack_auc
    private = private_of(context)
    spent = None if private is None else private.spent
    protection = Protection(settings.min_users, settings.key is not None, spent)
    shown = privacy(concluded, bound, protection, generators_of(context.config))
    page = templates().get_template("audit.html")
    return page.render(privacy=shown, date=context.date, salts=settings.salts)


def _attack(halves: Halves, evidence: Evidence) -> None:
    """Train on each half, draw for the other, and attack the rows; and ask every model of both halves."""
    config, inputs, tables = halves.context.config, halves.inputs(), halves.tables
    entries = [entry for entry in generators(config.augment.generators) if not entry.control]
    jobs = [job for entry in entries for job in entry.jobs(inputs)]
    trained = train(jobs, halves.context.spark, config.training, f"audit, salt {halves.salt}") if jobs else []
    train_rows = tables.read("sequences").where("split = 'train'")
    watched = Watched(train_rows, tables.read("covisitation"), tables.read("vocabulary"))
    random = np.random.default_rng(config.seed)
    asked = asked_of(watched, config.privacy, config.seed, random)
    _ask(halves, asked, evidence, RECOMMENDER, halves.recommenders().items())
    for entry in entries:
        folders = entry.folders(inputs, trained)
        _ask(halves, asked, evidence, entry.name, ((half, entry.model(folder)) for half, folder in folders.items()))
        rows = _drawn(halves.context, entry, inputs, folders).persist()
        try:
            for name, examined in examine(asked, watched, rows, copy.deepcopy(random)).items():
                evidence.rows.setdefault(name, []).extend(examined)
        finally:
            rows.unpersist()


def _ask(
    halves: Halves, asked: Asked, evidence: Evidence, name: str, models: Iterable[tuple[int, Model | None]]
) -> None:
    """Add what the models of the halves say of the users, opened one after the other; None: there is no model."""
    config, said = halves.context.config, evidence.weights.setdefault(name, [])
    for half, model in models:
        if model is not None:
            by_name = likelihoods(model, asked.histories, config.prepare.max_length, config.seed + halves.salt)
            said.append(ModelScores(halves.salt, asked, half, by_name))
            opened.cache_clear()  # of a million items it takes gigabytes


def _drawn(context: Context, entry: Generator, inputs: GeneratorInputs, folders: Mapping[int, str]) -> DataFrame:
    """Draw a generator's rows for each half from the model of the other, with their items' ids."""
    augment, sequences = context.config.augment, inputs.tables.read("sequences").where("split = 'train'")
    request = request_of(context, entry.name)
    rows = generate(sequences, entry, folders, request, augment.buckets, augment.max_users)
    words = F.broadcast(inputs.tables.read("vocabulary").select("item_id", "item_index"))
    kept = rows.where(F.col("fidelity") >= entry.draw.min_fidelity).join(words, "item_index", how="inner")
    return kept.drop("item_index")
