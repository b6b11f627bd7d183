"""Nightly sample augmentation for a shop's recommender, on Spark, Delta and Horovod."""

__version__ = "0.1.0"
