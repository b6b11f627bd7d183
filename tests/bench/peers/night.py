"""A share of Beauty's users as a night prepares it, for the scripts of ours that need tables and trained generators."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec

from recaug import config, session
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night.context import Context
from recaug.night.nightly import run_night

CONFIG = Path(__file__).parents[3] / "conf" / "beauty.yaml"
DATE = dt.date(2014, 7, 1)
WRITTEN = "tests.bench.peers.written:Written"
OURS = ("vae", "counts")


def settled(folder: Path, share: float, written: tuple[str, ...] = ()) -> config.Config:
    """Beauty's night on a share of its users, an arm a generator: ours, and the rows of each file of `written`."""
    values: dict[str, Any] = msgspec.to_builtins(config.load(CONFIG, [f"prepare.user_share={share}"]))
    values["artifacts"], values["lake"]["path"] = str(folder / "artifacts"), str(folder / "lake")
    files = [{"kind": WRITTEN, "name": name, "path": str(folder / f"{name}.csv")} for name in written]
    ours = [entry for entry in values["augment"]["generators"] if entry["kind"] in OURS]
    values["augment"]["generators"] = [*ours, *files]
    values["evaluate"] |= {"policy": None, "seeds": 2}
    values["evaluate"]["gate"]["min_ranking"] = 0.0
    return config.convert(values)


def after(stage: str, settled: config.Config, cores: int) -> Context:
    """Run the night up to a stage, what is done already not again, and open its tables."""
    stages = ["ingest", "prepare", "train", "augment", "evaluate"]
    spark = session.build(config.Spark(master=f"local[{cores}]", shuffle_partitions=cores), "peers", cores)
    run_night(settled, DATE, spark, stages[: stages.index(stage) + 1], resume=True)
    return Context(spark, settled, DATE, Lake(spark, settled.lake.path), Store(settled.artifacts))
