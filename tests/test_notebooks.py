"""The notebooks run top to bottom, the others on the night of the first."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the notebooks and their configuration, so that the tables of a run by hand stay as they are."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("notebooks", "conf"):
        shutil.copytree(ROOT / part, folder / part)
    return folder


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_top_to_bottom(notebook: Path, checkout: Path) -> None:
    book = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        book, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(checkout / "notebooks")}}
    )
    client.execute()
    plots = [
        output
        for cell in book.cells
        for output in cell.get("outputs", ())
        if output.output_type == "display_data" and "image/png" in output.data
    ]
    assert len(plots) >= 3
    made = "item_latents" if notebook.stem == "03_catalogue" else "candidate_events"
    assert (checkout / "build" / "notebooks" / "lake" / made).is_dir()


def test_the_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["01_first_night", "02_what_the_generators_learnt", "03_catalogue"]
