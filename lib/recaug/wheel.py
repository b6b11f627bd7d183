"""The wheel's commands (setup.py, entry points): what jobs/ does, where there is no checkout.

A wheel task of Databricks calls the function and takes every return as success, and SystemExit as failure whatever
its code: so these return where all is well, and raise SystemExit with the code where not.
"""

import sys

from recaug import cli


def _end(code: int) -> None:
    if code:
        sys.exit(code)


def nightly() -> None:
    """Run a night, or some stages of it: `recaug-nightly --config FILE --date D [--stages train]`."""
    _end(cli.main())


def init() -> None:
    """Propose a YAML: `recaug-init --events PATH --out FILE`."""
    _end(cli.init())


def stream() -> None:
    """Take events as they arrive: `recaug-stream --config FILE`."""
    _end(cli.stream())


def erase() -> None:
    """Erase users: `recaug-erase --config FILE --users FILE`."""
    _end(cli.forget())


def clean() -> None:
    """Remove what nights past left behind: `recaug-clean --config FILE`."""
    _end(cli.tidy())
