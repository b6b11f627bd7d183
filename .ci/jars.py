"""Fetches jars through Ivy, which keeps them in the home folder: after that no session asks it or the network.

Delta's, of the version of the delta-spark package, are put among those of .venv's Spark, so that the workers of a
standalone cluster have Delta, too; and so is a local file system that starts no process a file (see recaug.session).
Those of S3 (280 MB) stay where Ivy keeps them: a test puts them on its class path.
"""

import shutil
from importlib.metadata import version
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

DELTA = f"io.delta:delta-spark_2.12:{version('delta-spark')}"
FILES = "com.globalmentor:hadoop-bare-naked-local-fs:0.1.0"
S3 = "org.apache.hadoop:hadoop-aws:3.3.4"  # of the Hadoop in Spark 3.5
IVY = Path.home() / ".ivy2" / "jars"


def main() -> None:
    """Fetch the jars unless they are there; Delta's of another version go."""
    jars = Path(pyspark.__file__).parent / "jars"
    marks = f"delta-spark_*-{version('delta-spark')}.jar", "hadoop-bare-naked-local-fs-*.jar"
    has_ours = all(list(jars.glob(mark)) for mark in marks)
    if has_ours and list(IVY.glob("*hadoop-aws-3.3.4.jar")):
        return
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.jars.packages", f"{DELTA},{FILES},{S3}").getOrCreate()
    fetched = [Path(url.removeprefix("file://")) for url in session.conf.get("spark.jars").split(",")]
    session.stop()
    if has_ours:
        return
    for old in [*jars.glob("delta-spark_*.jar"), *jars.glob("delta-storage-*.jar")]:
        old.unlink()
    ours = [jar for jar in fetched if jar.name.startswith(("io.delta_", "org.antlr_", "com.globalmentor_"))]
    for jar in sorted(ours, reverse=True):  # org.antlr_..., io.delta_..., com.globalmentor_...
        target = jars / jar.name.split("_", maxsplit=1)[1]  # GROUP_ARTIFACT-VERSION.jar
        if not target.exists():
            shutil.copy(jar, target.with_suffix(".part"))
            target.with_suffix(".part").rename(target)


if __name__ == "__main__":
    main()
