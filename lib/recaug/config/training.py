"""Sections training and sasrec: how models are trained, and the recommender."""

from typing import Literal

from recaug.config.base import Count, NonNegative, Positive, PositiveFloat, Share, Strict


class Training(Strict, kw_only=True):
    """How every deep model is trained.

    launcher: `horovod` (horovod.spark.run), `torch_distributor` (pyspark.ml), `tasks` (each model alone in a Spark
    task, as many side by side as there are slots), `local` (in this process).
    workers: ranks of a model, each one task slot; 1 for tasks and local.
    timeout_seconds: without progress for so long, the training is ended.
    checkpoint_epochs: a checkpoint every so many epochs.
    warm_epochs: of a generator that goes on from the last night's weights; null: every night trains from nothing, as
        where there is one night alone.
    """

    launcher: Literal["horovod", "torch_distributor", "tasks", "local"] = "horovod"
    workers: Positive = 2
    timeout_seconds: Positive = 120
    checkpoint_epochs: Positive = 5
    warm_epochs: Positive | None = 2


class Optimiser(Strict, kw_only=True):
    """AdamW with warm-up and cosine decay.

    epochs: of a training. batch_rows: sequences a step, over all ranks together. learning_rate: after the warm-up.
    weight_decay: of AdamW. warmup_share: of the steps. clip_norm: of the gradient, at most.
    """

    epochs: Positive = 6
    batch_rows: Positive = 64
    learning_rate: PositiveFloat = 0.001
    weight_decay: NonNegative = 0.0
    warmup_share: Share = 0.1
    clip_norm: PositiveFloat = 1.0


class SASRec(Strict, kw_only=True):
    """Self-attentive sequential recommendation (Kang and McAuley 2018).

    dim: numbers of an item's embedding. blocks: of attention and feed-forward layers. heads: of the attention. dropout:
        chance that a number is left out in a training step.
    layers: `sasrec`, or `ligr`: a learned gate on each residual and a SwiGLU layer (Borisyuk et al. 2024).
    item_features: so many numbers of the catalogue, and the train events' numbers, enter the items' embedding; 0: the
        embedding knows items by their index alone. item_features_from: `catalogue`, singular values of its terms;
        `completed`, of the terms with what jobs/complete_attributes.py filled in; `latents`, of where its VAE puts the
        items. Either only where that job's gate found that it helps; else the catalogue as it is, or nothing.
    mark_generated: a learned vector tells the model in training that a history is generated; lists are made without it.
    full_softmax_items: catalogues up to this size use the full softmax, larger ones the sampled softmax with the
        Spark negatives and the correction by their probability.
    """

    layers: Literal["sasrec", "ligr"] = "sasrec"
    dim: Positive = 64
    blocks: Positive = 2
    heads: Positive = 2
    dropout: Share = 0.3
    item_features: Count = 0
    item_features_from: Literal["catalogue", "completed", "latents"] = "catalogue"
    mark_generated: bool = False
    full_softmax_items: Count = 2000
    optimiser: Optimiser = Optimiser()

    def __post_init__(self) -> None:
        """Check that each head has as many numbers."""
        if self.dim % self.heads:
            raise ValueError(f"sasrec.dim {self.dim} is no multiple of sasrec.heads {self.heads}")
