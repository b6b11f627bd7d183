"""Make the accepted rows the night's partition of augmented_events, or hold."""

from pyspark.sql import functions as F

from recaug.evaluate.arms import cold_users, rows_of
from recaug.night.context import Context, StageResult
from recaug.results import Arm, Publish, Trial


def run(context: Context) -> StageResult:
    """Follow the gate: one commit that replaces the date, also where an earlier run of the same night published.

    Published is what the chosen arm's recipe selects of the run's candidates. Raises ContractError if the evaluate
    stage of this night has not run.
    """
    lake, judged = context.lake, context.recorded("evaluate")
    trial: Trial = judged.metrics
    publish = judged.decision == "publish"
    if not publish and not lake.exists("augmented_events"):
        return StageResult(Publish(augmented=0, chosen=trial.chosen), None, judged.decision, tuple(judged.reasons))
    accepted = trial.arms[trial.chosen].arm if publish and trial.chosen is not None else Arm(name="nothing")
    candidates = lake.read("candidate_events").where(F.col("run_id") == context.run_id)
    rows = rows_of(accepted, candidates, cold_users(lake.read("sequences")), lake.read("vocabulary"))
    commit = lake.replace(rows, "augmented_events", {"event_date": context.date}, context.run_id)
    metrics = Publish(augmented=commit.rows, chosen=trial.chosen)
    return StageResult(metrics, commit.content_hash if publish else None, judged.decision, tuple(judged.reasons))
