"""Sums of metrics over units, by scorer, slice of units and draw of the bootstrap: all that means and lifts need.

Measured units are rows of unit (a whole number), scorer, a boolean column a slice of the units, and a column a metric
(nan where a unit has no value of it), one row a unit and scorer. Spark adds them up where they lie, so that only sums
come to the driver, and their size does not hang on the units. A value is rounded to a multiple of 1 / SCALE, and sums
are whole numbers: they are the same in whatever order and parts they are added.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from recaug.evaluate.draws import MEANS, MOST, Draws, poisson_weights
from recaug.results import Metric, Slice

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
OVERALL = "overall"  # the slice of all units
SCALE = 2.0**32
LARGEST = 32.0  # value of a metric
UNITS = int(2.0**53 / (MOST * LARGEST * SCALE))  # at once at most, whose sums are exact in doubles
WEIGHTS = 4_000_000  # at once at most, 32 MB
ROWS = 400_000  # of measured units that a task gathers, so that it makes a unit's weights for all its scorers at once
PARTIAL = "scorer string, slice string, sums binary"


class Axes(NamedTuple):
    """What is summed: of which scorers, over all units and which slices of them, which metrics."""

    scorers: tuple[str, ...]
    slices: tuple[Slice, ...]
    metrics: tuple[Metric, ...]


class Drawn(NamedTuple):
    """A metric of some scorers over the units of a slice.

    sums, counts: (scorers, 1 + draws) of the values, in 1 / SCALE, and of the units that have one; the first place
    counts each unit once, each other one as a draw does. seed: of the draws.
    """

    sums: Whole
    counts: Whole
    seed: int

    @property
    def units(self) -> int:
        """Units with a value."""
        return int(self.counts[:, 0].max())

    @property
    def mean(self) -> float:
        """Over scorers and units; nan where no unit has a value."""
        known = self.counts[:, 0].sum()
        return float(self.sums[:, 0].sum() / SCALE / known) if known else np.nan

    @property
    def by_scorer(self) -> Floats:
        """Mean of each scorer over the units: (scorers,)."""
        return _mean(self.sums[:, 0], self.counts[:, 0])

    @property
    def by_draw(self) -> Floats:
        """Mean over the units in each draw: (scorers, draws), nan where a draw has no unit with a value."""
        return _mean(self.sums[:, 1:], self.counts[:, 1:])


def _mean(sums: Whole, counts: Whole) -> Floats:
    return np.divide(sums / SCALE, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over the units of one split, as far as they are added up.

    totals: (slices with OVERALL first, sums and counts, scorers, metrics, 1 + draws), see Drawn.
    """

    axes: Axes
    draws: Draws
    totals: Whole

    @classmethod
    def empty(cls, axes: Axes, draws: Draws = MEANS) -> "Sums":
        """Of no unit."""
        scorers, slices, metrics = map(len, axes)
        return cls(axes, draws, np.zeros((1 + slices, 2, scorers, metrics, 1 + draws.number), np.int64))

    @classmethod
    def of(cls, table: pd.DataFrame, axes: Axes, draws: Draws = MEANS) -> "Sums":
        """Of the units of a table."""
        sums = cls.empty(axes, draws)
        sums.add(table)
        return sums

    def __add__(self, other: "Sums") -> "Sums":
        """Of the units of both, which have none in common."""
        return Sums(self.axes, self.draws, self.totals + other.totals)

    @property
    def slices(self) -> dict[Slice, int]:
        """Units of each slice that has some, the slice of all first."""
        units = self.totals[:, 1, :, :, 0].max(axis=(1, 2), initial=0)
        return {name: int(n) for name, n in zip((OVERALL, *self.axes.slices), units, strict=True) if n}

    def drawn(self, scorers: Sequence[str], metric: Metric, slice_: Slice = OVERALL) -> Drawn:
        """Look up one metric of some scorers over the units of a slice."""
        own = [self.axes.scorers.index(name) for name in scorers]
        sums, counts = self.totals[self._place(slice_)][:, own, self.axes.metrics.index(metric)]
        return Drawn(sums, counts, self.draws.seed)

    def _place(self, slice_: Slice) -> int:
        return (OVERALL, *self.axes.slices).index(slice_)

    def add(self, table: pd.DataFrame) -> None:
        """Add the units of a table, a row a unit and scorer, to these sums.

        Raises ValueError for a scorer that is none of the axes', or a value beyond LARGEST.
        """
        place, units = pd.factorize(table["unit"].to_numpy(np.int64))  # in their order, in which tasks measure them
        ordered, ends = table.iloc[np.argsort(place, kind="stable")], np.append(0, np.bincount(place).cumsum())
        step = min(UNITS, max(1, WEIGHTS // self.totals.shape[-1]))
        for start in range(0, len(units), step):
            self._add(ordered.iloc[ends[start] : ends[min(start + step, len(units))]])

    def _add(self, rows: pd.DataFrame) -> None:
        """Add a few units, whose rows stand together."""
        unit, units = pd.factorize(rows["unit"].to_numpy(np.int64))
        values = self._pivot(rows, unit, len(units))
        used = np.flatnonzero(~np.isnan(values).all(axis=0))
        if not used.size:
            return
        known = ~np.isnan(values[:, used])
        scaled = np.rint(np.where(known, values[:, used], 0.0) * SCALE)
        kinds, kind = np.unique(known, axis=1, return_inverse=True)  # most metrics have a value for the same units
        presence = kinds.astype(np.float64)
        weights = np.ones((len(units), self.totals.shape[-1]))
        weights[:, 1:] = poisson_weights(units, self.draws)
        members = np.ones((len(units), 1 + len(self.axes.slices)), bool)
        members[:, 1:] = rows[[*self.axes.slices]].to_numpy(bool)[np.searchsorted(unit, np.arange(len(units)))]
        totals = self.totals.reshape(*self.totals.shape[:2], -1, self.totals.shape[-1])
        for inside, slices in _parts(members):
            own = weights[inside]
            sums = (scaled[inside].T @ own).astype(np.int64)
            counts = (presence[inside].T @ own).astype(np.int64)[kind.ravel()]
            for place in slices:
                totals[place, 0, used] += sums
                totals[place, 1, used] += counts

    def _pivot(self, rows: pd.DataFrame, unit: Whole, units: int) -> Floats:
        """Values of the rows as (units, scorers x metrics). unit: (rows,) the place of the row's."""
        scorers, _, metrics = self.axes
        scorer = pd.Categorical(rows["scorer"], categories=list(scorers)).codes
        values = rows[[*metrics]].to_numpy(np.float64)
        if (scorer < 0).any():
            raise ValueError(f"scorer {rows['scorer'].to_numpy()[scorer < 0][0]} is none of {', '.join(scorers)}")
        if (np.abs(values) > LARGEST).any():
            raise ValueError(
                f"a metric of {np.nanmax(np.abs(values)):g} is beyond {LARGEST:g}, up to which sums are exact"
            )
        table = np.full((units, len(scorers), len(metrics)), np.nan)
        table[unit, scorer] = values
        return table.reshape(units, -1)

    def rows(self) -> Iterator[pd.DataFrame]:
        """As rows of PARTIAL, a frame each; none where a scorer has no unit in a slice."""
        for name in self.slices:
            for scorer, own in zip(self.axes.scorers, self.totals[self._place(name)].swapaxes(0, 1), strict=True):
                if own[1, :, 0].any():
                    yield pd.DataFrame({"scorer": [scorer], "slice": [name], "sums": [own.tobytes()]})

    def put(self, row: Mapping[str, Any]) -> None:
        """Take in a row of PARTIAL."""
        own = self.totals[self._place(row["slice"]), :, self.axes.scorers.index(row["scorer"])]
        own[:] = np.frombuffer(row["sums"], np.int64).reshape(own.shape)


def _parts(members: NDArray[np.bool_]) -> Iterable[tuple[NDArray[np.bool_], Whole]]:
    """Cut units into parts whose sums make those of the slices: (units,) of a part, and the slices it belongs to.

    members: (units, slices). Units of the same slices are summed once for all of these; where there are more such cells
    than slices, each slice is summed by itself.
    """
    cells, cell = np.unique(members, axis=0, return_inverse=True)
    if len(cells) <= members.shape[1]:
        return [(cell.ravel() == place, np.flatnonzero(own)) for place, own in enumerate(cells)]
    return [(own, np.array([place])) for place, own in enumerate(members.T)]


def sums_of(measured: DataFrame, axes: Axes, draws: Draws = MEANS) -> Sums:
    """Sum measured units in Spark.

    Columns: `measured` needs unit, scorer, and the slices and metrics of the axes.
    """

    def partial(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        sums = Sums.empty(axes, draws)
        for table in _gathered(frames):
            sums.add(table)
        yield from sums.rows()

    columns = ["unit", "scorer", *axes.slices, *(f"`{metric}`" for metric in axes.metrics)]
    partials = measured.select(*columns).mapInPandas(partial, PARTIAL)
    total = Sums.empty(axes, draws)
    for row in partials.groupBy("scorer", "slice").applyInPandas(_added, PARTIAL).collect():
        total.put(row.asDict())
    return total


def _gathered(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Put frames together to some of about ROWS rows."""
    waiting: list[pd.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        if sum(map(len, waiting)) >= ROWS:
            yield pd.concat(waiting, ignore_index=True)
            waiting = []
    if waiting:
        yield pd.concat(waiting, ignore_index=True)


def _added(partials: pd.DataFrame) -> pd.DataFrame:
    """Add the sums of a scorer and slice."""
    total = np.sum([np.frombuffer(sums, np.int64) for sums in partials["sums"]], axis=0)
    return partials.head(1).assign(sums=pd.Series([total.tobytes()], index=partials.index[:1]))
