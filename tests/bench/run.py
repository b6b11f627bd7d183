"""Throughput of each stage on one and on two cores: `make bench` prints a table and writes build/bench/bench.json.

A quarter of a year of Complete Journey is ingested and prepared once; then a process of its own for each number of
cores warms up, runs each bench several times and keeps the fastest and the median, since a shared machine is noisy. The
first run of a bench is its warm-up and does not count.
"""

import argparse
import datetime as dt
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug import config, session
from recaug.clickstream.negatives import sample_negatives
from recaug.clickstream.sequences import histories, sequences
from recaug.clickstream.sessions import identify_sessions
from recaug.clickstream.splits import between, first_of_each_item, split, windows
from recaug.clickstream.vocabulary import users
from recaug.evaluate.ranking import user_metrics
from recaug.generators.registry import generators
from recaug.generators.sampling import generate
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import ingest
from recaug.night.augment import request_of
from recaug.night.context import Context
from recaug.night.cost import Cost
from recaug.night.inputs import generator_inputs
from recaug.night.nightly import run_night
from recaug.recommend.deep import Network
from recaug.training.batches import row_batches
from recaug.training.inputs import log_popularity, popularity_and_head
from recaug.training.recommender import SASRecJob, train_sasrec

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "bench"
CORES = (1, 2)
LOADER_ROWS = 400_000
RANKED = 6000  # users, at least
WARM_UPS = 1  # runs of a bench that do not count

# What is measured, in rows a second, and the aim on two cores (None: no aim is set).
UNITS: dict[str, tuple[str, int | None]] = {
    "ingest": ("events", 300_000),
    "sessions": ("events", None),
    "sequences": ("events", None),
    "negatives": ("negatives", 2_000_000),
    "loader": ("rows of 50 ints", 1_500_000),
    "sasrec_training": ("rows", None),
    "vae_sampling": ("generated events", 20_000),
    "vae_sampling_in_8_partitions": ("generated events", 20_000),
    "gan_sampling": ("generated events", 20_000),
    "ranking": ("users", 5_000),
}


