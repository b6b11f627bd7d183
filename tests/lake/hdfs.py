"""A real HDFS for trials by hand: `PYTHONPATH=. python -m tests.lake.hdfs`, until it is ended.

A name node (hdfs://localhost:8020, WebHDFS at 9870) and a data node in one JVM, of Hadoop's own classes for tests,
which Ivy fetches (87 MB). Then a night with `lake.path` and `artifacts` below hdfs://localhost:8020/.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyspark
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway
from pyspark.sql import SparkSession

PACKAGE = "org.apache.hadoop:hadoop-client-minicluster:3.3.4"  # of the Hadoop in Spark 3.5
SPARKS = ("activation*", "jakarta*", "jersey*", "log4j*", "slf4j-api*")  # jars of Spark's that it needs as well


def main(folder: str) -> None:
    """Start it with its blocks in a folder."""
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.jars.packages", PACKAGE).getOrCreate()
    jars = [url.removeprefix("file://") for url in session.conf.get("spark.jars").split(",")]
    session.stop()
    jars += [str(jar) for glob in SPARKS for jar in (Path(pyspark.__file__).parent / "jars").glob(f"{glob}.jar")]
    opens = ["--add-opens=java.base/java.lang=ALL-UNNAMED"]  # to the XML of WebHDFS, on Java 17
    port = launch_gateway(classpath=":".join(jars), die_on_exit=True, javaopts=["-Xmx600m", *opens])
    hadoop = JavaGateway(gateway_parameters=GatewayParameters(port=port)).jvm.org.apache.hadoop
    settings = hadoop.conf.Configuration()
    settings.set("hdfs.minidfs.basedir", folder)
    cluster = getattr(hadoop.hdfs, "MiniDFSCluster$Builder")(settings)
    started = cluster.numDataNodes(1).nameNodePort(8020).nameNodeHttpPort(9870).build()
    started.waitActive()
    print(f"ready: {started.getURI()}", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    with TemporaryDirectory() as below:
        sys.exit(main(below))
