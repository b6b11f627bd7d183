"""What a night may cost: whether there is enough left for a stage."""

from recaug.lake import runs
from recaug.night.context import Context
from recaug.night.stage import NIGHT

BOUND = (
    "train",
    "augment",
    "evaluate",
    "refit",
    "recommend",
    "search",
)  # the others cost seconds, or are what is left of a hold


def spent_up(context: Context, stage: str) -> str | None:
    """Say why a stage is beyond the budget; None where it is not.

    What is spent is that of the night's stages before it, those that --resume skips among them; what it will cost is
    taken from the last night that ran it, and is 0 where there is none.
    """
    bound = context.config.budget.cpu_minutes
    if bound is None or stage not in BOUND:
        return None
    order = [*NIGHT]
    before = [record for name, record in context.night().items() if order.index(name) < order.index(stage)]
    spent = sum(record.cpu_seconds for record in before) / 60
    last = runs.before(context.lake.whole, context.date, stage, 1)
    expected = last[-1].cpu_seconds / 60 if last else 0.0
    if spent + expected <= bound:
        return None
    forecast = f" and {stage} took {expected:.1f} in the last night" if expected else ""
    return f"budget: {spent:.1f} CPU minutes are spent{forecast}; budget.cpu_minutes is {bound:g}"
