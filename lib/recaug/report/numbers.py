"""How the report writes numbers."""

from recaug.results import Interval


def seconds(value: float) -> str:
    """`48 s`, `3 min 20 s`; the spaces do not break."""
    if value < 60:
        return f"{value:.1f}\u00a0s" if value < 10 else f"{value:.0f}\u00a0s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}\u00a0min\u00a0{rest:02d}\u00a0s"


def percent(share: float, digits: int = 1, sign: bool = False) -> str:
    """`12.3 %`, with its sign where asked."""
    return f"{share * 100:{'+' if sign else ''}.{digits}f}\u00a0%"


def tick(share: float) -> str:
    """A share at an axis, with no more digits than it has: `-2.5 %`, `0 %`, `+5 %`.

    >>> tick(-0.025), tick(0.0), tick(0.05)
    ('-2.5\\xa0%', '0\\xa0%', '+5\\xa0%')
    """
    return f"{round(share * 100, 6):+g}\u00a0%" if share else "0\u00a0%"


def figure(value: float) -> str:
    """A metric with as many digits as say something: `.0812`, `5.21`."""
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def interval(estimate: Interval) -> str:
    """`.0531 [.0508, .0556]`; the mean alone where there is no bound."""
    if estimate.low is None or estimate.high is None:
        return figure(estimate.mean)
    return f"{figure(estimate.mean)} [{figure(estimate.low)}, {figure(estimate.high)}]"


def change(lift: Interval, digits: int = 1) -> str:
    """`+5.6 % [+3.2 %, +8.1 %]`; the mean alone where there is no bound."""
    if lift.low is None or lift.high is None:
        return percent(lift.mean, digits, True)
    return f"{percent(lift.mean, digits, True)} [{percent(lift.low, digits, True)}, {percent(lift.high, digits, True)}]"
