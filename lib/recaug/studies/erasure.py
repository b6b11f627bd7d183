"""Erases users: their rows in every table, what was generated from them, and the pages that show them."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import UNPARSED
from recaug.clickstream.mapping import as_id
from recaug.config import Log
from recaug.errors import ContractError
from recaug.lake import runs
from recaug.lake.contracts import BY_QUERY, OF_ANY, OF_QUERY, TABLES
from recaug.lake.failures import storage_error
from recaug.lake.ledger import ERASURE
from recaug.lake.tables import Lake
from recaug.lake.tombstones import bury, known_before
from recaug.lake.upkeep import WEEK, last_metric, noted, vacuum
from recaug.night.context import Context
from recaug.night.report import SHOWN_USERS
from recaug.studies.certificate import Erased, Erasure, certify

UNREAD = "_unread"
WORDS = r'[\s,;|"]+'  # what parts them in a line that cannot be parsed

# Tables with rows of users, by their contracts; last those that tell whose indexes and queries go, if it is run again.
LAST = ("sequences", "search_events")
ERASED = sorted((name for name, table in TABLES.items() if table.erased_by), key=lambda name: name in LAST)


def erase(
    context: Context, users: Sequence[str], retain_hours: float = WEEK, say: Callable[[str], None] = print
) -> dict[str, int]:
    """Delete every row of these users and every generated row with one of them among its sources.

    First their hashes enter erased_users, which every later ingest meets; models of before are no start any more.
    Negatives of earlier nights than the last that was prepared are deleted whole, for they know users by an index of
    that night alone; of training_rows, which the next night replaces, all generated histories.
    A query that nobody else has asked goes with what was generated of it; the pairs of queries and items that search
    learnt from, which the next night makes anew, then go whole.
    Old files leave the disk once they are retain_hours old; below WEEK nobody else may read or write the lake
    meanwhile. Report pages that show one of the users are deleted; the report stage writes them again.
    Writes `<artifacts>/erasures/<time>.json`, see certificate. Returns the deleted rows by table. Raises StorageError
    where a table cannot be written; run it again then. Raises ContractError, once all is done, where ids are nobody's.
    """
    lake, moment, users = context.lake, dt.datetime.now(dt.UTC), list(dict.fromkeys(users))
    named = _named(context, users)
    quarantined = {
        name: look(context, named).localCheckpoint() for name, look in QUARANTINED.items() if lake.exists(name)
    }
    own = context.spark.createDataFrame([(user,) for user in users], "user_id string")
    nobody = _nobody(lake, own, quarantined.values())
    theirs = {name: rows.select("raw").distinct() for name, rows in quarantined.items()}
    theirs |= dict.fromkeys(OF_QUERIES, _asked_alone(lake, named).localCheckpoint())
    bury(lake, users, set(users) - set(nobody), moment, "erasure")
    erased = dict[str, Erased]()
    for name in ERASED:
        if lake.exists(name):
            erased[name] = _erase_from(lake, name, theirs.get(name, named), retain_hours)
            say(f"  {name:<18} {erased[name].rows:,} rows deleted")
    pages = _pages(context, [row["user_id"] for row in named.collect()])
    say(f"  {'pages':<18} {pages:,} deleted, for they show one of them")
    written = certify(context, Erasure(users, moment, retain_hours, nobody, pages), erased)
    say(f"  {'certificate':<18} {context.artifacts.address(written)}")
    if nobody:
        said = f"--users: no row of {len(nobody):,} of {len(users):,} ids, {', '.join(map(repr, nobody))}"
        raise ContractError(f"{said}; the others are erased. Look for a misspelt id")
    return {name: done.rows for name, done in erased.items()}


def _named(context: Context, users: Sequence[str]) -> DataFrame:
    """The users (user_id, user_index), held by the driver: sequences, which tell the index, are to lose them.

    Each by its own name, as the shop's tables and those of before there was a key have it, and by its pseudonym.
    """
    spark, lake = context.spark, context.lake
    names = sorted({name for user in users for name in (user, lake.pseudonyms.of("user_id", user))})
    named = spark.createDataFrame([(name,) for name in names], "user_id string")
    if lake.exists("sequences"):
        indexed = lake.read("sequences").select("user_id", "user_index").distinct()
        named = named.join(indexed, "user_id", how="left")
    else:
        named = named.withColumn("user_index", F.lit(None).cast("int"))
    return spark.createDataFrame(named.collect(), "user_id string, user_index int")


def _nobody(lake: Lake, users: DataFrame, quarantined: Iterable[DataFrame]) -> list[str]:
    """Those who have no event or search, and no quarantined row, and whom no earlier erasure has found: misspelt."""
    logs = [lake.own(name) for name in ("events", "search_events", "user_attributes") if lake.exists(name)]
    left = users
    for rows in (*logs, *quarantined):
        left = left.join(rows.select("user_id"), "user_id", how="left_anti")
    before = known_before(lake, left)
    return sorted(row["user_id"] for row in left.collect() if row["user_id"] not in before)


def _asked_alone(lake: Lake, users: DataFrame) -> DataFrame:
    """The queries (query_id, text) that nobody has asked but these users; none of a log that does not say who asked."""
    if not lake.exists("search_events"):
        return lake.spark.createDataFrame([], "query_id string, text string")
    asked = lake.read("search_events")
    theirs = asked.join(F.broadcast(users), "user_id", how="left_semi")
    others = asked.join(F.broadcast(users), "user_id", how="left_anti")
    alone = theirs.groupBy("query_id").agg(F.min("query").alias("text"))
    return alone.join(others, "query_id", how="left_anti")


def _erase_from(lake: Lake, name: str, users: DataFrame, retain_hours: float) -> Erased:
    """Delete what is theirs from a table, and its old files; count what is left."""
    before, theirs = lake.version(name), F.expr(str(TABLES[name].erased_by))
    try:
        with noted(lake, {ERASURE: True}):
            rows = _delete(lake, name, users)
            if name == "negatives":
                rows += _earlier_negatives(lake)
        left = lake.own(name).alias("t").join(F.broadcast(users).alias("u"), theirs, "left_semi").count()
        after = lake.version(name)
        vacuum(lake, name, retain_hours)
    except (Py4JJavaError, PySparkException) as error:
        raise storage_error(error, f"table {name} at {lake.location(name)}") from error
    return Erased(before, after, rows, left)


def _delete(lake: Lake, name: str, users: DataFrame) -> int:
    """Delete a table's rows that are theirs, and count them."""
    theirs = TABLES[name].erased_by
    assert theirs is not None
    lake.delta(name).alias("t").merge(F.broadcast(users).alias("u"), theirs).whenMatchedDelete().execute()
    return last_metric(lake, name, "numTargetRowsDeleted")


