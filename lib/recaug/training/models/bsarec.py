"""BSARec's block: what is slow in a history passes, what is fast is scaled, and self-attention is mixed in."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.training.models.blocks import Attention, Dropout, Rows

FREQUENCIES = 3  # lowest ones that pass, the mean included: c // 2 + 1 of the paper's c = 5
ALPHA = 0.7  # share of the filter beside attention, the paper's on Beauty and Toys


def low_pass(window: int, frequencies: int = FREQUENCIES) -> Tensor:
    """(window, window): the matrix that keeps a row's lowest frequencies, irfft(rfft(x)[:frequencies]).

    It is circulant: an entry depends on the distance of the two events alone, so that events before the first, which
    count as 0, and where in the window a history lies, make no difference, and a shorter row needs but a corner of it.
    Entries of later events are 0, so that every event of a row can predict its next one: for a row's last event, which
    has none, it is the published filter.
    """
    return torch.fft.irfft(torch.fft.rfft(torch.eye(window), dim=0)[:frequencies], n=window, dim=0).tril()


class BSARecBlock(nn.Module):
    """Frequency rescaler beside self-attention, then a GELU layer of four times the width (Shin et al. 2024).

    Each of the three is added to its input and normalised after it.
    """

    norm_first: ClassVar[bool] = False

    def __init__(self, dim: int, heads: int, dropout: float, window: int, distances: int = 0) -> None:
        """window: events of the longest row, over which frequencies are counted. distances: see Attention."""
        super().__init__()
        self.filter_norm, self.attention_norm, self.hidden_norm = (nn.LayerNorm(dim) for _ in range(3))
        self.attention = Attention(dim, heads, distances)
        self.hidden_in, self.hidden_out = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.dropout = Dropout(dropout)
        self.sqrt_beta = nn.Parameter(torch.randn(dim))  # its square scales the high frequencies
        self.low: Tensor
        self.register_buffer("low", low_pass(window), persistent=False)

    def forward(self, x: Tensor, rows: Rows, last: bool = False) -> Tensor:
        """x: (events, dim). last: of each row's last event only, at half the cost. Returns (events or batch, dim)."""
        attention, low = self.attention(x, rows, last), self.low_passed(x, rows, last)
        if last:
            x = x[rows.last]
        filtered = self.filter_norm(x + self.dropout(low + self.sqrt_beta**2 * (x - low)))
        attended = self.attention_norm(x + self.dropout(attention))
        x = ALPHA * filtered + (1 - ALPHA) * attended
        out: Tensor = self.hidden_norm(x + self.dropout(self.hidden_out(F.gelu(self.hidden_in(x)))))
        return out

    def low_passed(self, x: Tensor, rows: Rows, last: bool) -> Tensor:
        """What varies slowly of x. Arguments and shapes as of forward."""
        if last:
            weights = self.low[rows.lengths - 1, None, : rows.length]  # (batch, 1, length)
            return (weights @ rows.padded(x)).squeeze(1)
        low: Tensor = self.low[: rows.length, : rows.length] @ rows.padded(x)
        return low.flatten(0, 1)[rows.places]
