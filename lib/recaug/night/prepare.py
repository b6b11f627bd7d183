"""Stage 2: the windows before the night become vocabulary, sequences, features, co-visitation counts and negatives."""

import hashlib

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.clickstream import covisitation
from recaug.clickstream.features import item_features, normalised, user_features
from recaug.clickstream.negatives import negatives_of
from recaug.clickstream.sequences import histories, sequences
from recaug.clickstream.splits import check_splits, check_vocabulary, train_end, window_events, windows
from recaug.clickstream.vocabulary import users, vocabulary
from recaug.lake.layout import lay
from recaug.lake.tables import Commit
from recaug.night.context import Context, StageResult
from recaug.night.counting import choose, marked
from recaug.results import Prepare

# Files of a table that training reads: fixed, so that ranks get the same rows wherever the night ran.
FILES = 8


def run(context: Context) -> StageResult:
    """Write vocabulary, sequences (train, validation, test, serve), features, covisitation and the night's negatives.

    What a user had before the train window is not looked at. Raises ContractError where a window has no event.
    """
    lake, config = context.lake, context.config
    cut = windows(context.date, config.prepare)
    events = window_events(lake.read("events"), context.date, config.prepare).persist()
    check_splits(events, cut, config.prepare, lake.read("events"))
    items = lake.read("items") if config.prepare.min_item_users == 0 else None
    words = vocabulary(events.where("split = 'train'"), config.prepare.min_item_users, config.prepare.head_share, items)
    check_vocabulary(words, cut, config.prepare)
    written = {"vocabulary": lake.replace(words.coalesce(1), "vocabulary", {}, context.run_id)}
    people = histories(events, lake.read("vocabulary"), users(events, config.seed, config.prepare.folds)).persist()
    rows = sequences(people, config.prepare.max_length, config.prepare.cold_events)
    written["sequences"] = lake.replace(rows, "sequences", {}, context.run_id, files=FILES, by=("user_index", "window"))
    written |= _write_features(context, events.where("split = 'train'"), people)
    counting = choose(context, people)
    pairs = covisitation.counts(covisitation.train_codes(people), counting.way.window, counting.way.backward)
    written["covisitation"] = lake.replace(marked(pairs, counting.way), "covisitation", {}, context.run_id)
    written["negatives"] = _write_negatives(context)
    counted = lake.read("sequences").groupBy("split").agg(F.count("*").alias("rows"), F.count_if("cold").alias("cold"))
    by_split = {row["split"]: row for row in counted.collect()}
    metrics = Prepare(
        users=by_split["serve"]["rows"],
        events=events.count(),
        items=written["vocabulary"].rows,
        cold=by_split["test"]["cold"] if "test" in by_split else 0,
        rows={split: row["rows"] for split, row in sorted(by_split.items())},
        covisitation=written["covisitation"].rows,
        negatives=written["negatives"].rows,
        windows=[day.isoformat() for day in cut],
        ways=dict(counting.ndcg),
        counted=counting.name,
    )
    people.unpersist()
    events.unpersist()
    hashes = "".join(commit.content_hash for _, commit in sorted(written.items()))
    return StageResult(metrics, hashlib.sha256(hashes.encode()).hexdigest())


def _write_features(context: Context, train: DataFrame, people: DataFrame) -> dict[str, Commit]:
    """Write what the train events say of each user and item."""
    lake, end = context.lake, train_end(context.date, context.config.prepare)
    index = F.broadcast(lake.read("vocabulary").select("item_id", "item_index"))
    features = {
        "user_features": normalised(user_features(train, end)).join(
            people.select("user_id", "user_index"), "user_id", how="inner"
        ),
        "item_features": normalised(item_features(train, end)).join(index, "item_id", how="inner"),
    }
    return {name: lake.replace(rows, name, {}, context.run_id) for name, rows in features.items()}


def _write_negatives(context: Context) -> Commit:
    """Write the night's negatives; the users are laid out, not their many draws."""
    lake, config = context.lake, context.config
    train = lake.read("sequences").where("split = 'train' AND window = 0").select("user_index", "seen")
    laid = lay(train, FILES, ["user_index"])
    drawn = negatives_of(laid, lake.read("vocabulary"), config.negatives, config.seed)
    dated = drawn.withColumn("event_date", F.lit(context.date))
    return lake.replace(dated, "negatives", {"event_date": context.date}, context.run_id, as_laid=True)
