"""What a night may be for, and the stages that it has."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Literal

from msgspec import Meta

from recaug.errors import ConfigError

Task = Literal["recommendation", "search"]
Tasks = Annotated[list[Task], Meta(min_length=1)]

# The stages that are a task's own; all of them, behind ingest and before the report, are those of a night, in order.
TASKS: Mapping[Task, Sequence[str]] = {
    "recommendation": ("prepare", "train", "augment", "evaluate", "refit", "publish", "recommend"),
    "search": ("search",),
}
STAGES = ("ingest", *(stage for own in TASKS.values() for stage in own), "report")


def stages_of(tasks: Collection[Task]) -> tuple[str, ...]:
    """Give the stages of a night for these tasks, in their order.

    >>> stages_of(["search"])
    ('ingest', 'search', 'report')
    """
    others = {stage for task, own in TASKS.items() if task not in tasks for stage in own}
    return tuple(stage for stage in STAGES if stage not in others)


def parse_stages(text: str | None, there: Sequence[str]) -> list[str]:
    """Read --stages, of those that the night has; they run in its order, whatever the order given."""
    if text is None:
        return list(there)
    asked = [stage.strip() for stage in text.split(",")]
    if unknown := [stage for stage in asked if stage not in there]:
        raise ConfigError(f"--stages names {', '.join(unknown)}; the stages are {', '.join(there)}")
    return [stage for stage in there if stage in asked]
