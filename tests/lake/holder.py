"""A process that holds a lake, and writes to it each time that it is given a line."""

import sys

from recaug.config import Spark
from recaug.errors import StorageError
from recaug.lake.lease import hold
from recaug.lake.tables import Lake
from recaug.session import LOCAL, build

if __name__ == "__main__":
    place, seconds = sys.argv[1], float(sys.argv[2])
    java = f"{LOCAL['spark.driver.extraJavaOptions']} -XX:TieredStopAtLevel=1"  # it does next to nothing
    settings = {"spark.driver.memory": "512m", "spark.driver.extraJavaOptions": java}
    lake = Lake(build(Spark(master="local[1]", shuffle_partitions=1, settings=settings), "holder"), place)
    rows = lake.spark.createDataFrame([("mine", "title")], "item_id string, title string")
    names = "categorical map<string,string>, numeric map<string,double>, text string, vectors map<string,array<float>>"
    empty = lake.spark.createDataFrame([], f"{names}, multi_valued map<string,array<string>>")
    with hold(lake, "the night of 2017-01-21", seconds):
        print("holds", flush=True)
        for _ in sys.stdin:
            try:
                lake.replace(rows.join(empty, how="left"), "items", {}, "holder")
                print("wrote", flush=True)
            except StorageError as error:
                print(f"refused: {error}", flush=True)
