"""Rows of a search log, or of graded judgements: queries in one spelling, or quarantined with their reasons."""

from collections.abc import Mapping

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recaug.clickstream.columns import CORRUPT, FILE, PLACE, UNPARSED
from recaug.clickstream.mapping import NUMBERS, TIMES, as_id, as_text, expression
from recaug.clickstream.positions import name_files, number_rows
from recaug.clickstream.search_personal import Personal, personal
from recaug.clickstream.search_terms import normalise, query_id, readable, split_terms
from recaug.config import Search
from recaug.errors import ContractError, NoRowsError

KEY = "source.search"
IDS = ("item_id", "user_id", "session_id", "search_id")
ACTIONS = ("shown", "click", "purchase")  # in the order of what came of it
EARLIEST = "1990-01-01 00:00:00"
KEPT = 1000  # characters of a bad row's query that the quarantine shows
JUDGED = 100  # rows, of which a share says something
PERSONAL = "personal data: "
NO_QUERY, NO_TERM = "no query", "no word in the query"
READ = "query string, reasons array<string>, shown string"


def mark_searches(rows: DataFrame, search: Search) -> DataFrame:
    """Read each row by the YAML, and say why it is no search or judgement.

    rows: of source.read_source. Gives query (normalised), query_id, item_id, user_id, session_id, search_id, rank,
    action, gain, event_time, source (file name), position (of number_rows), reasons (array<string>, empty for a good
    row) and raw (a bad row by our names, as JSON, personal data masked).
    Raises ContractError that names the key and the column where the source lacks it, or it has another type.
    """
    said = _said(rows, search)
    rules = personal(search.personal_patterns, search.max_digits)
    marked = said.withColumn("read", _read(F.col("query"), rules, search.max_characters))
    faults = _faults(search)
    own = F.array_remove(F.array(*(F.when(fault, F.lit(why)).otherwise("") for why, fault in faults.items())), "")
    # A line that cannot be parsed has no query, of course.
    reasons = F.when(F.col(CORRUPT).isNotNull(), own).otherwise(F.concat(own, "read.reasons"))
    shown = {name: F.col(name) for name in (*IDS, "event_time_text", "rank_text", "its_action", "gain_text")}
    line = _masked(F.col(CORRUPT), rules).alias(UNPARSED)
    raw = F.to_json(F.struct(F.col("read.shown").alias("query"), *(c.alias(n) for n, c in shown.items()), line))
    return marked.withColumn("reasons", reasons).select(
        F.when(F.size("reasons") == 0, F.col("read.query")).alias("query"),
        F.when(F.size("reasons") == 0, query_id("read.query")).alias("query_id"),
        *IDS,
        F.col("rank").cast("int").alias("rank"),
        "action",
        "gain",
        "event_time",
        "source",
        "position",
        "reasons",
        F.when(F.size("reasons") > 0, raw).alias("raw"),
    )


def _said(rows: DataFrame, search: Search) -> DataFrame:
    """What each row says, by our names, before any judgement."""
    columns: dict[str, Column] = {
        name: expression(rows, sql, f"{KEY}.columns.{name}") for name, sql in search.columns.items()
    }
    types = dict(rows.select(*(column.alias(name) for name, column in columns.items())).dtypes)
    _check_types(types, search)
    text, number, nulls = F.lit(None).cast("string"), F.lit(None).cast("double"), search.nulls
    texts = {name: as_id(columns[name], types[name], nulls) for name in IDS if name in columns}
    numbers = {name: columns[name].cast("double") for name in ("rank", "gain") if name in columns}
    if "rank" not in columns and PLACE in rows.columns:
        numbers["rank"] = F.substring_index(PLACE, ".", -1).cast("double") + 1
    action = as_text(columns["action"], types["action"], nulls) if "action" in columns else F.lit("shown")
    time = columns["event_time"].cast("timestamp") if "event_time" in columns else F.lit(None).cast("timestamp")
    return (
        rows.transform(name_files)
        .transform(number_rows)
        .select(
            as_text(columns["query"], types["query"], nulls).alias("query"),
            *(texts.get(name, text).alias(name) for name in IDS),
            *(numbers.get(name, number).alias(name) for name in ("rank", "gain")),
            *(columns.get(name, text).cast("string").alias(f"{name}_text") for name in ("rank", "gain", "event_time")),
            action.alias("its_action"),
            _our_action(action, search).alias("action"),
            F.when(time >= F.lit(EARLIEST).cast("timestamp"), time).alias("event_time"),
            F.col(CORRUPT),
            F.col(FILE).alias("source"),
            F.col("recaug_position").alias("position"),
        )
    )


def _check_types(types: Mapping[str, str], search: Search) -> None:
    """Raise ContractError that names a column of a type from which its meaning cannot be read."""
    for name, kind in types.items():
        wanted = {"rank": (NUMBERS, "a number"), "gain": (NUMBERS, "a number"), "event_time": (TIMES, "a timestamp")}
        allowed, words = wanted.get(name, (NUMBERS | TIMES | {"boolean", "binary"}, "text"))
        if kind not in allowed and not (kind.startswith("decimal") and allowed is not TIMES):
            raise ContractError(
                f"{KEY}.columns.{name}: {search.columns[name]} is {kind.split('<')[0]}, not {words}"  # type: ignore[index]
            )


