"""Transformer blocks over histories of unlike length, which work on their events joined end to end."""

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Rows(NamedTuple):
    """How events that are joined end to end lie in rows.

    places: (events,) int64, of each in the flattened (batch, length), rows left-aligned; lengths: (batch,) int64.
    """

    places: Tensor
    lengths: Tensor
    length: int

    @property
    def last(self) -> Tensor:
        """(batch,) int64, where among the events each row's last one is; no row may be empty."""
        return self.lengths.cumsum(0) - 1

    def padded(self, x: Tensor) -> Tensor:
        """x: (events, d). Returns (batch, length, d), 0 at padding."""
        batch = len(self.lengths)
        flat = x.new_zeros(batch * self.length, x.shape[1]).index_copy(0, self.places, x)
        return flat.view(batch, self.length, x.shape[1])


class Dropout(nn.Module):
    """Dropout by random bytes, eight from each random number: five times as fast on a CPU as torch's.

    The share is rounded to a multiple of 1/256.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.threshold = round(share * 256)

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape. Returns the same shape, scaled to the same mean."""
        if not self.training or self.threshold == 0:
            return x
        numbers = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        kept = numbers.view(torch.uint8)[: x.numel()].view(x.shape) >= self.threshold
        return x * kept * (256 / (256 - self.threshold))


class Attention(nn.Module):
    """Self-attention of each event over those before it and itself; only here are the events seen as rows.

    by_distance: (distances, heads), of relative positions: what a head adds to a logit by how far back the event lies
        (Raffel et al. 2020, with a number for each distance), wherever in a row the two are.
    """

    def __init__(self, dim: int, heads: int, distances: int = 0) -> None:
        """distances: events of the longest row, where positions are relative; 0: attention does not tell them apart."""
        super().__init__()
        self.heads = heads
        self.query_key_value, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.by_distance = nn.Parameter(torch.zeros(distances, heads)) if distances else None

    def forward(self, x: Tensor, rows: Rows, last: bool) -> Tensor:
        """x: (events, dim). last: of each row's last event only. Returns (events, dim), or (batch, dim)."""
        if not last:
            query, key, value = self._heads(rows.padded(self.query_key_value(x)), 3)
            places = torch.arange(rows.length, device=x.device)
            mask = None if self.by_distance is None else self._mask(places[:, None] - places)
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
            return self._joined(attended, rows.places)
        dim = x.shape[1]
        weights, biases = self.query_key_value.weight, self.query_key_value.bias
        (query,) = self._heads(F.linear(x[rows.last], weights[:dim], biases[:dim])[:, None], 1)
        key, value = self._heads(rows.padded(F.linear(x, weights[dim:], biases[dim:])), 2)
        mask = self._mask((rows.lengths[:, None] - 1 - torch.arange(rows.length, device=x.device))[:, None])
        return self._joined(F.scaled_dot_product_attention(query, key, value, attn_mask=mask), slice(None))

    def _mask(self, distance: Tensor) -> Tensor:
        """What is added to logits. distance: (..., queries, keys), how many events back a key is, below 0 later ones.

        Returns (..., heads, queries, keys), or (..., 1, queries, keys) bool, which keys are seen, alike for every head.
        """
        seen = (distance >= 0)[..., None]
        if self.by_distance is not None:
            seen = torch.where(seen, self.by_distance[distance.clamp(min=0)], -torch.inf)
        return seen.movedim(-1, -3)

    def _heads(self, mixed: Tensor, parts: int) -> Tensor:
        """(batch, length, parts * dim) to (parts, batch, heads, length, dim / heads)."""
        batch, length, width = mixed.shape
        return mixed.view(batch, length, parts, self.heads, width // parts // self.heads).permute(2, 0, 3, 1, 4)

    def _joined(self, attended: Tensor, places: Tensor | slice) -> Tensor:
        """(batch, heads, length, dim / heads) to (events, dim)."""
        out: Tensor = self.out(attended.transpose(1, 2).flatten(0, 1).flatten(1)[places])
        return out


class Block(nn.Module):
    """Pre-norm transformer block: causal self-attention, then a GELU layer of twice the width.

    norm_first: whether a block normalises what it takes, and not what it gives.
    """

    norm_first: ClassVar[bool] = True

    def __init__(self, dim: int, heads: int, dropout: float, window: int, distances: int = 0) -> None:
        """window: events of the longest row. distances: see Attention."""
        super().__init__()
        self.attention_norm, self.hidden_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, distances)
        self.hidden_in, self.hidden_out = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, rows: Rows, last: bool = False) -> Tensor:
        """x: (events, dim). last: of each row's last event only, at half the cost. Returns (events or batch, dim)."""
        normal = self.attention_norm(x)
        attention = self.attention(normal, rows, last)
        if last:
            x, normal = x[rows.last], normal[rows.last]
        return self.hidden(self.attended(x, normal, attention))

    def attended(self, x: Tensor, normal: Tensor, attention: Tensor) -> Tensor:
        """Add the attention to what it was computed from; all of one shape, (n, dim)."""
        return x + self.dropout(attention)

    def hidden(self, x: Tensor) -> Tensor:
        """The layer after the attention. x: (n, dim). Returns its shape."""
        return x + self.dropout(self.hidden_out(self.dropout(F.gelu(self.hidden_in(self.hidden_norm(x))))))


class LiGRBlock(Block):
    """The same with a learned gate on each residual and SwiGLU for GELU (LiRank, Borisyuk et al. 2024)."""

    def __init__(self, dim: int, heads: int, dropout: float, window: int, distances: int = 0) -> None:
        super().__init__(dim, heads, dropout, window, distances)
        self.attention_gate, self.hidden_gate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.hidden_in = nn.Linear(dim, 4 * dim)  # values and their gates

    def attended(self, x: Tensor, normal: Tensor, attention: Tensor) -> Tensor:
        """As of Block."""
        return x + self.dropout(torch.sigmoid(self.attention_gate(normal)) * attention)

    def hidden(self, x: Tensor) -> Tensor:
        """As of Block."""
        normal = self.hidden_norm(x)
        value, gate = self.hidden_in(normal).chunk(2, dim=1)
        hidden = self.hidden_out(self.dropout(F.silu(gate) * value))
        return x + self.dropout(torch.sigmoid(self.hidden_gate(normal)) * hidden)
