"""The full audit of a night's generators: halves of the users again and again, models of one half, rows for the other.

The tables of a half are copies of the night's without ids that leave it; they and their models are removed at the end.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream import covisitation
from recaug.clickstream.sequences import histories
from recaug.clickstream.splits import window_events
from recaug.errors import ConfigError
from recaug.evaluate.privacy.audit import Examined, audits, examine
from recaug.evaluate.privacy.rows import Watched
from recaug.generators.base import Generator
from recaug.generators.inputs import GeneratorInputs
from recaug.generators.registry import generators
from recaug.generators.sampling import generate
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.augment import request_of
from recaug.night.context import Context
from recaug.night.counting import counting_of, marked
from recaug.night.failures import one_line_errors
from recaug.night.inputs import NightTables, private_of
from recaug.night.prepare import FILES
from recaug.report.page import templates
from recaug.report.privacy import Protection, privacy
from recaug.report.privacy import markdown as table
from recaug.report.series import generators_of
from recaug.results import Audit, TrainedModel
from recaug.training.jobs import train

FOLDER = "privacy"  # below the night's
HALVES = ("sequences", "covisitation")  # tables whose folds are the halves of a salt


@dataclass(frozen=True)
class HalfTables:
    """The night's tables with the users in salted halves in place of its folds."""

    night: NightTables
    lake: Lake

    def read(self, name: str) -> DataFrame:
        """Read a table."""
        return self.lake.read(name) if name in HALVES else self.night.read(name)

    def content_hash(self, name: str, partition: Mapping[str, str] | None = None) -> str | None:
        """Hash the rows of a table, or of a partition of it."""
        return (self.lake if name in HALVES else self.night).content_hash(name, partition)

    def snapshot_files(self, name: str, partition: Mapping[str, str]) -> list[str]:
        """Give the addresses of a partition's files."""
        return (self.lake if name in HALVES else self.night).snapshot_files(name, partition)


def run_audit(context: Context, say: Callable[[str], None] = print) -> list[Audit]:
    """Attack the rows of the configured generators, those of counts among them, over privacy.salts halves.

    Needs the tables of prepare. Writes audit.json, audit.md and index.html into privacy/ of the night's folder. Raises
    ContractError where prepare has not run, ConfigError where there is nothing to audit.
    """
    if not context.config.privacy.users or not context.config.augment.generators:
        raise ConfigError("privacy.users is 0, or augment.generators is empty: there is nothing to audit")
    settings, place = context.config.privacy, context.folder.at(FOLDER)
    found: dict[str, list[Examined]] = {}
    with one_line_errors("audit_privacy"):
        context.recorded("prepare")
        for salt in range(settings.salts):
            halves = place.at(f"halves-{salt}")
            try:
                for name, examined in _of_salt(context, halves, salt).items():
                    found.setdefault(name, []).extend(examined)
            finally:
                halves.remove()
            say(f"salt {salt + 1} of {settings.salts}: {', '.join(sorted(found))}")
        concluded = audits(found, context.config.evaluate.gate, context.config.seed)
        place.write("audit.json", json.dumps(msgspec.to_builtins(concluded), indent=2) + "\n")
        place.write("audit.md", markdown(concluded) + "\n")
        place.write("index.html", render(context, concluded))
    return concluded


def markdown(concluded: Sequence[Audit]) -> str:
    """Write the table, and how much it rests on."""
    rests = ", ".join(f"{audit.generator} {audit.users} users, {audit.releases} sets of rows" for audit in concluded)
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


def _of_salt(context: Context, halves: Store, salt: int) -> dict[str, list[Examined]]:
    """Write the tables of two halves, train on each, draw for the other, and attack the rows."""
    config, lake = context.config, Lake(context.spark, path=halves.address("lake"))
    _write_halves(context, lake, salt)
    tables = HalfTables(NightTables(context), lake)
    inputs = GeneratorInputs(
        models=halves.at("models"),
        tables=tables,
        counts=counting_of(context),
        seed=config.seed + salt,
        folds=range(2),
        max_length=config.prepare.max_length,
        discovery=config.prepare.task == "discovery",
        workers=config.training.workers,
        min_users=config.privacy.min_users,
        cross_fitted=True,
        private=private_of(context),
    )
    entries = [entry for entry in generators(config.augment.generators) if not entry.control]
    jobs = [job for entry in entries for job in entry.jobs(inputs)]
    trained = train(jobs, context.spark, config.training, f"audit, salt {salt}") if jobs else []
    found: dict[str, list[Examined]] = {}
    for entry in entries:
        rows = _drawn(context, entry, inputs, trained).persist()
        try:
            sequences = tables.read("sequences").where("split = 'train'")
            watched = Watched(sequences, tables.read("covisitation"), tables.read("vocabulary"), rows)
            found |= examine(watched, config.privacy, config.seed)
        finally:
            rows.unpersist()
    return found


def _write_halves(context: Context, lake: Lake, salt: int) -> None:
    """Write sequences and covisitation with the half of each user, by a salted hash, as its fold."""
    config, night = context.config, context.lake
    half = F.pmod(F.xxhash64(F.lit(f"half {salt}"), F.col("user_id")), F.lit(2)).cast("int")
    rows = night.read("sequences").withColumn("fold", half)
    lake.replace(rows, "sequences", {}, context.run_id, files=FILES, by=("user_index", "window"))
    people = rows.where("split = 'serve'").select("user_id", "user_index", "fold")
    events = window_events(night.read("events"), context.date, config.prepare)
    codes = covisitation.train_codes(histories(events, night.read("vocabulary"), people))
    way = counting_of(context)
    counts = covisitation.counts(codes, way.window, way.backward)
    lake.replace(marked(counts, way), "covisitation", {}, context.run_id)


def _drawn(context: Context, entry: Generator, inputs: GeneratorInputs, trained: Sequence[TrainedModel]) -> DataFrame:
    """Draw a generator's rows for each half from the model of the other, with their items' ids."""
    augment, sequences = context.config.augment, inputs.tables.read("sequences").where("split = 'train'")
    folders, request = entry.folders(inputs, trained), request_of(context, entry.name)
    rows = generate(sequences, entry, folders, request, augment.buckets, augment.max_users)
    words = F.broadcast(inputs.tables.read("vocabulary").select("item_id", "item_index"))
    kept = rows.where(F.col("fidelity") >= entry.draw.min_fidelity).join(words, "item_index", how="inner")
    return kept.drop("item_index")
