"""What a stage costs: CPU seconds and peak memory of this process and all that it started."""

import threading
import time
from types import TracebackType

import psutil
from pyspark.sql import SparkSession

INTERVAL = 0.5  # seconds between two looks at the memory


class Cost:
    """Measures a `with` block: cpu_seconds, wall_seconds, peak_memory_mb (of the largest single process).

    Counts the driver, its JVM, and on the same machine the executors, their Python workers and the ranks. On a
    cluster the executors' task seconds are added, an upper bound of their CPU seconds.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._root = psutil.Process()
        self._done = threading.Event()
        self._seen: dict[tuple[int, float], float] = {}
        self.cpu_seconds = self.wall_seconds = self.peak_memory_mb = 0.0

    def __enter__(self) -> "Cost":
        self._look()
        self._before, self._started, self._tasks = sum(self._seen.values()), time.monotonic(), self._task_seconds()
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
        self.cpu_seconds = sum(self._seen.values()) - self._before + self._task_seconds() - self._tasks

    def _poll(self) -> None:
        while not self._done.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        """Note each process's CPU time so far; one that ends keeps what was last seen of it."""
        for process in [self._root, *self._root.children(recursive=True)]:
            try:
                times, memory = process.cpu_times(), process.memory_info().rss
                self._seen[process.pid, process.create_time()] = times.user + times.system
                self.peak_memory_mb = max(self.peak_memory_mb, memory / 2**20)
            except psutil.Error:
                continue  # it ended between the listing and the look

    def _task_seconds(self) -> float:
        """Seconds that tasks ran on executors of other machines, so far."""
        context = self._spark.sparkContext
        if str(context.master).startswith("local"):
            return 0.0
        executors = context._jsc.sc().statusStore().executorList(True)
        return sum(executors.apply(i).totalDuration() for i in range(executors.size())) / 1000
