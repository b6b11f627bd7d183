"""What tables of neighbours say of contexts, added up by item without a row as wide as the catalogue."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

ROWS = 16  # contexts whose neighbours are sorted at once, in the cache

Part = tuple[Tensor, Tensor]  # items and weights, both (batch, n); an item may stand several times, 0 for none


class Entries(NamedTuple):
    """Items of rows, one row after the other, each item once and in ascending order.

    row, item: (n,) int64. values: (n, kinds) float32.
    """

    row: Tensor
    item: Tensor
    values: Tensor

    def by_row(self, values: Tensor, rows: int) -> Tensor:
        """Sum values (n,) by row. Returns (rows,)."""
        return values.new_zeros(rows).index_add_(0, self.row, values)

    def some(self, which: Tensor) -> "Entries":
        """Those of a mask or an index."""
        return Entries(self.row[which], self.item[which], self.values[which])

    def padded(self, values: Tensor, rows: int, fill: float) -> Tensor:
        """Put values (n, ...) into a table of a line a row, in order. Returns (rows, longest, ...)."""
        counts = torch.bincount(self.row, minlength=rows)
        starts = counts.cumsum(0) - counts
        place = torch.arange(len(self.row), device=self.row.device) - starts[self.row]
        table = values.new_full((rows, int(counts.max()) if rows else 0, *values.shape[1:]), fill)
        table[self.row, place] = values
        return table


def add_up(kinds: Sequence[Sequence[Part]], batch: int, stride: int) -> Entries:
    """Add up the weights of each row's items, those of every kind by themselves.

    kinds: of each the parts that it is made of. stride: above every item.
    """
    parts = [_added(kinds, rows, stride) for rows in torch.arange(batch).split(ROWS)]
    row, item, values = (torch.cat(each) for each in zip(*parts, strict=True))
    return Entries(row, item, values)


def _added(kinds: Sequence[Sequence[Part]], rows: Tensor, stride: int) -> Entries:
    keys, weights, kind = (torch.cat(each) for each in zip(*_flat(kinds, rows, stride), strict=True))
    keys, order = keys.sort(stable=True)  # of one dimension: by radix
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    place = first.cumsum(0) - 1
    unique, n = keys[first], len(kinds)
    values = weights.new_zeros(len(unique) * n).index_add_(0, place * n + kind[order], weights[order])
    return Entries(unique // stride, unique % stride, values.view(-1, n))


def _flat(kinds: Sequence[Sequence[Part]], rows: Tensor, stride: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Keys of row and item, weights and the number of the kind, without what weighs nothing."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    for number, parts in enumerate(kinds):
        for items, weights in parts:
            own, weight = items[first:last], weights[first:last]
            keys = own + stride * torch.arange(first, last, device=own.device)[:, None]
            counts = (weight != 0) & (own > 0)
            found = keys[counts]
            yield found, weight[counts], torch.full_like(found, number)
