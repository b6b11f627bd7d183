"""PySpark: ingest, cleaning, sessions, items, splits, sequences, co-visitation, negatives."""
