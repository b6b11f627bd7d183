"""Rows in and out of each stage, as the page tells them."""

from collections.abc import Mapping
from typing import NamedTuple

from recaug.report.records import ASIDE, Stages

# The stages' rows: what each reads and what it writes, as keys of counts with what a reader calls them.
FLOWS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ingest": (
        {"rows_read": "rows of the source"},
        {
            "events": "events",
            "duplicates": "duplicates dropped",
            "quarantined": "quarantined",
            **ASIDE,
            "items": "items",
            "searches": "rows of searches",
        },
    ),
    "prepare": (
        {"window_events": "events of the windows"},
        {
            "train": "train windows",
            "validation": "validation users",
            "test": "test users",
            "serve": "users to serve",
            "vocabulary": "items in the vocabulary",
            "covisitation": "co-visitation pairs",
            "negatives": "negatives",
        },
    ),
    "train": ({"train": "train windows"}, {"models": "models"}),
    "augment": (
        {"train": "train windows", "models": "models"},
        {"candidates": "candidate rows", "dropped": "rows below the fidelity bound"},
    ),
    "evaluate": ({"candidates": "candidate rows", "test": "test users"}, {"recommenders": "recommenders compared"}),
    "refit": ({"refit_rows": "train windows of all days"}, {"refit_candidates": "candidate rows"}),
    "publish": ({"candidates": "candidate rows"}, {"augmented": "rows published"}),
    "recommend": ({"serve": "users"}, {"recommendations": "recommendations"}),
    "search": (
        {"queries": "queries", "judgements": "judgements of items"},
        {
            "generated_queries": "generated queries",
            "published_queries": "queries published",
            "search_lists": "rows of search lists",
        },
    ),
}


class Flow(NamedTuple):
    """A stage's rows in and out, each with what a reader calls them."""

    stage: str
    read: list[tuple[int, str]]
    wrote: list[tuple[int, str]]


def flows(stages: Stages, rows: Mapping[str, int]) -> list[Flow]:
    """Rows in and out of each recorded stage, those that were counted."""

    def known(labels: Mapping[str, str]) -> list[tuple[int, str]]:
        return [(rows[key], label) for key, label in labels.items() if key in rows]

    return [Flow(stage, known(reads), known(writes)) for stage, (reads, writes) in FLOWS.items() if stage in stages]
