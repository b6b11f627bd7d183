"""How soon an event that happens is in the lake: python -m tests.bench.stream --rate 1000 --seconds 60.

A file of events that have just happened arrives each second; a stream without a night takes them (no lists, no
generated rows). An independent look at the table says when each event was written: by the times of its files. Prints a
line of JSON with the machine's state, for what else runs on it counts.
"""

import argparse
import datetime as dt
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.night.nights import HEAD, context, line

from recaug.config import Spark
from recaug.night.context import Context
from recaug.session import build
from recaug.stream.job import run_stream

FOLDER = Path(__file__).parents[2] / "build" / "bench" / "stream"
USERS, ITEMS = 20_000, 5_000
DRAIN = 120  # seconds at most until the last event is written


def happen(folder: Path, rate: int, seconds: int, spark: SparkSession) -> None:
    """Let events happen, a file a second, then end the stream when the lake has them all."""
    random = np.random.default_rng(0)
    for second in range(seconds):
        began = time.time()
        lines = []
        for place in range(rate):
            at = dt.datetime.fromtimestamp(began + place / rate, dt.UTC).replace(tzinfo=None)
            lines.append(line(f"u{random.integers(USERS)}", f"i{random.integers(ITEMS)}", at))
        time.sleep(max(0.0, began + 1 - time.time()))  # the last of them has happened
        partial = folder / f".{second:06}.csv"
        partial.write_text(HEAD + "".join(lines))
        partial.rename(folder / f"{second:06}.csv")
    until = time.time() + DRAIN
    while time.time() < until and taken(folder) < rate * seconds:
        time.sleep(1)
    for query in spark.streams.active:
        query.stop()


def taken(folder: Path) -> int:
    """Rows of all batches so far."""
    record = folder.parent / "artifacts" / "stream" / "batches.jsonl"
    return sum(json.loads(text)["rows"] for text in record.read_text().splitlines()) if record.exists() else 0


def measured(night: Context) -> dict[str, Any]:
    """Seconds from each event to its file, and what the batches took."""
    written = F.unix_micros(F.col("_metadata.file_modification_time")) - F.unix_micros("event_time")
    ages = night.lake.read("events").select((written / 1e6).alias("age")).toPandas()["age"]
    batches = pd.read_json(night.artifacts.address("stream/batches.jsonl"), lines=True)
    steps = pd.DataFrame(batches["steps"].tolist()).iloc[1:].median().round(2).to_dict()
    quantiles = {f"p{round(100 * q)}": round(float(ages.quantile(q)), 2) for q in (0.5, 0.95, 0.99, 1.0)}
    return {"events": len(ages), **quantiles, "batches": len(batches), "steps": steps}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Seconds from an event to the lake.")
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "log").mkdir(parents=True)
    spark = build(Spark(), "stream bench")
    night = context(spark, FOLDER, dt.date.today())
    before = os.getloadavg()[0]
    happens = threading.Thread(target=happen, args=(FOLDER / "log", given.rate, given.seconds, spark))
    happens.start()
    run_stream(night, print)
    happens.join()
    load = {"cores": os.cpu_count(), "load_before": round(before, 1), "load_after": round(os.getloadavg()[0], 1)}
    print(json.dumps({"rate": given.rate, "seconds": given.seconds, **measured(night), **load}))
    spark.stop()


if __name__ == "__main__":
    main()
