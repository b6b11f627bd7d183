"""What is read of a log: some rows of some of its files."""

from dataclasses import dataclass, field
from typing import Any

from recaug.propose.encodings import Encoding
from recaug.propose.nested import Record, View
from recaug.propose.places import File

ROWS = 24_000  # that are looked at, of all files together


@dataclass
class Sample:
    """What was read of some files.

    format, options, names: as the YAML has them. views: rows, in each way in which arrays can be exploded. records: of
    JSON and Parquet. evidence, unsure: of the keys. parts: by the file, what the preview is made of. is_whole: whether
    the files were read to their end.
    """

    files: list[File]
    format: str
    views: list[View]
    options: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    records: list[Record] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)
    unsure: dict[str, str] = field(default_factory=dict)
    parts: dict[File, Any] = field(default_factory=dict)
    is_whole: bool = True

    def set_encoding(self, encoding: Encoding) -> None:
        """Name the encoding among the options, where readers do not guess it."""
        if not encoding.is_utf8:
            self.options["encoding"] = encoding.java
        if not encoding.is_utf8 or encoding.bom:
            said = self.evidence.get("options")
            self.evidence["options"] = f"{encoding.evidence}; {said}" if said else encoding.evidence
        if encoding.other is not None:
            self.unsure["options"] = f"encoding could be {encoding.java} or {encoding.other}"
