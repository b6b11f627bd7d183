"""Make the accepted rows the night's partition of augmented_events, or hold."""

from pyspark.sql import functions as F

from recaug.evaluate.arms import cold_users, rows_of
from recaug.lake.contracts import REFIT, STREAM
from recaug.lake.views import Room
from recaug.night.context import Context, StageResult
from recaug.results import Arm, Publish


def hold(context: Context, reasons: tuple[str, ...]) -> StageResult:
    """Hold for a reason that is not the gate's; what an earlier run of the same night published goes, as in run."""
    lake, commit = context.lake, None
    supersede(context)
    if lake.exists("augmented_events"):
        nothing = lake.read("augmented_events").where("false")
        commit = lake.replace(nothing, "augmented_events", {"event_date": context.date}, context.run_id)
    return StageResult(Publish(augmented=commit.rows if commit is not None else 0), None, "hold", reasons)


def run(context: Context) -> StageResult:
    """Follow the gate: one commit that replaces the date, also where an earlier run of the same night published.

    Published is what the chosen arm's recipe selects of the run's candidates, of the refit's where there is one. Raises
    ContractError if the evaluate or the refit stage of this night has not run.
    """
    judged, refitted = context.recorded("evaluate"), context.recorded("refit").metrics
    trial, publish = judged.metrics, judged.decision == "publish"
    lake = Room(context.lake, REFIT) if publish and refitted.serves else context.lake
    supersede(context)
    if not publish and not lake.exists("augmented_events"):
        return StageResult(Publish(augmented=0, chosen=trial.chosen), None, judged.decision, tuple(judged.reasons))
    accepted = trial.arms[trial.chosen].arm if publish and trial.chosen is not None else Arm(name="nothing")
    candidates = lake.read("candidate_events").where(F.col("run_id") == context.run_id)
    rows = rows_of(accepted, candidates, cold_users(lake.read("sequences")), lake.read("vocabulary"))
    commit = lake.replace(rows, "augmented_events", {"event_date": context.date}, context.run_id)
    metrics = Publish(augmented=commit.rows, chosen=trial.chosen)
    return StageResult(metrics, commit.content_hash if publish else None, judged.decision, tuple(judged.reasons))


def supersede(context: Context) -> None:
    """Remove the stream's rows of the days before the night's that no night was made of; its own day is replaced."""
    lake = context.lake
    if not lake.exists("augmented_events"):
        return
    drawn = F.col("generator").endswith(STREAM) & (F.col("event_date") < F.lit(context.date))
    if lake.read("augmented_events").where(drawn).inputFiles():
        lake.ledger.guard()
        lake.delta("augmented_events").delete(drawn)
