"""How a generator does while it trains: ranking on held-out users, and how varied its samples are."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from recaug.training.inputs import Validation
from recaug.training.models.scores import Scores

BATCH_ROWS = 256
COLLAPSE_CONTEXTS = 1024
VALIDATION_NDCG = "validation_ndcg@10"  # of an epoch, of users of the fold that is left out
COLLAPSE_SAMPLES = 5


class Samples(Protocol):
    """A generator's network."""

    def next_logits(self, items: Tensor, generator: torch.Generator | None = None, /) -> Tensor:
        """Logits of the next item of each context, with noise, or without any where no generator is given."""
        ...

    def scores(self, items: Tensor, generator: torch.Generator, /) -> Scores:
        """What may come next of each context, and how likely, with noise."""
        ...


def ndcg_at_k(logits: Tensor, targets: Tensor, n_targets: Tensor, k: int = 10) -> Tensor:
    """NDCG@k over the whole catalogue: sum of 1 / log2(rank + 1) at hits, over the best that n_targets allow.

    logits: (users, n_items + 1), -inf where not to be recommended; targets: (users, longest) distinct, 0 for
    padding and items outside the vocabulary; n_targets: (users,), with those. Returns (users,).
    """
    best = logits.topk(min(k, logits.shape[1]), dim=1).indices
    discount = 1 / torch.log2(torch.arange(2, best.shape[1] + 2, device=logits.device))
    hits = ((best[:, :, None] == targets[:, None, :]) & (targets > 0)[:, None, :]).any(dim=2)
    ideal = discount.cumsum(0)[n_targets.clamp(min=1, max=best.shape[1]) - 1]
    return (hits * discount).sum(dim=1) / ideal


def validation_ndcg(
    next_logits: Callable[[Tensor], Tensor], sample: Validation, mask_seen: bool, device: torch.device
) -> float:
    """Mean NDCG@10 of the sampled validation users. next_logits: a model's, without noise. mask_seen: for discovery."""
    total = 0.0
    for start in range(0, len(sample.histories), BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        ranked = (sample.histories, sample.targets, sample.n_targets)
        histories, targets, n_targets = (values[part].to(device) for values in ranked)
        logits = next_logits(histories)
        if mask_seen:
            first, last = torch.searchsorted(sample.seen[0], torch.tensor([start, start + BATCH_ROWS])).tolist()
            users, items = sample.seen[:, first:last].to(device)
            logits = logits.index_put((users - start, items), logits.new_tensor(-torch.inf))
        total += float(ndcg_at_k(logits, targets, n_targets).sum())
    return total / max(len(sample.histories), 1)


def sample_diversity(model: Samples, contexts: Tensor, seed: int, device: torch.device) -> dict[str, float]:
    """How varied five sampled next items of each context are.

    contexts: (users, length) left-aligned; the first 1,024 count. Returns `distinct_items`, `entropy` (nats, of the
    samples' distribution over items) and `duplicates` (share of contexts whose five items another context has too).
    """
    noise = torch.Generator().manual_seed(seed)
    drawn = []
    for start in range(0, min(len(contexts), COLLAPSE_CONTEXTS), BATCH_ROWS):
        scores = model.scores(contexts[start : start + BATCH_ROWS].to(device), noise)
        drawn.append(scores.sample(COLLAPSE_SAMPLES, noise))
    if not drawn:
        return {}
    samples = torch.cat(drawn)
    counts = samples.unique(return_counts=True)[1].double()
    shares = counts / counts.sum()
    same = samples.sort(dim=1).values.unique(dim=0, return_counts=True)[1]
    return {
        "distinct_items": float(len(counts)),
        "entropy": float(-(shares * shares.log()).sum()),
        "duplicates": float(same[same > 1].sum()) / len(samples),
    }
