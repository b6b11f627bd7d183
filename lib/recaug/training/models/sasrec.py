"""SASRec: a causal transformer over a user's events that scores the next item."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recaug.training.models.context import initial_bias


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


class Block(nn.Module):
    """Pre-norm transformer block: causal self-attention, then a GELU layer of twice the width.

    Works on the rows' real positions joined end to end; only attention sees them as rows.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.hidden_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query_key_value, self.attention_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.hidden_in, self.hidden_out = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, places: Tensor, batch: int, length: int) -> Tensor:
        """x: (positions, dim); places: (positions,), of each in the flattened (batch, length). Returns x's shape."""
        x = x + self.dropout(self.attend(self.attention_norm(x), places, batch, length))
        return x + self.dropout(self.hidden_out(self.dropout(F.gelu(self.hidden_in(self.hidden_norm(x))))))

    def attend(self, x: Tensor, places: Tensor, batch: int, length: int) -> Tensor:
        """Attention of each position over those before it and itself. Arguments as of forward, x normalised."""
        dim = x.shape[1]
        mixed = self.query_key_value(x)
        rows = mixed.new_zeros(batch * length, 3 * dim).index_copy(0, places, mixed)
        rows = rows.view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = rows.permute(2, 0, 3, 1, 4)  # each (batch, heads, length, dim / heads)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = self.attention_out(attended.transpose(1, 2).reshape(batch * length, dim)[places])
        return out


class LiGRBlock(Block):
    """The same with a learned gate on each residual and SwiGLU for GELU (LiRank, Borisyuk et al. 2024)."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__(dim, heads, dropout)
        self.attention_gate, self.hidden_gate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.hidden_in = nn.Linear(dim, 4 * dim)  # values and their gates

    def forward(self, x: Tensor, places: Tensor, batch: int, length: int) -> Tensor:
        """As of Block."""
        normal = self.attention_norm(x)
        attended = self.attend(normal, places, batch, length)
        x = x + self.dropout(torch.sigmoid(self.attention_gate(normal)) * attended)
        normal = self.hidden_norm(x)
        value, gate = self.hidden_in(normal).chunk(2, dim=1)
        hidden = self.hidden_out(self.dropout(F.silu(gate) * value))
        return x + self.dropout(torch.sigmoid(self.hidden_gate(normal)) * hidden)


LAYERS: dict[str, type[Block]] = {"sasrec": Block, "ligr": LiGRBlock}


class SASRec(nn.Module):
    """Self-attentive sequential recommendation (Kang and McAuley 2018), output weights tied to the items' embedding.

    max_length: events of a training window; the model sees max_length - 1 of them and predicts the next.
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
        layers: str = "sasrec",
        item_features: Tensor | int = 0,
        log_popularity: Tensor | None = None,
        mark_generated: bool = False,
    ) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, dim, padding_idx=0)
        self.positions = nn.Embedding(max_length - 1, dim)
        self.blocks = nn.ModuleList(LAYERS[layers](dim, heads, dropout) for _ in range(blocks))
        self.norm, self.dropout = nn.LayerNorm(dim), Dropout(dropout)
        self.item_bias = nn.Parameter(initial_bias(n_items, log_popularity))
        self.scale = dim**0.5 / 2
        features = item_features if isinstance(item_features, Tensor) else torch.zeros(n_items + 1, item_features)
        self.features: Tensor
        self.register_buffer("features", features, persistent=features.shape[1] > 0)
        self.mark = nn.Parameter(torch.zeros(dim)) if mark_generated else None
        self.project = nn.Linear(features.shape[1], dim, bias=False) if features.shape[1] else None
        nn.init.normal_(self.items.weight, std=0.02)
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
        batch, length = items.shape
        places = (items.flatten() > 0).nonzero().squeeze(1)  # the real positions
        x = self.vectors(items.flatten()[places]) * self.scale + self.positions(places % length)
        if self.mark is not None and generated is not None:
            x = x + generated[places // length, None] * self.mark
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x, places, batch, length)
        x = self.norm(x)
        return x.new_zeros(batch * length, x.shape[1]).index_copy(0, places, x).view(batch, length, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden: (..., dim). Returns (..., n_items + 1)."""
        return F.linear(hidden, self.table(), self.item_bias)

    @torch.no_grad()
    def next_logits(self, items: Tensor) -> Tensor:
        """Logits of the next item after each history; a longer history counts with its last max_length - 1 events.

        items: (batch, length) int64, left-aligned, 0 for padding; an empty history scores by the items' bias.
        Returns (batch, n_items + 1) float32, -inf at padding.
        """
        logits = self.logits(self._last(items)).float()
        logits[:, 0] = -torch.inf
        return logits

    @torch.no_grad()
    def next_scores(self, items: Tensor, listed: Tensor) -> Tensor:
        """As next_logits, of some items only. listed: (batch, n) int64. Returns (batch, n) float32."""
        hidden = self._last(items)
        return (self.vectors(listed) @ hidden[:, :, None]).squeeze(2).float() + self.item_bias[listed]

    def _last(self, items: Tensor) -> Tensor:
        """Hidden state after the last event, (batch, dim); 0 for an empty history."""
        lengths, limit = (items > 0).sum(dim=1), len(self.positions.weight)
        if (longest := int(lengths.max())) > limit:
            start = (lengths - limit).clamp(min=0)[:, None]
            places = start + torch.arange(limit, device=items.device)
            items, lengths = items.gather(1, places.clamp(max=items.shape[1] - 1)), lengths.clamp(max=limit)
        else:
            items = items[:, : max(longest, 1)]
        last = self(items)[torch.arange(len(items), device=items.device), (lengths - 1).clamp(min=0)]
        hidden: Tensor = last * (lengths > 0)[:, None]
        return hidden
