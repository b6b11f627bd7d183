"""The notebooks run top to bottom, one after the other, the later ones on the night of the first."""

import shutil
from itertools import islice
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from tests.conftest import SMALL_PLANS, merged

ROOT = Path(__file__).parents[1]
MADE = {  # a table of each
    "01_look_at_your_log": "sequences",
    "02_train_and_look_at_rows": "candidate_events",
    "03_read_a_verdict": "recommendations",
    "04_catalogue": "item_latents",
}
NOTEBOOKS = [*MADE]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, thin_source: Path) -> Path:
    """A folder with the notebooks and their configuration, so that the tables of a run by hand stay as they are.

    They read the same log of fewer households, with the settings of the tests' own session.
    """
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("notebooks", "conf"):
        shutil.copytree(ROOT / part, folder / part)
    conf = folder / "conf" / "notebooks.yaml"
    source = {
        "events": {"path": str(thin_source)},
        "items": {"path": str(thin_source.with_name("products.parquet"))},
    }
    changes = {"spark": {"settings": SMALL_PLANS}, "source": source, "prepare": {"user_share": 1.0}}
    conf.write_text(yaml.safe_dump(merged(yaml.safe_load(conf.read_text()), changes)))
    return folder


@pytest.fixture(scope="module")
def ran(checkout: Path) -> dict[str, list[NotebookNode]]:
    """Each notebook's cells, run by one kernel, which forgets all names in between: so they share a Java process."""
    books = {name: nbformat.read(checkout / "notebooks" / f"{name}.ipynb", as_version=4) for name in NOTEBOOKS}
    cells = [cell for book in books.values() for cell in (new_code_cell("%reset -f"), *book.cells)]
    place = {"metadata": {"path": str(checkout / "notebooks")}}
    whole = new_notebook(cells=cells)
    NotebookClient(whole, kernel_name="python3", timeout=1200, resources=place).execute()
    done = iter(whole.cells)
    return {name: list(islice(done, 1 + len(book.cells)))[1:] for name, book in books.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_top_to_bottom(name: str, ran: dict[str, list[NotebookNode]], checkout: Path) -> None:
    code = [cell for cell in ran[name] if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    assert (checkout / "build" / "notebooks" / "lake" / MADE[name]).is_dir()


def test_every_notebook_is_run() -> None:
    assert [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))] == NOTEBOOKS
