"""Puts Delta's jars, of the version of the delta-spark package, among those of .venv's Spark.

One session with Delta lets Ivy fetch them. After that no session asks Ivy or the network, and the workers of
a standalone cluster have Delta, too.
"""

import shutil
from importlib.metadata import version
from pathlib import Path

import pyspark
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession


def main() -> None:
    """Fetch the jars unless they are there; those of another version go."""
    jars = Path(pyspark.__file__).parent / "jars"
    if list(jars.glob(f"delta-spark_*-{version('delta-spark')}.jar")):
        return
    for old in [*jars.glob("delta-spark_*.jar"), *jars.glob("delta-storage-*.jar")]:
        old.unlink()
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = configure_spark_with_delta_pip(builder).getOrCreate()
    fetched = [Path(url.removeprefix("file://")) for url in session.conf.get("spark.jars").split(",")]
    session.stop()
    for jar in sorted(
        fetched, reverse=True
    ):  # org.antlr_..., io.delta_delta-storage..., delta-spark last: it is the mark
        target = jars / jar.name.split("_", maxsplit=1)[1]  # GROUP_ARTIFACT-VERSION.jar
        if not target.exists():
            shutil.copy(jar, target.with_suffix(".part"))
            target.with_suffix(".part").rename(target)


if __name__ == "__main__":
    main()
