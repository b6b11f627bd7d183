"""The notebooks run top to bottom, one after the other, the later ones on the night of the first."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import nbformat
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from pyspark.sql import SparkSession
from tests.conftest import merged
from traitlets.config import Config

ROOT = Path(__file__).parents[1]
MADE = {  # a table of each
    "01_look_at_your_log": "sequences",
    "02_train_and_look_at_rows": "candidate_events",
    "03_read_a_verdict": "recommendations",
    "04_catalogue": "item_latents",
}
NOTEBOOKS = [*MADE]


class Shell(InteractiveShell):
    """IPython as a kernel has it: its figures go inline."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Need no window."""


class Ran(NamedTuple):
    """What a cell came to. error: that it raised; shown: by type of content, what it displayed."""

    error: BaseException | None
    shown: list[dict[str, Any]]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, thin_source: Path) -> Path:
    """A folder with the notebooks and their configuration, so that the tables of a run by hand stay as they are.

    They read the same log of fewer households.
    """
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("notebooks", "conf"):
        shutil.copytree(ROOT / part, folder / part)
    conf, made = folder / "conf" / "notebooks.yaml", folder / "build" / "notebooks"
    source = {
        "events": {"path": str(thin_source)},
        "items": {"path": str(thin_source.with_name("products.parquet"))},
    }
    # in full, for Java's own working folder is that of the tests
    places = {"artifacts": str(made / "artifacts"), "lake": {"path": str(made / "lake")}}
    changes = {"source": source, "prepare": {"user_share": 1.0}}
    conf.write_text(yaml.safe_dump(merged(yaml.safe_load(conf.read_text()), changes | places)))
    return folder


@pytest.fixture(scope="module")
def shell(checkout: Path, spark: SparkSession) -> Iterator[Shell]:
    """Notebooks find the tests' session, which is then as it was."""
    partitions, backend = spark.conf.get("spark.sql.shuffle.partitions"), plt.get_backend()
    with contextlib.chdir(checkout / "notebooks"), plt.rc_context():
        shell = Shell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        shell.run_line_magic("matplotlib", "inline")
        yield shell
    shell.restore_sys_module_state()  # such as __main__, by which processes that are started later find their code
    Shell.clear_instance()
    plt.switch_backend(backend)
    spark.conf.set("spark.sql.shuffle.partitions", partitions)


@pytest.fixture(scope="module")
def ran(shell: Shell, checkout: Path) -> dict[str, list[Ran]]:
    """What each notebook's cells came to, in turn; no name is left from one to the next."""
    found = {}
    for name in NOTEBOOKS:
        shell.reset(new_session=False)
        cells = nbformat.read(checkout / "notebooks" / f"{name}.ipynb", as_version=4).cells
        found[name] = [came_to(shell, cell.source) for cell in cells if cell.cell_type == "code"]
    return found


def came_to(shell: Shell, source: str) -> Ran:
    """Run a cell."""
    with capture_output() as captured:
        done = shell.run_cell(source)
    return Ran(done.error_before_exec or done.error_in_exec, [output.data for output in captured.outputs])


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_top_to_bottom(name: str, ran: dict[str, list[Ran]], checkout: Path) -> None:
    assert [cell.error for cell in ran[name] if cell.error is not None] == []
    assert sum("image/png" in shown for cell in ran[name] for shown in cell.shown) >= 3
    assert (checkout / "build" / "notebooks" / "lake" / MADE[name]).is_dir()


def test_every_notebook_is_run() -> None:
    assert [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))] == NOTEBOOKS
