"""The house: imports run downwards, and files, functions and arguments stay small."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LIB = Path(__file__).parents[1] / "lib" / "recaug"
FILES = sorted(LIB.rglob("*.py"))
FLOORS = (
    {"__init__", "results", "errors", "exits", "classes", "causes", "config", "workers"},
    {"session", "lake", "clickstream", "training"},
    {"generators", "augment", "recommend", "propose"},
    {"evaluate"},
    {"report"},
    {"night", "studies", "stream"},
    {"cli"},
    {"wheel"},
)


# A stage, an experiment or a query from top to bottom, which cutting would only spread.
ONE_PASS = {
    "completion._complete",
    "completion.summary",
    "covisitation._pairs",
    "fidelity.collapse",
    "items.catalogue",
    "pictures._images",
    "policy.halve",
    "tables.replace",
    "trial.run_trial",
}


def floor(room: str) -> int:
    """The floor that a module or folder of the package is on, from the ground up."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imported(file: Path) -> Iterator[str]:
    """The rooms of the package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"recaug.{name.name}" for name in node.names] if node.module == "recaug" else [node.module]
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        else:
            continue
        yield from (parts[1] for name in names if (parts := name.split("."))[0] == "recaug" and len(parts) > 1)


def room_of(file: Path) -> str:
    return file.relative_to(LIB).parts[0].removesuffix(".py")


def functions(file: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(LIB)))
def test_imports_run_downwards(file):
    room = room_of(file)
    above = {other for other in imported(file) if floor(other) > floor(room)}
    assert not above, f"{file.relative_to(LIB)} is below {', '.join(sorted(above))}, which it imports"


def test_models_know_torch_and_the_fields_of_an_item_alone():
    knows = {other for file in (LIB / "training" / "models").glob("*.py") for other in imported(file)}
    assert knows <= {"training", "clickstream"}


def test_only_a_launcher_knows_horovod_only_a_reader_petastorm_only_the_store_a_file_system():
    for package, room in (("horovod", "training/launchers/horovod.py"), ("petastorm", "training/readers/petastorm.py")):
        knows = {str(file.relative_to(LIB)) for file in FILES if f"import {package}" in file.read_text()}
        knows |= {str(file.relative_to(LIB)) for file in FILES if f"from {package}" in file.read_text()}
        assert knows == {room}


def test_every_training_reads_by_the_reader_that_the_yaml_names():
    calls = [
        (file, call)
        for file in FILES
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", None) == "row_batches"
    ]
    assert len(calls) >= 7
    without = {file.name for file, call in calls if "reader" not in {keyword.arg for keyword in call.keywords}}
    assert not without


def test_files_and_functions_fit_a_screen_or_two():
    long_files = {str(file.relative_to(LIB)) for file in FILES if len(file.read_text().splitlines()) > 250}
    assert not long_files
    long = {f"{file.stem}.{node.name}" for file in FILES for node in functions(file) if _lines(node) > 40}
    assert long <= ONE_PASS


def _lines(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
