"""Records and results by hand."""

import datetime as dt
from typing import Any

from recaug.lake.runs import RunRecord
from recaug.report.series import Series
from recaug.results import Arm, ArmResult, Catalogue, Interval, Measured, Part, Report, Trial, Verdict

DATE = dt.date(2017, 2, 4)
GENERATORS = [
    Series("vae", "VAE", ("#1f6fc4", "#6cb0f5")),
    Series("gan", "GAN", ("#b04c06", "#f0924a")),
    Series("counts", "counts", ("#16736d", "#4fc3bb"), "counts' rows"),
    Series("rare_items", "rare items", ("#a3326b", "#ec87b6")),
]


def stage(name: str, **values: Any) -> RunRecord:
    start = dt.datetime(2017, 2, 5, 2)
    known: dict[str, Any] = {
        "run_id": "r",
        "event_date": DATE,
        "stage": name,
        "metrics": Report(bytes=0),
        "started": start,
        "finished": start,
        "config_hash": "c",
        "cpu_seconds": 20.0,
        "wall_seconds": 10.0,
        "peak_memory_mb": 100.0,
    }
    return RunRecord(**(known | values))


def interval(mean: float, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(mean=mean, low=low, high=high)


def measured(gini: float = 0.5, **values: Any) -> Measured:
    """measures: hr@10 of all users. exposure: as given."""
    hr, exposure = values.get("hr"), values.get("exposure", {})
    measures = {} if hr is None else {"overall": {"hr@10": hr}}
    return Measured(measures=measures, catalogue=Catalogue(coverage=0.1, gini=gini, novelty=9.0), exposure=exposure)


def arm_of(*generators: str) -> Arm:
    """An arm of these; named `none` without any."""
    return Arm(name="+".join(generators) or "none", parts=(Part(generators=generators),) if generators else ())


def against_none(*generators: str, **values: Any) -> ArmResult:
    return ArmResult(**({"arm": arm_of(*generators), "measured": measured()} | values))


def trial(*arms: ArmResult, **values: Any) -> Trial:
    known: dict[str, Any] = {
        "task": "recommend",
        "metric": "ndcg@10",
        "seeds": 3,
        "units": {"overall": 40},
        "arms": {result.arm.name: result for result in arms},
        "baselines": {},
        "leaks": {},
        "tail_share": 0.5,
        "chosen": None,
        "verdict": Verdict(decision="hold", reasons=()),
    }
    return Trial(**(known | values))
