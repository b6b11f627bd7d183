"""What each stage of a night reads and writes, and which sections of the configuration decide it; run by nightly.py."""

from collections.abc import Mapping
from dataclasses import dataclass

from recaug.config import Config
from recaug.lake.contracts import REFIT, REFITTED, REFITTED_SEARCH

SEARCHES = ("search_events", "search_quarantine", "search_grades")  # of source.search
PRIVACY = tuple(f"privacy.{key}" for key in ("min_users", "epsilon", "delta", "contributions"))
SERVING = (f"{REFIT}_vocabulary", f"{REFIT}_sequences")


@dataclass(frozen=True)
class Stage:
    """What a stage declares; it gets a view of the lake that refuses any other table.

    reads: tables of other stages, whose versions --resume compares. writes: tables that are its own, which it may read
    as well. sections: dotted names of the configuration. needs: stages whose records of the same night it reads.
    history: stages, and studies, whose records of other nights it reads.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    sections: tuple[str, ...]
    needs: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


NIGHT: Mapping[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "ingest",
            reads=("erased_users",),
            writes=("events", "events_quarantine", "items", "user_attributes", "source_files", *SEARCHES),
            sections=("source",),
            history=("ingest",),  # the days that an earlier night has taken are taken
        ),
        Stage(
            "prepare",
            reads=("events", "items"),
            writes=(
                "vocabulary",
                "sequences",
                "user_features",
                "item_features",
                "covisitation",
                "negatives",
            ),
            sections=("seed", "prepare", "covisitation", "privacy.min_users", "negatives"),
        ),
        Stage(
            "train",
            reads=("vocabulary", "sequences", "covisitation", "items", "erased_users"),
            writes=(),
            sections=("seed", "covisitation", *PRIVACY, "training", "augment.generators"),
            history=("train",),  # a warm start goes on from the last night's models
        ),
        Stage(
            "augment",
            reads=(
                "vocabulary",
                "sequences",
                "covisitation",
                "items",
                "item_latents",
            ),
            writes=("candidate_events",),
            sections=("augment",),
            needs=("train",),
            history=("complete",),
        ),
        Stage(
            "evaluate",
            reads=(
                "events",
                "vocabulary",
                "sequences",
                "covisitation",
                "negatives",
                "items",
                "user_attributes",
                "user_features",
                "item_features",
                "item_latents",
                "completed_attributes",
                "candidate_events",
            ),
            writes=("training_rows",),
            sections=("sasrec", "evaluate", "privacy.users", "privacy.canaries"),
            needs=("prepare", "train", "augment"),
            history=("complete",),
        ),
        Stage(
            "refit",
            reads=("events", "items", "item_latents", "completed_attributes", "vocabulary", "covisitation"),
            writes=tuple(f"{REFIT}_{name}" for name in REFITTED),
            sections=("refit",),
            needs=("prepare", "train", "augment", "evaluate"),
            history=("complete",),
        ),
        Stage(
            "publish",
            reads=("vocabulary", "sequences", "candidate_events", *SERVING, f"{REFIT}_candidate_events"),
            writes=("augmented_events",),
            sections=(),
            needs=("evaluate", "refit"),
        ),
        Stage(
            "recommend",
            reads=("events", "vocabulary", "sequences", "items", *SERVING),
            writes=("recommendations",),
            sections=("recommend",),
            needs=("evaluate", "refit"),
        ),
        Stage(
            "search",
            reads=("items", "search_events", "search_grades"),
            writes=(
                "queries",
                "judgements",
                "search_pairs",
                "search_arm_pairs",
                "query_rows",
                "generated_queries",
                "published_queries",
                "search_lists",
                *(f"{REFIT}_{name}" for name in REFITTED_SEARCH),
            ),
            sections=("seed", "prepare", "search_ranking", "training", "refit"),
        ),
        Stage(
            "report",
            reads=(
                "events",
                "events_quarantine",
                "items",
                "sequences",
                "candidate_events",
                "augmented_events",
                "recommendations",
                "search_lists",
            ),
            writes=(),
            sections=(),
            needs=("ingest", "prepare", "train", "augment", "evaluate", "refit", "publish", "recommend", "search"),
            history=("publish", "search"),
        ),
    )
}

CANDIDATES = "augment"  # the stage that writes them


def deciding(stage: Stage) -> frozenset[str]:
    """Name the sections that decide a stage: its own, and those of the stages whose records and tables it reads."""
    return frozenset(stage.sections).union(*(deciding(other) for other in _before(stage)))


def sections_hash(stage: Stage, config: Config) -> str:
    """Hash what decides a stage: the same hash and the same inputs, the same results."""
    return config.sections_hash(deciding(stage))


def candidates_hash(config: Config) -> str:
    """Hash what decides the generated rows: neither the recommender nor the gate nor what follows it."""
    return sections_hash(NIGHT[CANDIDATES], config)


def _before(stage: Stage) -> list[Stage]:
    """The night's stages that a stage gets its records and tables from."""
    return [
        other
        for other in NIGHT.values()
        if other.name != stage.name and (other.name in stage.needs or set(other.writes) & set(stage.reads))
    ]
