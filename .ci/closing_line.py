"""Prints the one line that a run of the tests closes with, from pytest's JUnit file.

    .ci/closing_line.py build/ci/tests.xml

`12 passed, 0 failed, 1 skipped`; an error counts as failed, and so does a file that is missing or broken,
which is what a test run that died leaves. Exits 1 if anything failed or nothing passed.
"""

import sys
import xml.etree.ElementTree as ET


def closing_line(junit: str) -> tuple[str, bool]:
    """Give the closing line, and whether the run was good."""
    try:
        suites = list(ET.parse(junit).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return "0 passed, 1 failed", False

    def count(what: str) -> int:
        return sum(int(suite.get(what, 0)) for suite in suites)

    failed, skipped = count("failures") + count("errors"), count("skipped")
    passed = count("tests") - failed - skipped
    line = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    return line, passed > 0 and failed == 0


if __name__ == "__main__":
    text, good = closing_line(sys.argv[1])
    print(text)
    sys.exit(0 if good else 1)
