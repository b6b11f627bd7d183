"""Numbers as a reader wants them."""

import pytest

from recaug.report import numbers
from recaug.results import Interval


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.seconds(4.25), "4.2 s"),
        (numbers.seconds(48.4), "48 s"),
        (numbers.seconds(119.7), "2 min 00 s"),
        (numbers.percent(0.1234), "12.3 %"),
        (numbers.percent(0.02, 0, sign=True), "+2 %"),
        (numbers.tick(-0.025), "-2.5 %"),
        (numbers.tick(0.0), "0 %"),
        (numbers.tick(0.1 + 0.2), "+30 %"),
        (numbers.figure(0.0812), ".0812"),
        (numbers.figure(-0.5), "-.5000"),
        (numbers.figure(9.126), "9.13"),
        (numbers.interval(Interval(mean=0.0531, low=0.0508, high=0.0556)), ".0531 [.0508, .0556]"),
        (numbers.interval(Interval(mean=0.0531)), ".0531"),
        (numbers.change(Interval(mean=0.056, low=-0.032, high=0.081)), "+5.6 % [-3.2 %, +8.1 %]"),
        (numbers.change(Interval(mean=0.0)), "+0.0 %"),
    ],
)
def test_numbers_are_written_for_a_reader(written: str, expected: str) -> None:
    assert written.replace("\u00a0", " ") == expected
