"""Make the accepted rows the night's partition of augmented_events, or hold."""

from pyspark.sql import functions as F

from recaug.night.context import Context, StageResult


def run(context: Context) -> StageResult:
    """Follow the gate: one commit that replaces the date, also where an earlier run of the same night published.

    Raises ContractError if the evaluate stage of this night has not run.
    """
    lake = context.lake
    judged = context.recorded("evaluate")
    chosen, publish = judged.metrics["chosen"], judged.decision == "publish"
    accepted = (
        lake.read("candidate_events")
        .where((F.col("run_id") == context.run_id) & (F.col("arm") == chosen) & F.lit(publish))
        .drop("arm")
    )
    held = StageResult({"augmented": 0, "chosen": chosen}, None, judged.decision, tuple(judged.reasons))
    if not publish and not lake.exists("augmented_events"):
        return held
    commit = lake.replace(accepted, "augmented_events", {"event_date": context.date}, context.run_id)
    if not publish:
        return held
    metrics = {"augmented": commit.rows, "chosen": chosen}
    return StageResult(metrics, commit.content_hash, judged.decision, tuple(judged.reasons))
