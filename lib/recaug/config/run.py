"""One complete run: every section together, read from one YAML file."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import msgspec

from recaug.config.alarms import Alarms, Budget
from recaug.config.base import Seed, Strict
from recaug.config.evaluate import Evaluate, Recommend
from recaug.config.generators import Augment, decode_entry
from recaug.config.images import Images
from recaug.config.lake import Lake, Spark
from recaug.config.origins import SET, overlay, resolved
from recaug.config.prepare import CoVisitation, Negatives, Prepare
from recaug.config.privacy import Privacy
from recaug.config.search_ranking import SearchRanking
from recaug.config.secrets import has_credentials, hidden, secrets
from recaug.config.sources import Sources
from recaug.config.stream import Stream
from recaug.config.studies import Attributes, Benchmark, LearningCurve, SimilarItems
from recaug.config.tasks import Tasks, stages_of
from recaug.config.text import parse, refuse_infinite
from recaug.config.training import SASRec, Training
from recaug.errors import ConfigError

# Where things lie and arrive, how Spark and the launchers run, who watches, what it may cost: what decides no row.
PLACES = (
    "artifacts",
    "lake",
    "spark",
    "tracking",
    "alarms",
    "budget",
    "stream",
    "privacy.key",
    "source.events.path",
    "source.search.path",
    "training.launcher",
    "training.timeout_seconds",
    "training.checkpoint_epochs",
)


class Tracking(Strict, kw_only=True):
    """MLflow. uri: a server's address, or null for a folder under `artifacts`. experiment: that the runs belong to."""

    uri: str | None = None
    experiment: str = "recaug"


