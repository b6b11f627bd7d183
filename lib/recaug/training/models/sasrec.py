"""SASRec: a transformer over a user's events that scores the next item."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.training.models.blocks import Block, Dropout, LiGRBlock, Rows
from recaug.training.models.bsarec import BSARecBlock
from recaug.training.models.context import initial_bias

LAYERS: dict[str, type[Block] | type[BSARecBlock]] = {"sasrec": Block, "ligr": LiGRBlock, "bsarec": BSARecBlock}


class SASRec(nn.Module):
    """Self-attentive sequential recommendation (Kang and McAuley 2018), output weights tied to the items' embedding.

    max_length: events of a training window; the model sees max_length - 1 of them and predicts the next.
    prefixes: a row has one target, that after its last event, from which its positions are counted; else each position
    has one, and they are counted from the first. relative: instead of positions, how far apart two events are.
    log_popularity: (n_items + 1,), what the items' bias starts from. layers: of LAYERS.
    item_features: (n_items + 1, f), what is known of each item, which a learned projection adds to its embedding; or f
    alone, for weights to be loaded. mark_generated: a learned vector is added to each event of a generated history.
    """

    def __init__(
        self,
        n_items: int,
        *,
        dim: int,
        blocks: int,
        heads: int,
        dropout: float,
        max_length: int,
        prefixes: bool = False,
        relative: bool = False,
        layers: str = "sasrec",
        item_features: Tensor | int = 0,
        log_popularity: Tensor | None = None,
        mark_generated: bool = False,
    ) -> None:
        super().__init__()
        kind, self.window = LAYERS[layers], max_length - 1
        self.prefixes, self.norm_first = prefixes, kind.norm_first
        self.items = nn.Embedding(n_items + 1, dim, padding_idx=0)
        self.positions = None if relative else nn.Embedding(self.window, dim)
        distances = self.window if relative else 0
        self.blocks = nn.ModuleList(kind(dim, heads, dropout, self.window, distances) for _ in range(blocks))
        self.norm, self.dropout = nn.LayerNorm(dim), Dropout(dropout)
        self.item_bias = nn.Parameter(initial_bias(n_items, log_popularity))
        self.scale = dim**0.5 / 2
        features = item_features if isinstance(item_features, Tensor) else torch.zeros(n_items + 1, item_features)
        self.features: Tensor
        self.register_buffer("features", features, persistent=features.shape[1] > 0)
        self.mark = nn.Parameter(torch.zeros(dim)) if mark_generated else None
        self.project = nn.Linear(features.shape[1], dim, bias=False) if features.shape[1] else None
        nn.init.normal_(self.items.weight, std=0.02)
        if self.positions is not None:
            nn.init.normal_(self.positions.weight, std=0.02)
        with torch.no_grad():
            self.items.weight[0].zero_()

    def vectors(self, items: Tensor) -> Tensor:
        """Vectors of some items. items: (...) int64. Returns (..., dim), 0 at padding."""
        own: Tensor = self.items(items)
        return own if self.project is None else own + self.project(self.features[items])

    def table(self) -> Tensor:
        """Vectors of the whole catalogue, (n_items + 1, dim)."""
        own = self.items.weight
        return own if self.project is None else own + self.project(self.features)

    def forward(self, items: Tensor, generated: Tensor | None = None) -> Tensor:
        """Hidden state after each event.

        items: (batch, length) int64, left-aligned, 0 for padding, length below max_length. generated: (batch,) bool,
        whether a history is; None: all are real.
        Returns (batch, length, dim), 0 at padding.
        """
        x, rows = self._embedded(items, generated)
        for block in self.blocks:
            x = block(x, rows)
        return rows.padded(self.norm(x) if self.norm_first else x)

    def last(self, items: Tensor, generated: Tensor | None = None) -> Tensor:
        """Hidden state after the last event. Arguments as of forward. Returns (batch, dim), 0 for an empty history."""
        there = (items > 0).any(dim=1).nonzero().squeeze(1)
        x, rows = self._embedded(items[there], None if generated is None else generated[there])
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, rows, last=number == len(self.blocks))
        x = self.norm(x) if self.norm_first else x
        return x.new_zeros(len(items), x.shape[1]).index_copy(0, there, x)

    def _embedded(self, items: Tensor, generated: Tensor | None) -> tuple[Tensor, Rows]:
        """What the first block takes: (events, dim), and how the events lie in rows. items: (batch, length)."""
        length = items.shape[1]
        places = (items.flatten() > 0).nonzero().squeeze(1)  # the real positions
        row, position = places // length, places % length
        lengths = (items > 0).sum(dim=1)
        x = self.vectors(items.flatten()[places]) * self.scale
        if self.positions is not None:
            x = x + self.positions(lengths[row] - 1 - position if self.prefixes else position)
        if self.mark is not None and generated is not None:
            x = x + generated[row, None] * self.mark
        return self.dropout(x if self.norm_first else self.norm(x)), Rows(places, lengths, length)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden: (..., dim). Returns (..., n_items + 1)."""
        return F.linear(hidden, self.table(), self.item_bias)

    @torch.no_grad()
    def next_logits(self, items: Tensor) -> Tensor:
        """Logits of the next item after each history; a longer history counts with its last max_length - 1 events.

        items: (batch, length) int64, left-aligned, 0 for padding; an empty history scores by the items' bias.
        Returns (batch, n_items + 1) float32, -inf at padding.
        """
        logits = self.logits(self.hidden(items)).float()
        logits[:, 0] = -torch.inf
        return logits

    @torch.no_grad()
    def next_scores(self, items: Tensor, listed: Tensor) -> Tensor:
        """As next_logits, of some items only. listed: (batch, n) int64. Returns (batch, n) float32."""
        return self.scored(self.hidden(items), listed)

    @torch.no_grad()
    def scored(self, hidden: Tensor, listed: Tensor) -> Tensor:
        """As next_scores, of hidden: (batch, dim)."""
        return (self.vectors(listed) @ hidden[:, :, None]).squeeze(2).float() + self.item_bias[listed]

    @torch.no_grad()
    def scored_all(self, hidden: Tensor, listed: Tensor) -> Tensor:
        """As scored, of the same items for all. listed: (n,) int64."""
        return F.linear(hidden, self.vectors(listed), self.item_bias[listed]).float()

    @torch.no_grad()
    def keys(self) -> Tensor:
        """Vectors whose inner product with `queries` orders the items as their logits do, (n_items + 1, dim + 1)."""
        bias = self.item_bias - self.item_bias[1:].mean()  # what all have orders nothing
        return torch.cat([self.table(), bias[:, None]], dim=1).float()

    def queries(self, hidden: Tensor) -> Tensor:
        """Ask for items by a history. hidden: (batch, dim). Returns (batch, dim + 1)."""
        return torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1).float()

    @torch.no_grad()
    def hidden(self, items: Tensor) -> Tensor:
        """Hidden state after the last event of histories of any length, (batch, dim); 0 for an empty history."""
        lengths, limit = (items > 0).sum(dim=1), self.window
        if (longest := int(lengths.max())) > limit:
            start = (lengths - limit).clamp(min=0)[:, None]
            places = start + torch.arange(limit, device=items.device)
            items = items.gather(1, places.clamp(max=items.shape[1] - 1))
        return self.last(items[:, : max(longest, 1)])
