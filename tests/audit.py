"""make audit: the pinned and the lowest allowed versions against the known faults of tests/advisories.yaml.

PYTHONPATH=. .venv/bin/python -m tests.audit
"""

import ast
import datetime as dt
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LONG_AGO = dt.timedelta(days=90)  # after which somebody should look for new advisories
Versions = Mapping[str, Version]


class Advisory(msgspec.Struct, forbid_unknown_fields=True):
    """A known fault of a package. See tests/advisories.yaml."""

    package: str
    id: str
    fixed: str
    date: dt.date
    source: str
    follows: str | None = None


class Advisories(msgspec.Struct, forbid_unknown_fields=True):
    """The file. read: when somebody last looked for new ones."""

    read: dt.date
    advisories: list[Advisory]


def advisories() -> Advisories:
    return msgspec.convert(yaml.safe_load((ROOT / "tests" / "advisories.yaml").read_text()), Advisories)


def pinned() -> dict[str, Version]:
    """Package -> version of conf/constraints.txt."""
    lines = (ROOT / "conf" / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def lowest() -> dict[str, Version]:
    """Package -> the lowest version that some requirement of setup.py allows; 0 where it names none."""
    literals = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "setup.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id != "VERSION"
    }
    floors: dict[str, Version] = {}
    for text in [*literals["BASE"], *(text for extra in literals["EXTRAS"].values() for text in extra)]:
        wanted = Requirement(text)
        bounds = [Version(each.version) for each in wanted.specifier if each.operator in (">=", "==")]
        name, floor = canonicalize_name(wanted.name), max(bounds, default=Version("0"))
        floors[name] = min(floors.get(name, floor), floor)
    return floors


def faults(known: Advisories, pins: Versions, floors: Versions) -> list[str]:
    """Say in a line each which fault is pinned, which is allowed and not told, and which is told in vain."""
    wrong = []
    for advisory in known.advisories:
        name, fixed = canonicalize_name(advisory.package), Version(advisory.fixed)
        if name not in pins:
            wrong.append(f"{advisory.id}: {name} is pinned nowhere; remove the entry")
        elif pins[name] < fixed:
            wrong.append(f"{advisory.id}: conf/constraints.txt pins {name} {pins[name]}, {fixed} is the first without")
        allowed = name in floors and floors[name] < fixed
        if allowed and advisory.follows is None:
            wrong.append(f"{advisory.id}: setup.py allows {name} {floors[name]}; make it {fixed}, or say what follows")
        elif not allowed and advisory.follows is not None:
            wrong.append(f"{advisory.id}: setup.py allows no {name} below {fixed}; remove what follows")
    return wrong


def main() -> int:
    """Print what is wrong, and what follows where a runtime ships older versions. Returns 1 if anything is wrong."""
    known = advisories()
    wrong = faults(known, pinned(), lowest())
    print(f"{len(known.advisories)} advisories, read {known.read}, against {len(pinned())} pins: {len(wrong)} wrong")
    if dt.date.today() - known.read > LONG_AGO:
        print(f"warning: nobody has looked for new advisories since {known.read}; look, and set `read`")
    for advisory in known.advisories:
        if advisory.follows is not None:
            print(f"  below {advisory.package} {advisory.fixed} ({advisory.id}): {advisory.follows}")
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
