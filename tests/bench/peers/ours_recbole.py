"""Beside RecBole's sampler: our negatives on Spark with one core, the same users and number of draws."""

import argparse

import beauty
import clock
import numpy as np
import pandas as pd

from recaug import config, session
from recaug.clickstream.negatives import sample_negatives

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--users", type=int, required=True)
parser.add_argument("--per-user", type=int, required=True)
given = parser.parse_args()
users = beauty.users(given.users)
index = {item: place for place, item in enumerate(sorted({item for user in users for item in user.items}), 1)}
seen = [sorted({index[item] for item in user.items}) for user in users]
popularity = np.bincount([index[item] for user in users for item in user.items], minlength=len(index) + 1)[1:]
spark = session.build(config.Spark(master="local[1]", shuffle_partitions=1), "peers", 1)
frame = pd.DataFrame({"user_index": np.arange(len(users), dtype=np.int32), "seen": seen})
rows = spark.createDataFrame(frame, "user_index int, seen array<int>").persist()
rows.count()
for _ in range(2):  # the first is the warm-up
    with clock.Clock() as running:
        drawn = sample_negatives(rows, popularity, 0.75, given.per_user, 1)
        drawn.write.format("noop").mode("overwrite").save()
clock.tell("negatives", "recaug", len(users) * given.per_user, running)