def _earlier_negatives(lake: Lake) -> int:
    _, prepared = runs.latest(lake, "prepare")
    others = "true" if prepared is None else f"event_date <> DATE'{prepared.isoformat()}'"
    lake.delta("negatives").delete(others)
    return last_metric(lake, "negatives", "numDeletedRows")


def _quarantined(context: Context, users: DataFrame) -> DataFrame:
    """The quarantine's raw rows (raw, user_id) whose own user, as the source's mapping reads it, is one of these."""
    rows = context.lake.read("events_quarantine").select("raw").distinct()
    named = rows.withColumn("user_id", F.lit(None).cast("string"))
    if (schema := _schema(rows)) is not None:
        read = rows.withColumn("row", F.from_json("raw", schema, {"columnNameOfCorruptRecord": UNREAD})).select(
            "raw", "row.*"
        )
        for log in context.config.source.events.logs.values():  # a row does not say of which log it is
            named = named.unionByName(read.select("raw", _user(read, log).alias("user_id")))
        if UNPARSED in read.columns:  # a line that was cut off says no column: any word of it may be the user
            words = read.where(F.col(UNPARSED).isNotNull())
            words = words.select("raw", F.explode(F.split(UNPARSED, WORDS)).alias("user_id"))
            named = named.unionByName(words)
    return named.join(F.broadcast(users), "user_id", how="left_semi").distinct()


def _searched(context: Context, users: DataFrame) -> DataFrame:
    """The raw rows (raw, user_id) of the searches' quarantine that name one of these users, or whose line may."""
    rows = context.lake.read("search_quarantine").select("raw").distinct()
    line = F.split(F.get_json_object("raw", f"$.{UNPARSED}"), WORDS)
    words = F.array_union(F.array(F.get_json_object("raw", "$.user_id")), F.coalesce(line, F.array()))
    named = rows.withColumn("user_id", F.explode(words))
    return named.join(F.broadcast(users), "user_id", how="left_semi").distinct()


def _schema(rows: DataFrame) -> str | None:
    """The source's columns as the quarantined rows' JSON has them."""
    reader = rows.sparkSession.read.option("columnNameOfCorruptRecord", UNREAD)  # else Spark takes UNPARSED for its own
    read = reader.json(rows.rdd.map(lambda row: row["raw"]))
    return read._jdf.schema().toDDL() if read.columns else None


def _user(read: DataFrame, log: Log) -> F.Column:
    """The mapping's user; null where no quarantined row has the columns that it needs."""
    user = F.expr(log.columns["user_id"])
    try:
        ((_, kind),) = read.select(user).dtypes
    except AnalysisException:
        return F.lit(None).cast("string")
    return as_id(user, kind, log.nulls)


def _pages(context: Context, users: Sequence[str]) -> int:
    """Delete the pages that show one of the users, by what lies beside them; MLflow's copies too."""
    artifacts, deleted = context.artifacts, 0
    for shown in artifacts.list(f"**/{SHOWN_USERS}"):
        if not set(users).isdisjoint(json.loads(artifacts.read(shown))):
            artifacts.remove(shown.replace(SHOWN_USERS, "index.html"))
            artifacts.remove(shown)  # last: while it is there, the page is known to be
            deleted += 1
    return deleted


OF_QUERIES = [name for name, table in TABLES.items() if table.erased_by in (BY_QUERY, OF_QUERY, OF_ANY)]
QUARANTINED = {"events_quarantine": _quarantined, "search_quarantine": _searched}
