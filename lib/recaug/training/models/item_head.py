"""The last layer of a generator of behaviour: logits over the catalogue, from what is learnt and what is counted."""

import torch
from torch import Tensor, nn

from recaug.training.models.context import initial_bias
from recaug.training.models.covisitation import CoVisitation, Informed, ItemLikeness


class ItemHead(nn.Module):
    """A linear layer over the catalogue that starts near zero: it adds what differs from the popularity or the counts.

    covisitation: if given, the logits are informed by its score of the context, and by likeness if that is given, too.
    log_popularity: (n_items + 1,), what the bias, or the informed term, starts from.
    """

    def __init__(
        self,
        n_items: int,
        hidden: int,
        covisitation: CoVisitation | None = None,
        likeness: ItemLikeness | None = None,
        log_popularity: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.output = nn.Linear(hidden, n_items + 1)
        bias = initial_bias(n_items, log_popularity)
        self.informed = Informed(covisitation, bias, likeness) if covisitation is not None else None
        with torch.no_grad():
            self.output.weight.mul_(0.1)
            self.output.bias.copy_(bias if covisitation is None else torch.zeros_like(bias))

    def counted(self, context: Tensor, history: Tensor | None = None) -> Tensor | float:
        """What is counted of the context, to be added to the logits: (batch, n_items + 1), or 0 if it is not informed.

        context, history: (batch, length), see CoVisitation.
        """
        return self.informed(context, history) if self.informed is not None else 0.0

    def forward(self, hidden: Tensor, counted: Tensor | float) -> Tensor:
        """hidden: (batch, hidden). Returns logits (batch, n_items + 1), -inf at padding."""
        logits: Tensor = self.output(hidden).float() + counted
        padding = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        padding[0] = True
        return logits.masked_fill(padding, -torch.inf)


def relative_likelihood(generated: Tensor, logits: Tensor) -> Tensor:
    """Likelihood of each generated item over that of the likeliest one.

    generated: (batch, n), drawn from logits: (batch, n_items + 1). Returns (batch, n) in 0 to 1.
    """
    return torch.exp(logits.gather(1, generated) - logits.max(dim=1, keepdim=True).values)
