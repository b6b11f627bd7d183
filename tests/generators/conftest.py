"""The small lake of the trainings' tests."""

from tests.training.conftest import toy, train_files

__all__ = ["toy", "train_files"]
