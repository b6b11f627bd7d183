"""The tables and their columns: what is relied on from outside (more columns are welcome, fewer are not)."""

from typing import NamedTuple


class Table(NamedTuple):
    """What a table holds. columns: in order, as Spark DDL.

    erased_by: what makes a row (t) one of an erased user (u: user_id and, as the last night that was prepared counts
    them, user_index; of a quarantine, raw; of BY_QUERY, OF_QUERY and OF_ANY, see these), as SQL; None where no row is
    of a user.
    names: columns that hold the shop's names of people, events and sessions; whoever reads the table gets pseudonyms
    for them. A table without has pseudonyms already, or no names.
    """

    columns: str
    partitioned_by: tuple[str, ...] = ()
    erased_by: str | None = None
    names: tuple[str, ...] = ()


BY_NAME = "t.user_id = u.user_id"
BY_INDEX = "t.user_index = u.user_index"
BY_SOURCE = f"{BY_NAME} OR array_contains(t.source_users, u.user_id)"
BY_TEXT = "t.raw = u.raw"
# Of queries that nobody has asked but erased users (u: query_id, text): their own rows, and what was generated of them.
BY_QUERY = "t.query_id = u.query_id"
OF_QUERY = "t.text = u.text OR array_contains(t.source_queries, u.query_id)"
OF_ANY = (
    "u.query_id IS NOT NULL"  # rows know queries by a number of one night alone, and the next night makes them anew
)


EVENT = (
    "event_id string, user_id string, item_id string, event_type string, event_time timestamp, session_id string, "
    "price double, quantity double, query string, event_date date"
)
GENERATED = (
    ", generator string, generator_version string, run_id string, source_users array<string>, "
    "parent_event_id string, weight double, fidelity double"
)

GENERATED_QUERY = (
    "row_id string, text string, item_id string, generator string, generator_version string, serial int, "
    "source_items array<string>, source_queries array<string>, weight double"
)
# Behind a generator's name in augmented_events: rows of the stream, until those of a night take their place.
STREAM = "@stream"

