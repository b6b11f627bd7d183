"""One run's YAML as typed structs, a file a section; an unknown or wrong key is an error that names its path.

All but artifacts, lake and source has a default, that of a log with times, as the demo's night uses it; the files of
conf/ say what differs. docs/configuration.md lists every key.
"""

from recaug.config.alarms import Alarms, Budget
from recaug.config.base import Strict, twins
from recaug.config.evaluate import POLICY, Evaluate, Fairness, Gate, Policy, Recommend, round_epochs
from recaug.config.generators import TOGETHER, Augment, Entry
from recaug.config.images import Enhancement, ImageClassifier, ImageGAN, Images, ImageSource, ImageVAE
from recaug.config.lake import Lake, Spark
from recaug.config.prepare import WAYS, CoVisitation, Holdout, Negatives, Prepare
from recaug.config.privacy import Privacy
from recaug.config.run import Config, Tracking, convert, load, loads
from recaug.config.search import ClickModel, PrepareSearch, Search
from recaug.config.search_queries import Queries, QueryVAE
from recaug.config.search_ranking import Lexical, Reranker, SearchRanking, TwoTower
from recaug.config.source import Events, Files, Items, Log, Robots, Rule, Source, Users, UsualRows
from recaug.config.sources import Sources
from recaug.config.stream import DeltaArrives, FilesArrive, KafkaArrives, Stream
from recaug.config.studies import (
    ALSGrid,
    Attributes,
    Benchmark,
    CountsGrid,
    ItemEnhancement,
    LearningCurve,
    SimilarItems,
)
from recaug.config.tasks import STAGES, TASKS, parse_stages
from recaug.config.text import parse_date
from recaug.config.training import Optimiser, SASRec, Training

__all__ = [
    "POLICY",
    "STAGES",
    "TASKS",
    "TOGETHER",
    "WAYS",
    "ALSGrid",
    "Alarms",
    "Attributes",
    "Augment",
    "Benchmark",
    "Budget",
    "ClickModel",
    "CoVisitation",
    "Config",
    "CountsGrid",
    "DeltaArrives",
    "Enhancement",
    "Entry",
    "Evaluate",
    "Events",
    "Fairness",
    "Files",
    "FilesArrive",
    "Gate",
    "Holdout",
    "ImageClassifier",
    "ImageGAN",
    "ImageSource",
    "ImageVAE",
    "Images",
    "ItemEnhancement",
    "Items",
    "KafkaArrives",
    "Lake",
    "LearningCurve",
    "Lexical",
    "Log",
    "Negatives",
    "Optimiser",
    "Policy",
    "Prepare",
    "PrepareSearch",
    "Privacy",
    "Queries",
    "QueryVAE",
    "Recommend",
    "Reranker",
    "Robots",
    "Rule",
    "SASRec",
    "Search",
    "SearchRanking",
    "SimilarItems",
    "Source",
    "Sources",
    "Spark",
    "Stream",
    "Strict",
    "Tracking",
    "Training",
    "TwoTower",
    "Users",
    "UsualRows",
    "convert",
    "load",
    "loads",
    "parse_date",
    "parse_stages",
    "round_epochs",
    "twins",
]
