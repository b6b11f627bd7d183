"""What is known of the items that users had together with one."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from recaug.clickstream.attributes import Field
from recaug.training.models.item_fields import told_by_neighbours


class Neighbourhood(nn.Module):
    """What is known of the items that users had together with one.

    tables: pairs of neighbours (n_items + 1, M) int64, 0 for none, and weights (n_items + 1, M) float32, each a way of
    being near. vectors: (n_items + 1, d) float32, where an item lies among the others. codes: (n_items + 1, columns)
    int64, every item's known values of the categorical and multi-valued fields, those of all counted on: 0 for none.
    """

    neighbours: Tensor
    weights: Tensor
    vectors: Tensor
    codes: Tensor

    def __init__(
        self, neighbours: Tensor, weights: Tensor, vectors: Tensor, codes: Tensor, fields: Sequence[Field]
    ) -> None:
        super().__init__()
        self.widths, self.sizes = [field.width for field in fields], [field.size for field in fields]
        for name, table in {"neighbours": neighbours, "weights": weights, "vectors": vectors, "codes": codes}.items():
            self.register_buffer(name, table)

    def forward(self, items: Tensor) -> tuple[list[Tensor], Tensor]:
        """How frequent each value of each field is among an item's neighbours; those without the field do not count.

        items: (batch,).
        Returns the shares, a field each (batch, tables, size), 0 where no neighbour has the field; and the summed
        weight of the neighbours that have it, (batch, tables, fields).
        """
        near = self.neighbours[items]  # (batch, tables, M)
        codes, weights = self.codes[near], self.weights[items]  # (batch, tables, M, columns), (batch, tables, M)
        counts = weights.new_zeros(*near.shape[:2], 1 + sum(self.sizes))
        counts.scatter_add_(2, codes.flatten(2), weights[..., None].expand(codes.shape).flatten(2))
        present = [(part > 0).any(dim=3) for part in codes.split(self.widths, dim=3)] if self.widths else []
        known = [(weights * any_).sum(dim=2) for any_ in present]
        parts = counts[:, :, 1:].split(self.sizes, dim=2) if self.sizes else ()
        shares = [part / weight.clamp(min=1e-9)[..., None] for part, weight in zip(parts, known, strict=True)]
        return shares, torch.stack(known, dim=2) if known else weights.new_zeros(*near.shape[:2], 0)


def empty_neighbourhood(fields: Sequence[Field], shape: Mapping[str, int]) -> Neighbourhood:
    """A neighbourhood whose tables are still to be loaded. shape: n_items, tables, neighbours, dim."""
    counted = told_by_neighbours(fields)
    rows, columns = shape["n_items"] + 1, sum(field.width for field in counted)
    return Neighbourhood(
        torch.zeros(rows, shape["tables"], shape["neighbours"], dtype=torch.int64),
        torch.zeros(rows, shape["tables"], shape["neighbours"]),
        torch.zeros(rows, shape["dim"]),
        torch.zeros(rows, columns, dtype=torch.int64),
        counted,
    )
