"""What is trained of a recommender: the next item after each event."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from recaug.training.loop import Batch, ParameterGroup, Update
from recaug.training.models import sasrec, softmax
from recaug.training.targets import next_item_targets, prefixes
from recaug.training.validation import VALIDATION_NDCG


class SASRecTask:
    """Next item at every position, by the full or (where the batch has negatives) the sampled softmax.

    A generated continuation is another next item that could have come: its cross-entropy counts beside the real
    one's with its weight; every weight of a row counts times row_weight.
    """

    def __init__(self, model: sasrec.SASRec, learning_rate: float, watch: Callable[[], float] | None = None) -> None:
        self.model, self.watch = model, watch
        self.module: nn.Module = model
        self.parts: Mapping[str, ParameterGroup] = {"model": ParameterGroup(list(model.parameters()), learning_rate)}

    def updates(self, batch: Batch, share: float, epoch: int) -> Iterator[Update]:
        """One update a batch."""
        hidden, targets, weights = self._positions(batch) if not self.model.prefixes else self._prefixes(batch)
        arguments = (self.model, hidden, targets, weights)
        if "negatives" in batch:
            loss = softmax.sampled_softmax(
                *arguments, negatives=batch["negatives"], log_probability=batch["log_probability"]
            )
        else:
            loss = softmax.full_softmax(*arguments)
        yield Update("model", loss, weights.sum())

    def _positions(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states (positions, dim) of all histories, with targets and weights (positions, T)."""
        inputs, targets, weights = next_item_targets(batch)
        used = (targets > 0).any(dim=2)  # (batch, length)
        return self.model(inputs, batch.get("is_generated"))[used], targets[used], weights[used]

    def _prefixes(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The same, each position as the end of a row of its own, by itself under dropout."""
        cut = prefixes(*next_item_targets(batch), batch.get("is_generated"), self.model.window)
        hidden = [self.model.last(group.items, group.generated) for group in cut]
        return (
            torch.cat(hidden),
            torch.cat([group.targets for group in cut]),
            torch.cat([group.weights for group in cut]),
        )

    def measure(self, epoch: int, last: bool) -> dict[str, float]:
        """The ranking of the users that are watched."""
        return {} if self.watch is None else {VALIDATION_NDCG: self.watch()}
