"""What tables of neighbours say of contexts, added up by item without a row as wide as the catalogue."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Part = tuple[Tensor, Tensor]  # items and weights, both (batch, n); an item may stand several times, 0 for none


class Entries(NamedTuple):
    """Items of rows, one row after the other, each item once and in ascending order.

    counts: (rows,) int64, items of each row. item: (n,) int64. values: (kinds, n) float32.
    """

    counts: Tensor
    item: Tensor
    values: Tensor

    @property
    def row(self) -> Tensor:
        """The row of each item, (n,) int64."""
        rows = torch.arange(len(self.counts), device=self.item.device)
        return rows.repeat_interleave(self.counts, output_size=len(self.item))

    def some(self, which: Tensor) -> "Entries":
        """Those of a mask."""
        places = which.nonzero().squeeze(1)
        counts = torch.bincount(self.row.index_select(0, places), minlength=len(self.counts))
        return Entries(counts, self.item.index_select(0, places), self.values.index_select(1, places))

    def sums(self, values: Tensor) -> Tensor:
        """Sum values (n,) by row and give each item its row's. Returns (n,)."""
        sums = torch.segment_reduce(values, "sum", lengths=self.counts)
        return sums.repeat_interleave(self.counts, output_size=len(values))

    def among(self, places: Tensor, n: int) -> Tensor:
        """Which of n places the items of each row have. places: of every item, -1 for none. Returns (rows, n) bool."""
        place = places.index_select(0, self.item)
        there = place >= 0
        found = torch.zeros(len(self.counts), n, dtype=torch.bool, device=places.device)
        found[self.row.masked_select(there), place.masked_select(there).long()] = True
        return found

    def padded(self, values: Tensor, fill: float) -> Tensor:
        """Put values (n,) into a table of a line a row, in order. Returns (rows, longest)."""
        longest, starts = int(self.counts.max()), self.counts.cumsum(0) - self.counts
        shift = torch.arange(len(starts), device=starts.device) * longest - starts
        places = shift.repeat_interleave(self.counts, output_size=len(values))
        places += torch.arange(len(values), device=starts.device)
        table = values.new_full((len(starts) * longest,), fill)
        return table.scatter_(0, places, values).view(len(starts), longest)


def add_up(kinds: Sequence[Sequence[Part]], stride: int) -> Entries:
    """Add up the weights of each row's items, those of every kind by themselves, in double precision.

    kinds: of each the parts that it is made of. stride: above every item. The weights of padding are left out.
    """
    rows, sizes = len(kinds[0][0][0]), [sum(weight.numel() for _, weight in parts) for parts in kinds]
    narrow = torch.int32 if rows * stride < 2**31 else torch.int64  # sorts twice as fast
    items, weights = zip(*(part for parts in kinds for part in parts), strict=True)
    starts = torch.arange(0, rows * stride + 1, stride, dtype=narrow, device=items[0].device)
    keys, order = torch.cat([(each.to(narrow) + starts[:-1, None]).flatten() for each in items]).sort()  # by radix
    ordered = torch.cat([weight.flatten() for weight in weights]).index_select(0, order)
    unique, times = keys.unique_consecutive(return_counts=True)
    ends = times.cumsum(0) - 1
    values = torch.stack([_differences(own, ends) for own in _of_kinds(ordered, order, sizes)])
    counts = torch.searchsorted(unique, starts).diff()
    item = unique.long() - starts[:-1].long().repeat_interleave(counts, output_size=len(unique))
    found = Entries(counts, item, values)
    there = item > 0
    return found if bool(there.all()) else found.some(there)


def joined(parts: Sequence[Entries]) -> Entries:
    """The rows of each after those of the one before."""
    counts, item, values = zip(*parts, strict=True)
    return Entries(torch.cat(counts), torch.cat(item), torch.cat(values, dim=1))


def _of_kinds(ordered: Tensor, order: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """The weights of each kind, 0 where another kind's lie. sizes: of the kinds, one after the other."""
    if len(sizes) == 1:
        return [ordered]
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [
        torch.where((order < end) & (order >= end - size), ordered, 0.0) for end, size in zip(ends, sizes, strict=True)
    ]


def _differences(weights: Tensor, ends: Tensor) -> Tensor:
    """Sums up to and with each of ends, from the one before."""
    cumulated = weights.cumsum(0, dtype=torch.float64).index_select(0, ends)
    return torch.diff(cumulated, prepend=cumulated.new_zeros(1)).float()
