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


def add_up(kinds: Sequence[Sequence[Part]], stride: int, least: Tensor | None = None) -> Entries:
    """Add up the weights of each row's items, those of every kind by themselves, and keep the items that have any.

    In a table as wide as the items that stand in any row: rows that are near each other share most of them.
    kinds: of each the parts that it is made of. stride: above every item. least: (rows, 1), up to which sums of the
    first kind are 0. The weights of padding are left out.
    """
    rows = len(kinds[0][0][0])
    stands = torch.zeros(stride, dtype=torch.bool, device=kinds[0][0][0].device)
    for items in (items for parts in kinds for items, _ in parts):
        stands.index_fill_(0, items.flatten(), True)
    stands[0] = False
    listed = stands.nonzero().squeeze(1)
    columns = torch.empty(stride, dtype=torch.int64, device=listed.device)  # of items that stand there, and padding
    columns[0] = 0
    columns[listed] = torch.arange(1, len(listed) + 1, device=listed.device)
    sums = kinds[0][0][1].new_zeros(len(kinds), rows, len(listed) + 1)
    for table, parts in zip(sums, kinds, strict=True):
        for items, weights in parts:
            table.scatter_add_(1, columns[items], weights)
    if least is not None:
        sums[0].masked_fill_(sums[0] <= least, 0.0)
    sums[:, :, 0] = 0
    found = (sums != 0).any(dim=0).flatten().nonzero().squeeze(1)
    width = sums.shape[2]
    row = torch.div(found, width, rounding_mode="floor")
    item = listed.index_select(0, found - row * width - 1)
    return Entries(torch.bincount(row, minlength=rows), item, sums.flatten(1).index_select(1, found))


def joined(parts: Sequence[Entries]) -> Entries:
    """The rows of each after those of the one before."""
    counts, item, values = zip(*parts, strict=True)
    return Entries(torch.cat(counts), torch.cat(item), torch.cat(values, dim=1))
