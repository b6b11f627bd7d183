"""Spark's daemon of Python workers in local mode: each is forked with what it needs imported, and starts at once.

Without it each worker imports torch anew: one a core, and again after a minute without work. CUDA is not touched here.
"""

from importlib import import_module

from pyspark.daemon import manager

NEEDED = ("pandas", "pyarrow", "torch")

if __name__ == "__main__":
    for name in NEEDED:
        import_module(name)
    manager()
