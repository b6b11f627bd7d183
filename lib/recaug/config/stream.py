"""Section stream: where events arrive while the shop is open, and how they are taken."""

from typing import Annotated, Literal

from msgspec import Meta

from recaug.config.base import Positive, PositiveFloat, Strict


class FilesArrive(Strict, kw_only=True, tag="files", tag_field="kind"):
    """New files of a folder, in the format of source.events; each is there as a whole when its name appears.

    path: the folder or a glob; null: that of source.events. max_files_per_trigger: files of a batch; no file is cut.
    """

    path: str | None = None
    max_files_per_trigger: Positive = 16


class DeltaArrives(Strict, kw_only=True, tag="delta", tag_field="kind"):
    """Rows that are appended to a Delta table; deletions and updates in it are passed over.

    path: its folder; null: that of source.events. max_files_per_trigger: files of a batch; no file is cut.
    """

    path: str | None = None
    max_files_per_trigger: Positive = 16


class KafkaArrives(Strict, kw_only=True, tag="kafka", tag_field="kind"):
    """Messages of a Kafka topic, each a JSON object with the columns that source.events maps.

    servers: host:port, with commas between. topic: its name. starting: where a stream without a checkpoint begins.
    options: passed to Spark's reader, such as kafka.security.protocol.
    """

    servers: str
    topic: str
    starting: Literal["earliest", "latest"] = "earliest"
    options: dict[str, str] = {}


class Stream(Strict, kw_only=True):
    """Events as they arrive, by jobs/stream.py.

    source: where they arrive, by its `kind`: `files`, `delta` or `kafka`.
    trigger_seconds: between the beginnings of two batches; a longer batch is followed by the next one at once.
    max_rows_per_trigger: rows of a batch of Kafka; files and Delta count files.
    checkpoint: folder of what has been taken, which a restart goes on from; null: `<artifacts>/stream`.
    generators: whose rows are written, of those that the newest publishing night chose; [] for all of these.
    lists: whose lists are refreshed: of `all` users of a batch, or of those with `few` events
        (prepare.cold_events or fewer); `none` of nobody.
    """

    source: FilesArrive | DeltaArrives | KafkaArrives = FilesArrive()
    trigger_seconds: PositiveFloat = 1.0
    max_rows_per_trigger: Annotated[int, Meta(ge=1)] = 5000
    checkpoint: str | None = None
    generators: tuple[str, ...] = ()
    lists: Literal["all", "few", "none"] = "all"
