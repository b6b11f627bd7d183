"""What a stage costs: its processes by kind, and what its tasks wrote for others."""

from recaug.night.cost import Cost


def test_a_shuffle_is_counted_once_and_memory_is_told_by_kind_of_process(spark):
    with Cost(spark) as first:
        spark.range(200_000, numPartitions=4).repartition(3, "id").agg({"id": "sum"}).collect()
        spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()
    with Cost(spark) as second:
        spark.range(10).collect()
    assert first.shuffle_mb > 0.1
    assert second.shuffle_mb < first.shuffle_mb / 10
    assert {"driver", "java"} <= set(first.memory_mb)
    assert first.peak_memory_mb == max(first.memory_mb.values())