TABLES: dict[str, Table] = {
    # event_order: of a user's events of one time, which comes first.
    "events": Table(f"{EVENT}, event_order int", ("event_date",), BY_NAME, names=("event_id", "user_id", "session_id")),
    # raw: the source's row as JSON; event_date is the night's where the row has no readable time (dated = false).
    "events_quarantine": Table(
        "raw string, reasons array<string>, source string, event_date date, dated boolean", ("event_date",), BY_TEXT
    ),
    # Rows of each file of the logs by day (null: without a time; 0 rows: a file without any). size: bytes; modified:
    # epoch milliseconds; both null of a Delta table's files. event_date: the night that saw the file so first; gone:
    # the first to which it was so no more.
    "source_files": Table(
        "log string, path string, size bigint, modified bigint, day date, rows bigint, event_date date, gone date"
    ),
    "items": Table(
        "item_id string, title string, categorical map<string,string>, numeric map<string,double>, text string, "
        "vectors map<string,array<float>>, multi_valued map<string,array<string>>"
    ),
    # What the shop says of its users: for fairness alone.
    "user_attributes": Table("user_id string, attributes map<string,string>", erased_by=BY_NAME, names=("user_id",)),
    # The values of categorical and multi-valued attributes that enough items have, coded from 1, most frequent first.
    "attribute_values": Table("attribute string, value string, code int, items int"),
    # What the attribute VAE reads of each item: clickstream/attributes.py.
    "item_attributes": Table("item_id string, item_index int, codes binary, numbers binary, parts binary"),
    # The same of enhanced copies, which it learns from, too.
    "enhanced_attributes": Table(
        "item_id string, item_index int, codes binary, numbers binary, parts binary, copy int"
    ),
    # What a gap is filled with. Numbers are written as text.
    "completed_attributes": Table(
        "item_id string, attribute string, value string, probability double, generator_version string, run_id string"
    ),
    # Where the attribute VAE puts each item.
    "item_latents": Table("item_id string, latent array<float>, generator_version string, run_id string"),
    # Items like each other by these places, nearest first. users: who had both in the train window, 0 for too few.
    "similar_items": Table(
        "event_date date, item_id string, similar_id string, rank int, score double, reason string, users int",
        ("event_date",),
    ),
    # Given values that the rest of what is known of the item speaks against, and what it speaks for.
    "doubtful_attributes": Table(
        "item_id string, attribute string, value string, probability double, likelier string, "
        "likelier_probability double, generator_version string, run_id string"
    ),
    # Pictures cut to one size. code: of the label, from 0; turn: of a train picture in its class, else -1; pixels:
    # uint8, size x size x channels; problem: why there are none.
    "images": Table("image_id string, label string, split string, code int, turn int, pixels binary, problem string"),
    # What a classifier of an arm learns from: real pictures and generated ones.
    "image_rows": Table("per_class int, arm string, image_id string, code int, pixels binary", ("per_class", "arm")),
    # What the image generators drew, before and after the gate; per_class: real pictures a class that they learnt from,
    # 0 for all. distance: to the closest of these, root mean square of values from 0 to 1.
    "generated_images": Table(
        "per_class int, generator string, image_id string, label string, png binary, parent_id string, "
        "distance double, decision string, generator_version string, run_id string",
        ("per_class", "generator"),
    ),
    # item_index counts from 1, most popular first (ties by item_id); 0 is padding and whatever is unknown.
    "vocabulary": Table("item_id string, item_index int, users int, events int, head boolean"),
    # One row a window of a user's history (train) or one a user (validation, test). items and times are fixed-width
    # little-endian int32 / int64 (epoch seconds) arrays of max_length, left-aligned, 0 for padding.
    "sequences": Table(
        "split string, user_index int, user_id string, fold int, window int, length int, n_events int, items binary, "
        "times binary, event_ids array<string>, seen array<int>, targets array<int>, cold boolean",
        ("split",),
        BY_NAME,
    ),
    # What the train events say of each, and the same on one scale (z_): clickstream/features.py.
    "user_features": Table(
        "user_index int, user_id string, events double, items double, sessions double, days double, "
        "recency_days double, gap_days double, mean_price double, z_events double, z_items double, z_sessions double, "
        "z_days double, z_recency_days double, z_gap_days double, z_mean_price double",
        erased_by=BY_NAME,
    ),
    "item_features": Table(
        "item_index int, item_id string, events double, users double, repeat_share double, age_days double, "
        "mean_price double, z_events double, z_users double, z_repeat_share double, z_age_days double, "
        "z_mean_price double"
    ),
    # Directed counts of what users of each fold had together: the sum over folds is the whole. How they are counted and
    # scored stands in each row.
    "covisitation": Table(
        "fold int, item_index int, other_index int, weight double, users int, window int, backward double, "
        "decay double",
        ("fold",),
    ),
    # What the recommender learns from in each arm of the comparison: evaluate/arms.py.
    "training_rows": Table(
        "arm string, user_index int, window int, length int, fold int, items binary, continuations binary, "
        "continuation_weights binary, row_weight double, is_generated boolean",
        ("arm",),
        f"{BY_INDEX} OR t.user_index < 0",  # of generated histories nobody's name is kept
    ),
    "negatives": Table(
        "user_index int, item_index int, probability double, event_date date", ("event_date",), BY_INDEX
    ),
    "candidate_events": Table(EVENT + GENERATED, ("run_id",), BY_SOURCE),
    "augmented_events": Table(EVENT + GENERATED, ("event_date", "generator"), BY_SOURCE),
    "recommendations": Table(
        "event_date date, user_id string, rank int, item_id string, score double, reason string",
        ("event_date",),
        BY_NAME,
        names=("user_id",),
    ),
    # What the towers of search learn from: train queries and the items of a gain above 0, their hashed terms of fixed
    # width. fold: of the query; weight: the gain over the highest.
    "search_pairs": Table(
        "query_index int, item_index int, fold int, weight double, query_terms binary, item_terms binary",
        erased_by=OF_ANY,
    ),
    # The same of each arm of a trial of generated queries, whose query_index goes on where that of real ones ends.
    "search_arm_pairs": Table(
        "arm string, query_index int, item_index int, fold int, weight double, query_terms binary, item_terms binary",
        ("arm",),
        OF_ANY,
    ),
    # What the VAE of queries learns from: a train query and its item, and their terms' numbers of fixed width;
    # counted_terms: the likeliest by the counts of the other folds, counted_logs: logarithms of their chances.
    "query_rows": Table(
        "query_index int, item_index int, fold int, weight double, query_terms binary, item_terms binary, "
        "counted_terms binary, counted_logs binary",
        erased_by=OF_ANY,
    ),
    # Queries that were drawn for items, before the gate. serial: number among those of the item; weight: its share of
    # them; source_items, source_queries: what it is made of.
    "generated_queries": Table(f"{GENERATED_QUERY}, run_id string", ("run_id", "generator"), OF_QUERY),
    # Those of a day that the gate let pass. uses: how they were proved: all or missing words as a field, or pairs that
    # the towers learn from -> weight.
    "published_queries": Table(
        f"{GENERATED_QUERY}, run_id string, uses map<string,double>, event_date date", ("event_date",), OF_QUERY
    ),
    # What was shown for a query, and the most that came of it. examined: how probably its rank is looked at. query: its
    # normalised text. event_date is the night's where the row has no time.
    "search_events": Table(
        "query_id string, user_id string, session_id string, item_id string, rank int, action string, "
        "examined double, event_time timestamp, event_date date, query string",
        ("event_date",),
        BY_NAME,
        names=("user_id", "session_id"),
    ),
    # raw: what the row says by our names, as JSON, personal data in the query masked; else as events_quarantine.
    "search_quarantine": Table(
        "raw string, reasons array<string>, source string, event_date date, dated boolean", ("event_date",), BY_TEXT
    ),
    # Graded judgements as they were read, queries normalised.
    "search_grades": Table("query_id string, query string, item_id string, gain double, event_time timestamp"),
    # Queries by their normalised text. count: searches, or of graded judgements these; users: who asked, 0 if unknown.
    "queries": Table(
        "query_id string, text string, count bigint, split string, users bigint, first_seen timestamp",
        erased_by=BY_QUERY,
    ),
    # What an item is worth to a query, from 0 up. source: graded, or what came of it at best (click, purchase).
    "judgements": Table("query_id string, item_id string, gain double, source string", erased_by=BY_QUERY),
    "search_lists": Table(
        "query_id string, rank int, item_id string, score double, reason string, event_date date",
        ("event_date",),
        BY_QUERY,
    ),
    # Whom an erasure has named: SHA-256 of the id, in hex; known: the lake had rows of them.
    "erased_users": Table("user_hash string, erased timestamp, known boolean"),
    # Who may write the lake: lease.py. One row. token: higher with each holder; holder: JSON, empty where nobody is.
    "leases": Table("token bigint, holder string, since timestamp, renewed timestamp, expires timestamp"),
    # What a stage found; metrics is JSON. One row a stage of a night; a rerun replaces it. Beside it lie rows of
    # `<stage>.attempt`: one each time that it was begun, one where it failed; see runs.py. What --resume compares:
    # config_hash, of the sections of the configuration that decide the stage; input_versions, of the tables that it
    # reads; inputs, the content hashes of the records that it reads: stage -> hash of this night's, "stage, history" ->
    # hash of those of the nights before, "code" -> of the release, "key" -> of the
    # pseudonyms' key. outputs: each slice that the stage wrote, "table slice" -> "version content_hash".
    # memory_mb: of the largest process by kind: driver, java, python.
    "runs": Table(
        "run_id string, event_date date, stage string, started timestamp, finished timestamp, decision string, "
        "reasons array<string>, metrics string, input_versions map<string,bigint>, inputs map<string,string>, "
        "config_hash string, content_hash string, cpu_seconds double, wall_seconds double, peak_memory_mb double, "
        "outputs map<string,string>, memory_mb map<string,double>, shuffle_mb double",
        ("event_date", "stage"),
    ),
}

# What is made anew from all days, once the night's are proved: night/refit.py. Their users' indexes are of one night.
REFIT = "refit"
REFITTED = (
    "vocabulary",
    "sequences",
    "user_features",
    "item_features",
    "covisitation",
    "negatives",
    "candidate_events",
    "training_rows",
)
REFITTED_SEARCH = ("search_pairs",)  # the same of the stage search: night/search/refit.py


def _refitted(table: Table) -> Table:
    """The same table of all days; where users are known by their index of one night alone, an erasure empties it."""
    by_index = table.erased_by is not None and BY_INDEX in table.erased_by
    return table._replace(erased_by="true") if by_index else table


TABLES |= {f"{REFIT}_{name}": _refitted(TABLES[name]) for name in (*REFITTED, *REFITTED_SEARCH)}
