"""The tables and their columns: what is relied on from outside (more columns are welcome, fewer are not)."""

from typing import NamedTuple


class Table(NamedTuple):
    """Columns in order as Spark DDL, and the columns that the table is partitioned by."""

    columns: str
    partitioned_by: tuple[str, ...] = ()


EVENT = (
    "event_id string, user_id string, item_id string, event_type string, event_time timestamp, session_id string, "
    "price double, quantity double, query string, event_date date"
)
GENERATED = (
    ", generator string, generator_version string, run_id string, source_users array<string>, "
    "parent_event_id string, weight double, fidelity double"
)

TABLES = {
    "events": Table(EVENT, ("event_date",)),
    # raw: the source's row as JSON; event_date is the night's where the row has no readable time (dated = false).
    "events_quarantine": Table(
        "raw string, reasons array<string>, source string, event_date date, dated boolean", ("event_date",)
    ),
    "items": Table(
        "item_id string, title string, categorical map<string,string>, numeric map<string,double>, text string, "
        "vectors map<string,array<float>>, multi_valued map<string,array<string>>"
    ),
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
    ),
    # What the train events say of each, and the same on one scale (z_): clickstream/features.py.
    "user_features": Table(
        "user_index int, user_id string, events double, items double, sessions double, days double, "
        "recency_days double, gap_days double, mean_price double, z_events double, z_items double, z_sessions double, "
        "z_days double, z_recency_days double, z_gap_days double, z_mean_price double"
    ),
    "item_features": Table(
        "item_index int, item_id string, events double, users double, repeat_share double, age_days double, "
        "mean_price double, z_events double, z_users double, z_repeat_share double, z_age_days double, "
        "z_mean_price double"
    ),
    # Directed counts of what users of each fold had together: the sum over folds is the whole.
    "covisitation": Table("fold int, item_index int, other_index int, weight double", ("fold",)),
    # What the recommender learns from in each arm of the comparison: evaluate/arms.py.
    "training_rows": Table(
        "arm string, user_index int, window int, length int, fold int, items binary, continuations binary, "
        "continuation_weights binary, row_weight double, is_generated boolean",
        ("arm",),
    ),
    "negatives": Table("user_index int, item_index int, probability double, event_date date", ("event_date",)),
    # What generators wrote, each row once; an arm of the evaluation is a recipe of them.
    "candidate_events": Table(EVENT + GENERATED, ("run_id",)),
    "augmented_events": Table(EVENT + GENERATED, ("event_date", "generator")),
    "recommendations": Table(
        "event_date date, user_id string, rank int, item_id string, score double, reason string", ("event_date",)
    ),
    # reasons and metrics of a stage; metrics is JSON. One row a stage of a night; a rerun replaces it.
    "runs": Table(
        "run_id string, event_date date, stage string, started timestamp, finished timestamp, decision string, "
        "reasons array<string>, metrics string, input_versions map<string,bigint>, config_hash string, "
        "content_hash string, cpu_seconds double, wall_seconds double, peak_memory_mb double",
        ("event_date", "stage"),
    ),
}
