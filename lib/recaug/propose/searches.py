"""Proposes the section search: which column is the query and the item, and what a row says of the two."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from recaug.errors import ContractError
from recaug.propose.actions import meaning
from recaug.propose.answers import flags_of
from recaug.propose.clock import times_of, weight
from recaug.propose.columns import Column, Table, tie
from recaug.propose.logs import Entry
from recaug.propose.roles import TIME, when, whole_id
from recaug.propose.samples import Sample
from recaug.propose.times import Time
from recaug.propose.words import Idea, ideas, plain

# What people call the grades of a judgement, the best first.
GRADES = (
    "exact e perfect excellent vital highly_relevant very_relevant",
    "substitute s partial good related relevant",
    "complement c fair marginal somewhat_relevant partially_relevant",
    "irrelevant i bad none not_relevant unrelated",
)
FEW = 12  # values that may be actions or grades
CAME = {"impression": "shown", "search": "shown", "view": "click", "cart": "click", "purchase": "purchase"}
FLAGS = {"0", "1", "true", "false", "yes", "no", "t", "f", "y", "n"}
YES = {"1", "true", "yes", "t", "y"}
CLICK = Entry("'click'", "no column says what came of it", "may be shown or purchase")


def propose_searches(
    sample: Sample, place: Mapping[str, Entry], known: Sequence[str], types: Sequence[str], key: str
) -> dict[str, Entry]:
    """Propose the keys of source.search.

    place: the keys that say where it is. known: items of the catalogue or of the events, by which the column of the
    items is told. types: of the events, of which some may tell what came of a search. Raises ContractError where no
    column is a query, or none is an item.
    """
    keys = dict(place)
    items = set(known)
    view = max(sample.views, key=lambda view: (_item(view.table, items)[0], view.explode is None))
    query = query_of(view.table, key)
    score, item, shared = _item(view.table, items)
    if item is None or score < 0.5:
        raise ContractError(f"{key} has no column of items; it has {_names(view.table)}")
    if view.explode is not None:
        keys["explode"] = Entry(view.explode, "each element of this array is a row")
    alone = "may be the number of the row: no item is in two; a title names an item as well" if item.is_unique else ""
    columns = {
        "query": Entry(query.sql, f"{query.distinct:,} texts"),
        "item_id": Entry(whole_id(item), f"{shared:.0%} of the values are known items", alone),
    }
    free = [column for column in view.table.columns if column not in (query, item)]
    free += flags_of(view, sample.records, item) if view.explode is not None else ()
    said = dict(_log(view.table, free, query))
    if said["action"] is CLICK and (grade := _grade(free)) is not None:  # a log may have scores of its own
        said = {"gain": grade}
    came = {name: CAME[name] for name in types if name in ("view", "purchase")}
    if came and said.get("action") is CLICK and {"user_id", "event_time"} <= said.keys():
        del said["action"]
        keys["event_actions"] = Entry(came, "the user's next event of what was shown")
    keys["columns"] = Entry(columns | said)
    if "action" in said and (actions := _actions(free)) is not None:
        keys["actions"] = Entry(actions[1], "by their words")
    return keys


def candidates(sample: Sample) -> list[str]:
    """Values that may be items: of columns that are called so, else of all codes."""
    columns = [column for view in sample.views for column in view.table.columns if not column.is_prose]
    named = [column for column in columns if ideas(column.name).get("item", 0.0) > 0.4]
    return [str(value) for column in named or columns for value in column.counts.index]


def time_of(sample: Sample) -> Time | None:
    """When the rows happened, if anything says it."""
    return _time(sample.views[0].table)


def _names(table: Table) -> str:
    return ", ".join(column.name for column in table.columns[:8])


def query_of(table: Table, key: str) -> Column:
    """The column of what was searched for: called so, of texts that are no codes. Raises ContractError without one."""
    scored = []
    for column in table.columns:
        heard = ideas(column.name)
        if column.native != "text" or column.is_number or column.distinct < 2 or column.share(r"https?://.*") > 0.1:
            continue
        named = heard.get("query", 0.0)
        code = column.is_code and not column.is_prose
        score = 2 * named + 0.5 * column.is_prose - heard.get("label", 0.0) - 2.0 * code
        scored.append((score - heard.get("item", 0.0) * (named == 0), column))
    best = max(scored, key=lambda pair: pair[0], default=None)
    if best is None or best[0] < 0.5:
        raise ContractError(
            f"{key} has no column of queries, which are texts; it has {_names(table)}; where another file has the "
            "texts, give the folder of both"
        )
    return best[1]


def _item(table: Table, known: set[str]) -> tuple[float, Column | None, float]:
    """The column whose values are items, what speaks for it, and the share of its values that is known."""
    scored: list[tuple[float, Column | None, float]] = [(0.0, None, 0.0)]
    for column in table.columns:
        values = {value.removesuffix(".0") for value in column.counts.index}
        shared = len(values & known) / max(min(len(known), len(values)), 1)
        heard = ideas(column.name)
        named = heard.get("item", 0.0) * (not column.is_prose) - heard.get("label", 0.0) - heard.get("rank", 0.0)
        if column.native != "array" and not column.is_prose:
            scored.append((shared + 0.6 * named, column, shared))
    return max(scored, key=lambda each: each[0])


def _grade(columns: Sequence[Column]) -> Entry | None:
    """What grades a pair of query and item: a number, or words that are known; None where nothing does."""
    for column in sorted(columns, key=_graded, reverse=True):
        if (words := _in_words(column)) is not None:
            return words
        if column.is_number and column.distinct > 1 and _graded(column) > 0.4:
            least = float(np.nanmin(column.numbers))
            gain = column.sql if least == 0 else f"{column.sql} {'-' if least > 0 else '+'} {abs(least):g}"
            return Entry(gain, f"graded from {least:g}, which is 0, to {np.nanmax(column.numbers):g}")
    return None


def _graded(column: Column) -> float:
    """How loud a name says that it grades; a label of few values is no name."""
    heard = ideas(column.name)
    return max(heard.get("rating", 0.0), heard.get("label", 0.0) * (column.distinct <= FEW))


def _in_words(column: Column) -> Entry | None:
    """Grades in words that are known; single letters only where the name speaks of grades."""
    if not 1 < column.distinct <= FEW:
        return None
    words = {value: plain(value).replace(" ", "_") for value in column.counts.index}
    levels = {value: level for value, word in words.items() if (level := _level(word)) is not None}
    letters = all(len(word) == 1 for word in words.values())
    if len(levels) < len(words) or len(set(levels.values())) < 2 or (letters and _graded(column) < 0.4):
        return None
    order = sorted(set(levels.values()), reverse=True)
    gains = sorted(((order.index(level), value) for value, level in levels.items()), reverse=True)
    pairs = ", ".join(f"'{value}', {gain}" for gain, value in gains)
    return Entry(f"element_at(map({pairs}), {column.sql})", "grades in words, the worst is 0")


def _level(word: str) -> int | None:
    """How far down in GRADES a word is; None for one that is not there."""
    return next((level for level, line in enumerate(GRADES) if word in line.split()), None)


def _log(table: Table, columns: Sequence[Column], query: Column) -> Iterator[tuple[str, Entry]]:
    """What a row of a search log says beside query and item."""
    if (time := _time(table)) is not None:
        choice = when(time, times_of(table))
        yield "event_time", Entry(choice.sql, choice.evidence, choice.unsure)
        columns = [column for column in columns if column.name not in choice.names]
    roles: tuple[tuple[str, Idea], ...] = (("user_id", "user"), ("session_id", "session"))
    for role, idea in roles:
        named = [column for column in columns if ideas(column.name).get(idea, 0.0) >= 0.5 and column.distinct > 1]
        if named:
            column = max(named, key=lambda column: ideas(column.name)[idea])
            yield role, Entry(whole_id(column), f"{column.distinct:,} values")
            columns = [other for other in columns if other is not column]
    if (answer := _answer(columns, query)) is not None:
        yield "search_id", Entry(answer.sql, f"{answer.distinct:,} values, each of one query")
        columns = [column for column in columns if column is not answer]
    if (rank := _rank(columns)) is not None:
        yield "rank", rank
    if (actions := _actions(columns)) is not None:
        yield "action", Entry(actions[0].sql)
    else:
        yield "action", _flagged(columns)


def _time(table: Table) -> Time | None:
    times = times_of(table)
    return times[0] if times and weight(times[0], table) > TIME else None


def _answer(columns: Sequence[Column], query: Column) -> Column | None:
    """The column that names an answer to a query: each value is of one query, which has several."""
    for column in columns:
        coded = column.is_code and not column.is_unique and column.distinct > 1.02 * query.distinct
        named = ideas(column.name).keys() & {"query", "session", "order"}
        if coded and named and tie(column.codes, query.codes) > 0.99:
            return column
    return None


def _rank(columns: Sequence[Column]) -> Entry | None:
    """The place in the answer, from 1."""
    for column in columns:
        if column.is_integer and ideas(column.name).get("rank", 0.0) >= 0.5 and column.distinct > 1:
            least = int(np.nanmin(column.numbers))
            if least >= 0:
                return Entry(column.sql if least else f"{column.sql} + 1", "" if least else "counted from 0")
    return None


def _actions(columns: Sequence[Column]) -> tuple[Column, dict[str, str]] | None:
    """The column that says what came of what was shown, and what its values mean; None where none is in known words."""
    for column in columns:
        if column.native != "text" or column.is_number or not 1 < column.distinct <= FEW:
            continue
        meant = {value: meaning(value) for value in column.counts.index}
        if all(said.sure and said.ours in CAME for said in meant.values()):
            return column, {value: CAME[said.ours] for value, said in meant.items()}
    return None


def _flagged(columns: Sequence[Column]) -> Entry:
    """What came of it by columns such as clicked and bought, each of yes and no; else, unsure, a click."""
    cases = dict[str, str]()
    for column in columns:
        values = {value.lower() for value in column.counts.index}
        said = meaning(column.name)
        if (
            said.sure
            and CAME.get(said.ours, "shown") != "shown"
            and len(values) <= 2
            and values <= FLAGS
            and values & YES
        ):
            yes = ", ".join(f"'{value}'" for value in sorted(values & YES))
            told = column.sql if column.native == "boolean" else f"lower({column.sql}) IN ({yes})"
            cases[CAME[said.ours]] = told
    if not cases:
        return CLICK
    whens = " ".join(f"WHEN {cases[name]} THEN '{name}'" for name in ("purchase", "click") if name in cases)
    return Entry(f"CASE {whens} ELSE 'shown' END")
