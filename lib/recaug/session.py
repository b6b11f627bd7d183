"""Builds the SparkSession, or takes the one that Databricks, a notebook or spark-submit has."""

import os
import sys
from pathlib import Path

import pyspark
from pyspark import SparkContext
from pyspark.find_spark_home import _find_spark_home
from pyspark.sql import SparkSession

from recaug.config import Spark
from recaug.lake.filesystems import hand_over

# What every session gets, wherever it comes from.
RUNTIME = {
    "spark.sql.ansi.enabled": "false",  # a value that cannot be cast is null, and goes to quarantine
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # A time that does not fit its pattern is null as well; Spark 2's parser is not asked, nor its calendar.
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    # The files of a slice are listed from a plan in which Delta has left out those of other slices.
    "spark.databricks.delta.stats.skipping": "true",
    # Parquet's TIMESTAMP(NANOS), pandas' default, is unreadable to Spark otherwise; source.py converts the numbers.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    # Slices are cut along partition columns; to cut along others, Delta first computes the state of the whole table.
    "spark.databricks.delta.replaceWhere.dataColumns.enabled": "false",
    # Rows are kept between two readings, not for long: packing them took longer than making them.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
}

# Only for a session that is built here.
START = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.codegen.cache.maxEntries": "2000",  # compiled plans kept; a night has more than the default of 100
}

# Spark's classes as Java has read and checked them, where set-up has kept them: a third of what a session costs until
# its first rows are there. A Java of another version, or with other jars, does without, and need not say so.
CLASSES = Path(pyspark.__file__).with_name("classes.jsa")

# A local file system by Java alone, where set-up has fetched it: Hadoop's own starts a process `chmod` a file it makes.
FORKLESS = "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem"
HAS_FORKLESS = any(Path(pyspark.__file__).parent.glob("jars/hadoop-bare-naked-local-fs-*.jar"))

# What pyspark asks Java for at each column and each read: Java looks for a name in every jar, each time anew.
NAMES = ("functions", "PythonUtils", "PythonRDD", "SerDeUtil", "SimplePythonFunction", "SparkSession", "org", "java")

# Only for local mode: one machine needs neither a page, nor 50 tasks to read a transaction log or a task a file.
LOCAL = {
    "spark.driver.memory": "2g",
    # Most of a night's plans run a few times only: Java's second compiler, which took two fifths of a short night's
    # processor time, waits eight times as long; a heap of this size needs no collector with threads of its own; it
    # begins large, where the machine and spark.driver.memory are, for plans are garbage at once; and Spark's classes,
    # which take 200 MB, need no collection each time that their space is made larger.
    "spark.driver.extraJavaOptions": " ".join(
        (
            "-XX:Tier4InvocationThreshold=40000",
            "-XX:Tier4MinInvocationThreshold=4800",
            "-XX:Tier4CompileThreshold=120000",
            "-XX:Tier4BackEdgeThreshold=320000",
            "-XX:+UseSerialGC",
            "-XX:MetaspaceSize=256m",
            "-XX:InitialRAMPercentage=4",
            *((f"'-XX:SharedArchiveFile={CLASSES}'", "'-Xlog:cds*=error'") if CLASSES.exists() else ()),
        )
    ),
    "spark.python.daemon.module": "recaug.workers",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    # Nor is there a page for which to keep a thousand jobs and plans.
    "spark.ui.retainedJobs": "10",
    "spark.ui.retainedStages": "10",
    "spark.ui.retainedTasks": "100",
    "spark.sql.ui.retainedExecutions": "10",
    "spark.databricks.delta.snapshotPartitions": "1",
    **({"spark.hadoop.fs.file.impl": FORKLESS} if HAS_FORKLESS else {}),
    # Renames by Java: those of Delta's default and of its checksums ask a process `readlink` seven times a commit.
    "spark.delta.logStore.file.impl": "io.delta.storage.LocalLogStore",
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.FileSystemBasedCheckpointFileManager"
    ),
    # List a glob's files here rather than in a task each (305 days of Online Retail: 305 tasks, twice).
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    # A file a day costs more than the rows in it: both cores write a year's few.
    "spark.sql.adaptive.coalescePartitions.minPartitionSize": "64k",
}


def build(config: Spark, app_name: str, workers: int = 1, time_zone: str = "UTC") -> SparkSession:
    """Give the SparkSession of a run: the running one where there is one, otherwise a new one with Delta on.

    workers: task slots that training needs at the same time; local mode gets at least so many.
    time_zone: of the session: of its days, and of times that name none.
    Where spark-submit started the driver, its own settings win over ours and over `config`'s.
    """
    session = SparkSession.getActiveSession() or _start(config, app_name, workers)
    for key, value in RUNTIME.items():
        session.conf.set(key, value)
    session.conf.set("spark.sql.session.timeZone", time_zone)
    if config.shuffle_partitions is not None:
        session.conf.set("spark.sql.shuffle.partitions", str(config.shuffle_partitions))
    hand_over(session)
    return session


def tasks_of(spark: SparkSession, units: int) -> int:
    """Give the tasks for units that each take a model a while: four a slot, at most one a unit.

    An adaptive plan that is not told goes by bytes, and puts what is small into one task.
    """
    return min(units, 4 * spark.sparkContext.defaultParallelism)


def _start(config: Spark, app_name: str, workers: int) -> SparkSession:
    """Start a SparkContext; the Java settings of a driver that spark-submit started stay as they are."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    given: set[str] = set()
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # how pyspark itself tells that spark-submit started the driver
    if submitted:
        SparkContext._ensure_initialized()
        given = {pair._1() for pair in SparkContext._jvm.SparkConf(True).getAll()}  # type: ignore[union-attr]
    ours = dict(START)
    master = config.master or f"local[{max(workers, os.cpu_count() or 1)}]"
    if "spark.master" not in given:
        ours["spark.master"] = master
        if master.startswith("local"):
            ours |= LOCAL | {"spark.sql.shuffle.partitions": str(os.cpu_count() or 1)}
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else Java guesses an address and warns
    if not submitted:
        ours |= _delta_packages()
    ours |= config.settings
    builder = SparkSession.builder.appName(app_name)
    for key, value in ours.items():
        if key not in given:
            builder = builder.config(key, value)
    session = builder.getOrCreate()
    java = session.sparkContext._jvm
    vars(java).update({name: getattr(java, name) for name in NAMES})
    return session


def _delta_packages() -> dict[str, str]:
    """Name Delta's jars for Ivy to find, as Delta itself does, unless they lie among Spark's own."""
    if any((Path(_find_spark_home()) / "jars").glob("delta-spark_*.jar")):
        return {}
    return {"spark.jars.packages": delta_package()}


def delta_package() -> str:
    """Give the coordinate of the installed Delta's jar: its name holds Scala's version, and from 4.1 on Spark's."""
    from delta import configure_spark_with_delta_pip

    builder = configure_spark_with_delta_pip(SparkSession.Builder())
    return str(builder._options["spark.jars.packages"])
