"""One run's YAML as typed structs, a file a section; an unknown or wrong key is an error that names its path.

Every key stands in the shipped files under conf/ with its unit; what runs is what is written.
"""

from recaug.config.base import Strict
from recaug.config.evaluate import POLICY, Evaluate, Gate, Policy, Recommend, round_epochs
from recaug.config.generators import (
    GAN,
    TOGETHER,
    VAE,
    Augment,
    Classic,
    Generator,
    PseudoPrior,
    RareItems,
    Sampling,
)
from recaug.config.prepare import CoVisitation, Holdout, Negatives, Prepare
from recaug.config.run import STAGES, Config, Tracking, load, loads, parse_date
from recaug.config.source import Events, Items, Lake, Robots, Rule, Source, Sources, Spark
from recaug.config.studies import (
    ALSGrid,
    Attributes,
    Benchmark,
    CountsGrid,
    Enhancement,
    ImageClassifier,
    ImageGAN,
    Images,
    ImageSource,
    ImageVAE,
    ItemEnhancement,
    LearningCurve,
)
from recaug.config.training import Optimiser, SASRec, Training

__all__ = [
    "GAN",
    "POLICY",
    "STAGES",
    "TOGETHER",
    "VAE",
    "ALSGrid",
    "Attributes",
    "Augment",
    "Benchmark",
    "Classic",
    "CoVisitation",
    "Config",
    "CountsGrid",
    "Enhancement",
    "Evaluate",
    "Events",
    "Gate",
    "Generator",
    "Holdout",
    "ImageClassifier",
    "ImageGAN",
    "ImageSource",
    "ImageVAE",
    "Images",
    "ItemEnhancement",
    "Items",
    "Lake",
    "LearningCurve",
    "Negatives",
    "Optimiser",
    "Policy",
    "Prepare",
    "PseudoPrior",
    "RareItems",
    "Recommend",
    "Robots",
    "Rule",
    "SASRec",
    "Sampling",
    "Source",
    "Sources",
    "Spark",
    "Strict",
    "Tracking",
    "Training",
    "load",
    "loads",
    "parse_date",
    "round_epochs",
]
