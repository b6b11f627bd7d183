"""Which class reads which kind of source."""

from collections.abc import Mapping
from typing import Any

from recaug.config import DeltaArrives, FilesArrive, KafkaArrives
from recaug.stream.sources.base import Arrivals, Place
from recaug.stream.sources.delta import Table
from recaug.stream.sources.files import Folder
from recaug.stream.sources.kafka import Topic

READERS: Mapping[type, Any] = {FilesArrive: Folder, DeltaArrives: Table, KafkaArrives: Topic}


def arrivals(place: Place) -> Arrivals:
    """Give what reads the configuration's stream.source."""
    source = place.config.stream.source
    reader: Arrivals = READERS[type(source)](place, source)
    return reader
