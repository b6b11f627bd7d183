"""Sections training and sasrec: how models are trained, and the recommender."""

from typing import Literal

from recaug.config.base import Count, NonNegative, Positive, PositiveFloat, Share, Strict


class Training(Strict, kw_only=True):
    """How every deep model is trained.

    launcher: `horovod` (horovod.spark.run), `torch_distributor` (pyspark.ml), `tasks` (each model alone in a Spark
        task, as many side by side as there are slots), `local` (in this process); null: horovod where it is installed,
        else torch_distributor.
    reader: of the rows, `petastorm` or `arrow` (pyarrow alone); null: petastorm where it is installed.
    workers: ranks of a model, each one task slot; 1 for tasks and local.
    timeout_seconds: without progress for so long, the training is ended.
    checkpoint_epochs: a checkpoint every so many epochs.
    warm_epochs: of a generator that goes on from the last night's weights; null: every night trains from nothing, as
        where there is one night alone.
    """

    launcher: Literal["horovod", "torch_distributor", "tasks", "local"] | None = None
    reader: Literal["petastorm", "arrow"] | None = None
    workers: Positive = 2
    timeout_seconds: Positive = 120
    checkpoint_epochs: Positive = 5
    warm_epochs: Positive | None = 2


class Optimiser(Strict, kw_only=True):
    """AdamW with warm-up and cosine decay.

    epochs: of a training, at most. patience: so many epochs without a better one on validation end it; null: none do.
    batch_rows: sequences a step, over all ranks together. learning_rate: after the warm-up. weight_decay: of AdamW.
    warmup_share: of the steps. clip_norm: of the gradient, at most.
    """

    epochs: Positive = 6
    patience: Positive | None = None
    batch_rows: Positive = 64
    learning_rate: PositiveFloat = 0.001
    weight_decay: NonNegative = 0.0
    warmup_share: Share = 0.1
    clip_norm: PositiveFloat = 1.0


class SASRecOptimiser(Optimiser, kw_only=True):
    """As on Beauty and Toys, with an end where nothing gets better."""

    epochs: Positive = 24
    patience: Positive | None = 8
    learning_rate: PositiveFloat = 0.003


class SASRec(Strict, kw_only=True):
    """Self-attentive sequential recommendation (Kang and McAuley 2018), by default with BSARec's layers.

    dim: numbers of an item's embedding. blocks: of attention and feed-forward layers. heads: of the attention. dropout:
        chance that a number is left out in a training step.
    layers: `sasrec`; `ligr`: a learned gate on each residual and a SwiGLU layer (Borisyuk et al. 2024); `bsarec`: a
        low-pass filter beside attention (Shin et al. 2024), here of earlier events alone.
    positions: `absolute`, a vector for each place; `relative`, a number for how far back an event lies, wherever in a
        history the two are (Raffel et al. 2020).
    prefix_events: each prefix of a history is a training row of its own, of which so many last events are seen,
        counted from the target; 0: a history is one row, whose positions predict all at once.
    item_features: so many numbers of the catalogue, and the train events' numbers, enter the items' embedding; 0: the
        embedding knows items by their index alone. item_features_from: `catalogue`, singular values of its terms;
        `completed`, of the terms with what jobs/complete_attributes.py filled in; `latents`, of where its VAE puts the
        items. Either only where that job's gate found that it helps; else the catalogue as it is, or nothing.
    mark_generated: a learned vector tells the model in training that a history is generated; lists are made without it.
    full_softmax_items: catalogues up to this size use the full softmax, larger ones the sampled softmax with the
        Spark negatives and the correction by their probability.
    """

    layers: Literal["sasrec", "ligr", "bsarec"] = "bsarec"
    positions: Literal["absolute", "relative"] = "relative"
    prefix_events: Count = 0
    dim: Positive = 64
    blocks: Positive = 2
    heads: Positive = 1
    dropout: Share = 0.5
    item_features: Count = 0
    item_features_from: Literal["catalogue", "completed", "latents"] = "catalogue"
    mark_generated: bool = False
    full_softmax_items: Count = 20_000
    optimiser: SASRecOptimiser = SASRecOptimiser()

    def __post_init__(self) -> None:
        """Check that each head has as many numbers."""
        if self.dim % self.heads:
            raise ValueError(f"sasrec.dim {self.dim} is no multiple of sasrec.heads {self.heads}")
