"""What a stage costs: CPU seconds and peak memory of this process and all that it started."""

import threading
import time
from types import TracebackType

import psutil
from pyspark.sql import SparkSession

INTERVAL = 0.5  # seconds between two looks at the memory


class Cost:
    """Measures a `with` block: cpu_seconds, wall_seconds, memory_mb, peak_memory_mb, shuffle_mb.

    Counts the driver, its JVM, and on the same machine the executors, their Python workers and the ranks. On a
    cluster the executors' task seconds are added, an upper bound of their CPU seconds.

    memory_mb: the most that a single process of each kind has held: `driver` (its Python), `java`, `python` (workers
    and ranks). peak_memory_mb: the most of them. shuffle_mb: what tasks wrote for others to read.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._root = psutil.Process()
        self._done = threading.Event()
        self._seen: dict[tuple[int, float], float] = {}
        self.memory_mb: dict[str, float] = {}
        self.cpu_seconds = self.wall_seconds = self.shuffle_mb = 0.0

    @property
    def peak_memory_mb(self) -> float:
        """The most memory that a single process has held."""
        return max(self.memory_mb.values(), default=0.0)

    def __enter__(self) -> "Cost":
        self._look()
        self._before, self._started, self._tasks = sum(self._seen.values()), time.monotonic(), self._of_tasks()
        self._watch = threading.Thread(target=self._poll, daemon=True)
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._watch.join()
        self._look()
        self.wall_seconds = time.monotonic() - self._started
        seconds, shuffled = (now - before for now, before in zip(self._of_tasks(), self._tasks, strict=True))
        self.cpu_seconds = sum(self._seen.values()) - self._before + seconds
        self.shuffle_mb = max(0.0, shuffled)  # of executors that left what they wrote is not known

    def _poll(self) -> None:
        while not self._done.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        """Note each process's CPU time so far; one that ends keeps what was last seen of it."""
        for process in [self._root, *self._root.children(recursive=True)]:
            try:
                times, memory = process.cpu_times(), process.memory_info().rss / 2**20
                self._seen[process.pid, process.create_time()] = times.user + times.system
                kind = "driver" if process == self._root else "java" if process.name() == "java" else "python"
                self.memory_mb[kind] = max(self.memory_mb.get(kind, 0.0), memory)
            except psutil.Error:
                continue  # it ended between the listing and the look

    def _of_tasks(self) -> tuple[float, float]:
        """Seconds that tasks ran on executors of other machines, and megabytes that all wrote to shuffle, so far."""
        context = self._spark.sparkContext
        executors = context._jsc.sc().statusStore().executorList(True)
        known = [executors.apply(i) for i in range(executors.size())]
        seconds = 0.0 if str(context.master).startswith("local") else sum(one.totalDuration() for one in known) / 1000
        return seconds, sum(one.totalShuffleWrite() for one in known) / 2**20