class Config(Strict, kw_only=True, dict=True):
    """One complete run: all but artifacts, lake and source has a default.

    tasks: of a night, each with a gate of its own; search needs source.search, recommendation source.events.
    seed: of all random numbers. artifacts: folder of the models, of each night's report and summary, and of MLflow's
        runs. covisitation: null: counted as ranks validation users best.
    benchmark, learning_curve, attributes, images: a study; null where none is asked for.
    refit: once a recipe is proved, its models go on learning from all days up to the night, the held-out ones too, and
        the published rows and the lists are theirs; so does the ranker of searches, from every judged query; false: all
        that is used is as it was proved.
    """

    tasks: Tasks = msgspec.field(default_factory=lambda: ["recommendation"])
    seed: Seed = 0
    artifacts: str
    lake: Lake
    spark: Spark = Spark()
    source: Sources
    prepare: Prepare = Prepare()
    negatives: Negatives = Negatives()
    covisitation: CoVisitation | None = None
    privacy: Privacy = Privacy()
    training: Training = Training()
    sasrec: SASRec = SASRec()
    augment: Augment = msgspec.field(default_factory=Augment)
    evaluate: Evaluate = Evaluate()
    refit: bool = True
    recommend: Recommend = Recommend()
    search_ranking: SearchRanking = SearchRanking()
    tracking: Tracking = Tracking()
    alarms: Alarms = msgspec.field(default_factory=Alarms)
    budget: Budget = Budget()
    stream: Stream = Stream()
    benchmark: Benchmark | None = None
    learning_curve: LearningCurve | None = None
    attributes: Attributes | None = None
    similar_items: SimilarItems = SimilarItems()
    images: Images | None = None

    def __post_init__(self) -> None:
        """Check what spans several sections."""
        for name, place in (("artifacts", self.artifacts), ("lake.path", self.lake.path)):
            if place is not None and has_credentials(place):
                raise ValueError(f"{name} has a secret in its address, which files would keep; use spark.settings")
        events, prepare = self.source.event_log, self.prepare
        of_log = events.all_types if events is not None else ()
        if unknown := set(prepare.event_types) - set(of_log or prepare.event_types):
            raise ValueError(
                f"prepare.event_types: {', '.join(sorted(unknown))} is none of {', '.join(of_log)}, which "
                "source.events gives"
            )
        for key, sasrec in self._recommenders().items():
            if sasrec.prefix_events >= prepare.max_length:
                raise ValueError(
                    f"{key}.prefix_events {sasrec.prefix_events} is more than prepare.max_length "
                    f"{prepare.max_length} leaves beside a target: set it to {prepare.max_length - 1} or less"
                )
        if self.evaluate.policy is not None:
            self.evaluate.policy.check(self.augment)
        self._check_search()
        self._check_fairness()
        open_ones = [entry.name for entry in self.augment.generators if not entry.private]
        if self.privacy.epsilon is not None and open_ones:
            raise ValueError(
                f"privacy.epsilon: {', '.join(open_ones)} cannot keep it; leave these generators out, or set it to null"
            )
        if self.learning_curve is not None and not self.augment.generators:
            raise ValueError("learning_curve has no augment.generators to draw the curves of")
        if self.benchmark is not None:
            self.benchmark.check(prepare)
        if prepare.min_item_users == 0 and self.source.items is None:
            raise ValueError("prepare.min_item_users 0 takes new items from the catalogue: set source.items")

    def _check_fairness(self) -> None:
        """Raise ValueError where fairness names an attribute that the source lacks."""
        users, items, asked = self.source.users, self.source.items, self.evaluate.fairness
        given = {
            ("user", "source.users.attributes", asked.user): users.attributes if users is not None else {},
            ("item", "source.items.categorical", asked.item): items.categorical if items is not None else {},
        }
        for (kind, key, names), known in given.items():
            if missing := [name for name in names if name not in known]:
                raise ValueError(
                    f"evaluate.fairness.{kind}: {key} has no {', '.join(missing)}; it has {', '.join(known) or 'none'}"
                )

    def _recommenders(self) -> dict[str, SASRec]:
        """Every setting of the recommender, by its key."""
        tried = self.benchmark.sasrec if self.benchmark is not None else {}
        return {"sasrec": self.sasrec} | {f"benchmark.sasrec.{name}": sasrec for name, sasrec in tried.items()}

    def _check_search(self) -> None:
        """Raise ValueError where the searches lack what they are asked for."""
        search = self.source.search
        if search is None:
            if "search" in self.tasks:
                raise ValueError("tasks has search: set source.search, what was searched for, or leave it out")
        elif self.prepare.search.split == "time" and ("event_time" not in search.columns or search.click_model):
            raise ValueError("prepare.search.split time needs source.search.columns.event_time; or split by query")

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages of its nights, in their order."""
        return stages_of(self.tasks)

    @property
    def origins(self) -> Mapping[str, str] | None:
        """Where each value comes from that is no default, by its place; None for what no YAML gave."""
        return self.__dict__.get("origins")

    def written(self) -> str:
        """Write it as YAML, each value with where it comes from; read again, it means the same but for its secrets."""
        return resolved(self.shown(), self.origins)

    def shown(self) -> dict[str, Any]:
        """Give it as nested dicts without its secrets: what files, MLflow and people may see."""
        values: dict[str, Any] = hidden(msgspec.to_builtins(self))
        return values

    @property
    def secrets(self) -> frozenset[str]:
        """The values of its settings and options that are secrets, and the key. Raises ConfigError as Key.read does."""
        key = self.privacy.secret
        return frozenset({*secrets(msgspec.to_builtins(self)), *([key] if key else [])})

    @property
    def generated_type(self) -> str:
        """What type generated events have: the first of those that make a sequence, as far as the YAML names them."""
        return next(iter((*self.prepare.event_types, *self.source.events.our_types)), "event")

    @property
    def hash(self) -> str:
        """Hash of what decides the rows: everything but PLACES."""
        return self.sections_hash(self.__struct_fields__)

    def sections_hash(self, names: Iterable[str]) -> str:
        """Hash some sections, by dotted names such as evaluate.gate, without what decides no row (PLACES).

        Raises KeyError for a name that is no key.
        """
        whole = msgspec.to_builtins(self)
        for place in PLACES:
            *sections, key = place.split(".")
            section = reduce(getitem, sections, whole)
            if section is not None:
                del section[key]
        hashed = {name: reduce(getitem, name.split("."), whole) for name in names if name not in PLACES}
        return hashlib.sha256(msgspec.json.encode(hashed, order="sorted")).hexdigest()[:16]


def load(path: str | Path, settings: Sequence[str] = ()) -> Config:
    """Read one run's YAML, with settings such as `sasrec.dim=32` on top. Raises ConfigError that names file and key."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give --config an existing YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start + 1} is no UTF-8; save the file as UTF-8") from error
    return loads(text, str(path), settings)


def loads(text: str, name: str = "configuration", settings: Sequence[str] = ()) -> Config:
    """Parse YAML text; `name` stands for it in errors."""
    try:
        values = parse(text)
        origins = overlay(values, settings) if isinstance(values, dict) else {}
        config = convert(values)
    except (msgspec.ValidationError, ValueError) as error:
        what = " ".join([name, *(f"{SET} {setting}" for setting in settings)])
        raise ConfigError(f"{what}: {in_words(str(error))}") from error
    config.__dict__["origins"] = origins  # beside the fields, for they decide nothing
    return config


def convert(values: Any) -> Config:
    """Make a configuration of nested dicts, such as YAML or msgspec.to_builtins give.

    Raises msgspec.ValidationError or ValueError that names the key.
    """
    refuse_infinite(values, "$")
    return msgspec.convert(values, Config, dec_hook=decode_entry)


def in_words(error: str) -> str:
    """Join msgspec's two paths, that in a generator's entry and the entry's own; say how text is told from a number."""
    joined = re.sub(r" - at `\$([^`]*)` - at `([^`]*)`$", r" - at `\2\1`", error)
    number = re.match(r"Expected `str( \| null)?`, got `(int|float|bool|datetime|date)`", joined)
    return f"{joined}; put it in quotes" if number else joined
