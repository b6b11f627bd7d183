"""One rank in this process."""

from collections.abc import Mapping
from typing import Any

import torch
from pyspark.sql import SparkSession

from recaug.config import Training
from recaug.errors import RecaugError
from recaug.training.launchers.outcome import RankFunction, failure, training_error
from recaug.training.launchers.watch import Watched, watch
from recaug.training.worker import Worker


def run(
    function: RankFunction, arguments: Mapping[str, Any], spark: SparkSession, training: Training, watched: Watched
) -> list[Any]:
    """Run it with one thread, so that the weights do not depend on the machine's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with watch(watched, training.timeout_seconds, cancel=lambda: None):
            return [function(Worker(), **arguments)]
    except RecaugError:
        raise
    except Exception as error:
        raise training_error(watched.title, failure(0, error)) from error
    finally:
        torch.set_num_threads(threads)
