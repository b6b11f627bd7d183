"""What stages and studies found, as typed structs: written as JSON into `runs` and read back typed.

The ground floor: it knows nothing of the package above it. Floats are finite; what was not measured is None.
"""

from typing import Any

import msgspec

from recaug.results.base import Curve, Interval, Metric, Result, Slice, Spent, Subject, TrainedModel
from recaug.results.night import (
    Augment,
    Faithfulness,
    Ingest,
    Prepare,
    Publish,
    Recommend,
    Refit,
    Report,
    Sampled,
    Searches,
    Train,
)
from recaug.results.search import (
    GeneratedQueries,
    ListedItem,
    ListExample,
    QueryExample,
    QueryFidelity,
    RankerResult,
    Search,
    SearchBenchmark,
    SearchLists,
    SearchRefit,
)
from recaug.results.studies import (
    Complete,
    Likeness,
    LookUpWay,
    Pictures,
    PictureTrial,
    Predicted,
    Problems,
    Reliability,
    Score,
    SimilarItems,
    Worth,
)
from recaug.results.trial import (
    Arm,
    ArmResult,
    Attack,
    Audit,
    Catalogue,
    Fidelity,
    Group,
    Lifts,
    Measured,
    Part,
    Policy,
    Trial,
    Tried,
    Verdict,
)

__all__ = [
    "METRICS",
    "Arm",
    "ArmResult",
    "Attack",
    "Audit",
    "Augment",
    "Catalogue",
    "Complete",
    "Curve",
    "Faithfulness",
    "Fidelity",
    "GeneratedQueries",
    "Group",
    "Ingest",
    "Interval",
    "Lifts",
    "Likeness",
    "ListExample",
    "ListedItem",
    "LookUpWay",
    "Measured",
    "Metric",
    "Part",
    "PictureTrial",
    "Pictures",
    "Policy",
    "Predicted",
    "Prepare",
    "Problems",
    "Publish",
    "QueryExample",
    "QueryFidelity",
    "RankerResult",
    "Recommend",
    "Refit",
    "Reliability",
    "Report",
    "Result",
    "Sampled",
    "Score",
    "Search",
    "SearchBenchmark",
    "SearchLists",
    "SearchRefit",
    "Searches",
    "SimilarItems",
    "Slice",
    "Spent",
    "Subject",
    "Train",
    "TrainedModel",
    "Trial",
    "Tried",
    "Verdict",
    "Worth",
    "decode",
    "encode",
]

METRICS: dict[str, type[Result]] = {
    "ingest": Ingest,
    "prepare": Prepare,
    "train": Train,
    "augment": Augment,
    "evaluate": Trial,
    "refit": Refit,
    "publish": Publish,
    "recommend": Recommend,
    "search": Search,
    "report": Report,
    "complete": Complete,
    "images": Pictures,
    "similar": SimilarItems,
}


def encode(result: Result) -> str:
    """Write a result as JSON, keys sorted."""
    return msgspec.json.encode(result, order="sorted").decode()


def decode(text: str, kind: type[Any]) -> Any:
    """Read a result of this type back. Raises msgspec.ValidationError where the text is of another one."""
    return msgspec.json.decode(text, type=kind)