class Bench:
    """The prepared tables, and one method a bench: it does the work once and returns how many rows that were."""

    def __init__(self, given: config.Config, cores: int, date: dt.date, folder: Path) -> None:
        settings = {"spark.driver.memory": "3g"}
        spark = config.Spark(master=f"local[{cores}]", shuffle_partitions=cores, settings=settings)
        self.cores, self.config, self.folder = cores, given, folder
        self.spark = session.build(spark, f"recaug bench, {cores} cores", cores)
        lake = Lake(self.spark, self.config.lake.path)
        self.context = Context(self.spark, self.config, date, lake, Store(self.config.artifacts))
        self.sequences = lake.read("sequences").persist()
        self.train = self.sequences.where("split = 'train'")
        self.vocabulary = lake.read("vocabulary").orderBy("item_index").toPandas()
        self.cut = windows(date, self.config.prepare)
        self.events = lake.read("events").transform(between, self.cut.train_start, self.cut.end).persist()
        self.n_events = self.events.count()
        self.sasrec: str | None = None

    def ingest(self) -> int:
        """The stage as a night runs it, into a lake of its own: read, clean, deduplicate, sessions, write."""
        path = self.folder / f"ingest-{self.cores}"
        shutil.rmtree(path, ignore_errors=True)
        result = ingest.run(replace(self.context, lake=Lake(self.spark, str(path))))
        return int(result.metrics.rows_in)

    def sessions(self) -> int:
        """Sessions of all users."""
        unmarked = self.events.withColumn("session_id", F.lit(None).cast("string"))
        noop(identify_sessions(unmarked, self.config.source.events.session_gap_minutes))
        return self.n_events

    def sequences_(self) -> int:
        """Vocabulary look-up, histories and the rows of all splits."""
        words = self.context.lake.read("vocabulary")
        prepare = self.config.prepare
        events = self.events.transform(first_of_each_item).transform(split, self.cut, prepare)
        people = histories(events, words, users(events, self.config.seed, prepare.folds))
        noop(sequences(people, prepare.max_length, prepare.cold_events))
        return self.n_events

    def negatives(self) -> int:
        """Twenty times the users, each with the configured number of draws."""
        drawn = self.train.where("window = 0").select("user_index", "seen")
        many = drawn.crossJoin(self.spark.range(20)).selectExpr("int(user_index * 20 + id) AS user_index", "seen")
        popularity = self.vocabulary["events"].to_numpy()
        negatives = self.config.negatives
        noop(sample_negatives(many, popularity, negatives.alpha, negatives.per_user, self.config.seed))
        return many.count() * negatives.per_user

    def loader(self) -> int:
        """Petastorm batches of the fixed-width column, a process a core, each its shard."""
        folder = self.folder / "loader"
        if not folder.exists():
            copies = -(-LOADER_ROWS // self.train.count())
            rows = self.train.crossJoin(self.spark.range(copies)).select("items")
            rows.repartition(8).write.parquet(str(folder))
        files = sorted(file.as_uri() for file in folder.glob("*.parquet"))
        jobs = [(files, rank, self.cores, LOADER_ROWS // self.cores) for rank in range(self.cores)]
        return sum(self.pool.map(read, *zip(*jobs, strict=True)))

    def vae_sampling(self) -> int:
        """Continuations and histories of every user."""
        return self._sample("vae")

    def vae_sampling_in_8_partitions(self) -> int:
        """The same in 8 partitions, above in as many as there are cores: the rate should not depend on them."""
        settings = {"spark.sql.shuffle.partitions": "8", "spark.sql.adaptive.coalescePartitions.enabled": "false"}
        before = {key: str(self.spark.conf.get(key)) for key in settings}
        for key, value in settings.items():
            self.spark.conf.set(key, value)
        try:
            return self._sample("vae")
        finally:
            for key, value in before.items():
                self.spark.conf.set(key, value)

    def gan_sampling(self) -> int:
        """Continuations and histories of every user."""
        return self._sample("gan")

    def _sample(self, name: str) -> int:
        (generator,) = generators([self.config.augment.entry(name)])
        trained = self.context.recorded("train").metrics.models
        folders = generator.folders(generator_inputs(self.context), trained)
        rows = generate(self.train, generator, folders, request_of(self.context, name), self.config.augment.buckets)
        return rows.count()  # the rows come out of Python one and all: counting skips none of the sampling

    def ranking(self) -> int:
        """Every metric of users of the test window over the whole catalogue, with a trained SASRec."""
        assert self.sasrec is not None
        test = self.sequences.where("split = 'test'")
        many = test.crossJoin(self.spark.range(-(-RANKED // test.count()))).drop("id").persist()
        rows = many.count()
        events, head = popularity_and_head(self.context.lake.read("vocabulary"))
        noop(user_metrics(many.repartition(4), {"sasrec": Network(self.sasrec)}, events, head, True))
        return rows

    def sasrec_training(self) -> Iterator[tuple[float, float]]:
        """Rows and seconds of each epoch; two ranks under Horovod on two cores, one process on one."""
        popularity = log_popularity(self.context.lake.read("vocabulary"))
        files = self.context.lake.snapshot_files("sequences", {"split": "train"})
        negatives = self.context.lake.snapshot_files("negatives", {"event_date": self.context.date})
        job = SASRecJob(
            name="bench",
            models=Store(self.folder / f"models-{self.cores}"),
            files=files,
            content_hash=str(time.time()),  # a new model each time: a finished one would be found again
            real_rows=self.train.where("length >= 2").count(),
            seed=self.config.seed,
            n_items=len(popularity) - 1,
            log_popularity=popularity,
            negatives_files=negatives,
            augmented=False,
        )
        (trained,) = train_sasrec([job], self.spark, self.config, "SASRec")
        self.sasrec = trained.folder
        for epoch in trained.curves:
            yield epoch["rows_per_second"] * epoch["seconds"], epoch["seconds"]


def noop(rows: DataFrame) -> None:
    """Compute every column of every row and keep nothing."""
    rows.write.format("noop").mode("overwrite").save()


def read(files: list[str], rank: int, size: int, rows: int) -> int:
    """Read so many rows of one shard."""
    batches = row_batches(files, ["items"], 512, seed=1, shuffle_rows=1 << 16, rank=rank, size=size)
    done = 0
    for batch in batches:
        done += len(batch["items"])
        if done >= rows:
            break
    batches.close()  # type: ignore[attr-defined]
    return done


def settled(cores: int) -> config.Config:
    """The demo's configuration over a quarter, with few epochs: speed is measured, not quality."""
    demo = msgspec.to_builtins(config.load(ROOT / "conf" / "weeks.yaml"))
    demo["artifacts"], demo["lake"]["path"] = str(FOLDER / "artifacts"), str(FOLDER / "lake")
    demo["prepare"] |= {"train_days": 62, "validation_days": 14, "test_days": 14, "min_item_users": 5}
    demo["training"] |= {"launcher": "local" if cores == 1 else "horovod", "workers": cores}
    demo["sasrec"]["optimiser"]["epochs"] = 3
    for entry in demo["augment"]["generators"]:
        entry["optimiser"]["epochs"] = 2
    demo["augment"]["generators"][1]["warmup_epochs"] = 1
    return config.convert(demo)


def prepare(date: dt.date) -> None:
    """Ingest, prepare and train the generators once."""
    bench = settled(2)
    spark = session.build(config.Spark(master="local[2]", settings={"spark.driver.memory": "3g"}), "recaug bench", 2)
    run_night(bench, date, spark, ["ingest", "prepare", "train"], resume=True)


def measure(bench: Bench, repeats: int, only: Collection[str]) -> dict[str, Any]:
    """Run benches in this process: name -> rates (rows a second, without the warm-up's), peak_memory_mb."""
    found = {}
    with ProcessPoolExecutor(bench.cores, get_context("spawn")) as bench.pool:
        for name in [name for name in UNITS if name in only or (name == "sasrec_training" and "ranking" in only)]:
            with Cost(bench.spark) as cost:
                if name == "sasrec_training":
                    rates = [rows / seconds for rows, seconds in bench.sasrec_training()][1:]
                else:
                    rates = timed(getattr(bench, "sequences_" if name == "sequences" else name), repeats)
            found[name] = {"rates": rates, "peak_memory_mb": cost.peak_memory_mb}
            print(f"{bench.cores} cores, {name}: {statistics.median(rates):,.0f} a second", file=sys.stderr)
    return {"items": len(bench.vocabulary), "events": bench.n_events, "benches": found}


def timed(work: Callable[[], int], repeats: int) -> list[float]:
    """Rows a second of each run but the warm-ups."""
    rates = []
    for _ in range(WARM_UPS + repeats):
        started = time.perf_counter()
        rows = work()
        rates.append(rows / (time.perf_counter() - started))
    return rates[WARM_UPS:]


def table(results: dict[int, dict[str, Any]]) -> str:
    """Median and best rate for each number of cores beside the aim."""
    most = max(results)
    lines = [
        f"{'rows a second, median (best)':<48}"
        + "".join(f"{f'{cores} core' + 's' * (cores > 1):>26}" for cores in results)
        + f"{'aim':>12}  {'':<7}{'peak memory':>12}"
    ]
    for name, (unit, aim) in UNITS.items():
        if name not in results[most]["benches"]:
            continue
        cells = ""
        for result in results.values():
            rates = result["benches"][name]["rates"]
            cells += f"{f'{statistics.median(rates):,.0f} ({max(rates):,.0f})':>26}"
        best = max(results[most]["benches"][name]["rates"])
        met = "" if aim is None else "met" if best >= aim else "missed"
        peak = max(result["benches"][name]["peak_memory_mb"] for result in results.values())
        label = f"{name.replace('_', ' ')}, {unit}"
        lines.append(f"{label:<48}{cells}{f'{aim:,}' if aim else '':>12}  {met:<7}{peak:>9,.0f} MB")
    size = results[most]
    return "\n".join([*lines, f"{size['events']:,} events, {size['items']:,} items"])


def main() -> None:
    """Prepare once, measure in a process for each number of cores, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", type=dt.date.fromisoformat, default=dt.date(2017, 3, 31), help="the night's date")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each bench after its warm-up")
    parser.add_argument("--only", nargs="+", choices=UNITS, default=list(UNITS), help="some of the benches")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        prepare(given.date)
        return
    if given.cores:
        bench = Bench(settled(given.cores), given.cores, given.date, FOLDER)
        result = measure(bench, given.repeats, given.only)
        (FOLDER / f"cores-{given.cores}.json").write_text(json.dumps(result))
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    this = [sys.executable, __file__, "--date", given.date.isoformat(), "--repeats", str(given.repeats)]
    subprocess.run([*this, "--prepare"], check=True)
    for cores in CORES:
        subprocess.run([*this, "--cores", str(cores), "--only", *given.only], check=True)
    results = {cores: json.loads((FOLDER / f"cores-{cores}.json").read_text()) for cores in CORES}
    (FOLDER / "bench.json").write_text(json.dumps({str(cores): result for cores, result in results.items()}, indent=2))
    print(table(results))
    print(f"written to {(FOLDER / 'bench.json').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
