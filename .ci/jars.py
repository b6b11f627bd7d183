"""Fetches jars through Ivy, which keeps them in the home folder: jars.py [NAME ...], of JARS; all of them by default.

Delta's, of the version of the delta-spark package, are put among those of this environment's Spark, so that the workers
of a standalone cluster have Delta, too; so is a local file system that starts no process a file. The others are of
tests with real servers and stay where Ivy keeps them: each set's class path, `jars/NAME.classpath` in the environment,
is read by tests/servers.py. Of two sets with one package in two versions each has its own.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pyspark
from pyspark.java_gateway import launch_gateway

from recaug.session import delta_package

SPARKS = Path(pyspark.__file__).parent / "jars"
CLASS_PATHS = Path(sys.prefix) / "jars"


def of_spark(artifact: str) -> str:
    """Give the version of a jar of Spark's."""
    return next(SPARKS.glob(f"{artifact}-[0-9]*.jar")).stem.removeprefix(f"{artifact}-")


HADOOP = of_spark("hadoop-client-api")
SCALA = of_spark("scala-library").rpartition(".")[0]
JARS = {
    "delta": delta_package(),
    "files": "com.globalmentor:hadoop-bare-naked-local-fs:0.1.0",
    "s3": f"org.apache.hadoop:hadoop-aws:{HADOOP}",  # 280 MB
    "hdfs": f"org.apache.hadoop:hadoop-client-minicluster:{HADOOP}",  # a name node and a data node, 90 MB
    # Spark's reader of Kafka: Maven has none of 3.5.8 and 3.5.9. It brings the client of Kafka 3.4.1, which brokers
    # up to 4 answer; 3.9 is the last of Scala 2.12.
    "kafka": f"org.apache.spark:spark-sql-kafka-0-10_{SCALA}:3.5.7",
    "kafka-broker": f"org.apache.kafka:kafka_{SCALA}:3.9.1",  # with Spark's scala-library, which Spark's Ivy leaves out
}
AMONG_SPARKS = {"delta": ("delta-spark_", "delta-storage-"), "files": ("hadoop-bare-naked-local-fs-",)}


def main(names: Sequence[str]) -> None:
    """Fetch the jars of these names, unless they are there."""
    wanted = [name for name in names or JARS if not there(name)]
    if not wanted:
        return
    java = launch_gateway()
    resolve = java.jvm.org.apache.spark.util.DependencyUtils.resolveMavenDependencies
    nothing = java.jvm.scala.Option.empty()
    CLASS_PATHS.mkdir(exist_ok=True)
    for name in wanted:
        found = resolve(True, None, JARS[name], None, None, nothing)
        jars = [Path(found.apply(number)) for number in range(found.size())]
        if name in AMONG_SPARKS:
            among_sparks(name, jars)
        else:
            (CLASS_PATHS / f"{name}.classpath").write_text(":".join(map(str, jars)))
    java.shutdown()


def there(name: str) -> bool:
    """Say whether a set's jars are where they belong."""
    if name in AMONG_SPARKS:
        return (SPARKS / f"{'-'.join(JARS[name].split(':')[1:])}.jar").exists()
    listed, last = CLASS_PATHS / f"{name}.classpath", JARS[name].rpartition(":")[2]
    jars = listed.read_text().split(":") if listed.exists() else [""]
    return jars[0].endswith(f"-{last}.jar") and all(Path(jar).exists() for jar in jars)


def among_sparks(name: str, fetched: Sequence[Path]) -> None:
    """Copy a set's jars to Spark's; those of another version go."""
    prefixes = AMONG_SPARKS[name]
    for old in (jar for prefix in prefixes for jar in SPARKS.glob(f"{prefix}*.jar")):
        old.unlink()
    # GROUP_ARTIFACT-VERSION.jar; the set's first jar comes last: the mark. What Spark has itself stays.
    for jar in sorted(fetched, key=lambda jar: jar.name.split("_", maxsplit=1)[1].startswith(prefixes[0])):
        target = SPARKS / jar.name.split("_", maxsplit=1)[1]
        if not list(SPARKS.glob(f"{target.name.rpartition('-')[0]}-*.jar")):
            shutil.copy(jar, target.with_suffix(".part"))
            target.with_suffix(".part").rename(target)


if __name__ == "__main__":
    main(sys.argv[1:])