def _our_action(action: Column, search: Search) -> Column:
    """Translate the source's action; null where it is unknown."""
    pairs: Mapping[str, str] = search.actions or {name: name for name in ACTIONS}
    return F.create_map(*(F.lit(text) for pair in pairs.items() for text in pair))[action]


def _faults(search: Search) -> dict[str, Column]:
    """Each reason, beside those of the query, why a row cannot be read as the columns say, and whether it is so."""
    parsed = F.col(CORRUPT).isNull()
    faults = {"malformed row": ~parsed, "no item_id": parsed & F.col("item_id").isNull()}
    if "action" in search.columns:
        faults["unknown action"] = parsed & F.col("action").isNull()
    if "event_time" in search.columns:
        faults["unreadable event_time"] = parsed & F.col("event_time").isNull()
    if "rank" in search.columns:
        whole = F.coalesce(
            (F.col("rank") >= 1) & (F.col("rank") == F.floor("rank")) & (F.col("rank") < 2**31), F.lit(False)
        )
        faults["rank is no place from 1"] = parsed & F.col("rank_text").isNotNull() & ~whole
    if search.graded:
        finite = F.coalesce(~F.isnan("gain") & (F.abs("gain") < float("inf")), F.lit(False))
        faults["gain is not a number"] = parsed & ~finite
        faults["gain is negative"] = parsed & finite & (F.col("gain") < 0)
    return faults


def _read(queries: Column, rules: Personal, max_characters: int) -> Column:
    """A query in one spelling, why it is none, and what may be shown of it."""

    def read(text: str | None) -> tuple[str, list[str], str]:
        if text is None:
            return "", [NO_QUERY], ""
        shown, names = rules.masked(readable(text[:KEPT]))
        reasons = [f"{PERSONAL}{name}" for name in names]
        if len(text) > max_characters:
            return "", [*reasons, f"more than {max_characters} characters"], shown
        query = normalise(text)
        if not query:
            reasons.append(NO_QUERY)
        elif not split_terms(query):
            reasons.append(NO_TERM)
        return query, reasons, shown

    @F.pandas_udf(READ)  # type: ignore[call-overload]
    def of_texts(texts: pd.Series) -> pd.DataFrame:
        own = {text: read(text) for text in texts.dropna().unique()}
        nothing = read(None)
        return pd.DataFrame([own.get(text, nothing) for text in texts], columns=["query", "reasons", "shown"])

    return of_texts(queries)


def _masked(lines: Column, rules: Personal) -> Column:
    """A text without what is personal in it; null stays null."""

    @F.pandas_udf("string")  # type: ignore[call-overload]
    def of_texts(texts: pd.Series) -> pd.Series:
        return texts.map(lambda text: rules.masked(readable(text[:KEPT]))[0], na_action="ignore")

    return of_texts(lines)


def check_searches(marked: DataFrame, search: Search) -> dict[str, int]:
    """Count the rows that are no searches by reason, of all rows under the key ``.

    Raises NoRowsError without a row; ContractError where no row is good, and where more than max_quarantine of 100 rows
    or more cannot be read as the columns say: what people, robots or rules keep out does not count.
    """
    counted = marked.groupBy("reasons").count().collect()
    odd_reasons = set(_faults(search))
    rows = sum(row["count"] for row in counted)
    odd = sum(row["count"] for row in counted if not odd_reasons.isdisjoint(row["reasons"]))
    reasons = {"": rows}
    for row in counted:
        for reason in row["reasons"]:
            reasons[reason] = reasons.get(reason, 0) + row["count"]
    bad = sum(row["count"] for row in counted if row["reasons"])
    if bad == rows or (rows >= JUDGED and odd > search.max_quarantine * rows):
        raise _trouble(marked, search, reasons, odd if bad < rows else bad)
    return reasons


def _trouble(marked: DataFrame, search: Search, reasons: Mapping[str, int], odd: int) -> ContractError:
    """Say in one line what is wrong with most of the rows, with an example."""
    rows = reasons[""]
    if rows == 0:
        return NoRowsError(f"{KEY}.{search.place_key}: {search.place} has no row up to the night")
    worst = max((reason for reason in reasons if reason), key=lambda reason: (reasons[reason], reason))
    row = marked.where(F.array_contains("reasons", worst)).select("raw").first()
    example = "" if row is None else row["raw"][:300]
    what = f"more than max_quarantine {search.max_quarantine:.1%}" if odd < rows else "and nothing is left"
    return ContractError(
        f"{KEY}: {odd / rows:.1%} of {rows} rows are no searches, {what}; the commonest reason, in {reasons[worst]} "
        f"rows: {worst}, as in {example}; mend {KEY}.columns, or raise {KEY}.max_quarantine"
    )
