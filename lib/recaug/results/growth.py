"""What nights on logs of several sizes took: written by `make scale`, read by jobs/plan_capacity.py."""

from recaug.results.base import Result


class Size(Result):
    """How much a night has before it: events of its windows, and the users and items that they are of."""

    events: int
    users: int
    items: int


class StageCost(Result):
    """What `runs` has of a stage; see night/cost.py."""

    wall_seconds: float
    cpu_seconds: float
    shuffle_mb: float
    memory_mb: dict[str, float]


class GrownNight(Result):
    """A night on a log of some size.

    copies: millions of events, each a copy of a real log. others: what is of each copy its own: users, items; the days
    of a copy are always. executors: of one core each on a standalone cluster; 0: local mode. cores: that Spark had.
    beside: cores that other work took meanwhile, in the mean. made: the day, ISO; commit: of the code.
    """

    copies: float
    others: tuple[str, ...]
    size: Size
    executors: int
    cores: int
    beside: float
    made: str
    commit: str
    stages: dict[str, StageCost]


class Growth(Result):
    """Nights of one configuration on one machine. days: of their windows, all of which the first stage reads."""

    config: str
    machine: str
    days: int
    nights: list[GrownNight]


class Load(Result):
    """What a night is planned for, or was measured on.

    taken: events that it takes from the log; events: of its windows, which all later stages read.
    """

    taken: float
    events: float
    users: float
    items: float


class Planned(Result):
    """A stage as planned.

    core_hours: of the processor measured with. driver_gb: of the driver's Python; worker_gb: of the largest Python
    worker or rank. exponent: of its processor time from the last night measured but one to the last.
    """

    hours: float
    core_hours: float
    shuffle_gb: float
    driver_gb: float
    worker_gb: float
    exponent: float | None


class Plan(Result):
    """A night as planned.

    executor_gb, driver_gb: memory that a machine needs. beyond: of what more than was measured, or less, is asked for,
    and how many times.
    """

    cluster: str
    load: Load
    stages: dict[str, Planned]
    hours: float
    dollars: float
    executor_gb: float
    driver_gb: float
    beyond: dict[str, float]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
