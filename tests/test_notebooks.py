"""The notebooks run top to bottom, one after the other, the later ones on the night of the first."""

import shutil
from itertools import islice
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ["01_first_night", "02_what_the_generators_learnt", "03_catalogue"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the notebooks and their configuration, so that the tables of a run by hand stay as they are."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("notebooks", "conf"):
        shutil.copytree(ROOT / part, folder / part)
    conf = folder / "conf" / "notebooks.yaml"  # with absolute paths: the Java process stands elsewhere
    conf.write_text(conf.read_text().replace("build/notebooks", f"{folder}/build/notebooks"))
    return folder


# Takes the tests' Java process, which is warm, for a session of the kernel's: session.build finds it running.
ATTACH = """
from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession
SparkContext._ensure_initialized()  # by PYSPARK_GATEWAY_PORT
running = SparkContext._jvm.org.apache.spark.SparkContext.getOrCreate()
java = SparkContext._jvm.JavaSparkContext.fromSparkContext(running)
context = SparkContext(gateway=SparkContext._gateway, jsc=java, conf=SparkConf(_jconf=java.getConf()))
SparkSession(context)
"""


@pytest.fixture(scope="module")
def ran(checkout: Path, spark: SparkSession) -> dict[str, list[NotebookNode]]:
    """Each notebook's cells, run by one kernel, which forgets all names in between."""
    books = {name: nbformat.read(checkout / "notebooks" / f"{name}.ipynb", as_version=4) for name in NOTEBOOKS}
    cells = [cell for book in books.values() for cell in (new_code_cell("%reset -f"), *book.cells)]
    whole = new_notebook(cells=[new_code_cell(ATTACH), *cells])
    java = spark.sparkContext._gateway.java_parameters  # type: ignore[union-attr]
    place = {"metadata": {"path": str(checkout / "notebooks")}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_GATEWAY_PORT", str(java.port))
        patch.setenv("PYSPARK_GATEWAY_SECRET", java.auth_token)
        NotebookClient(whole, kernel_name="python3", timeout=1200, resources=place).execute()
    done = iter(whole.cells[1:])
    return {name: list(islice(done, 1 + len(book.cells)))[1:] for name, book in books.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_top_to_bottom(name: str, ran: dict[str, list[NotebookNode]], checkout: Path) -> None:
    code = [cell for cell in ran[name] if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    made = "item_latents" if name == "03_catalogue" else "candidate_events"
    assert (checkout / "build" / "notebooks" / "lake" / made).is_dir()


def test_every_notebook_is_run() -> None:
    assert [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))] == NOTEBOOKS
