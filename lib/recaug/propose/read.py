"""Reads the sample of a log: Parquet by its first bytes, JSON by its first letter, else lines of text."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from recaug.errors import ContractError
from recaug.propose.encodings import Encoding, tell
from recaug.propose.lines import read_lines
from recaug.propose.nested import views
from recaug.propose.objects import read_objects
from recaug.propose.places import File, Place
from recaug.propose.samples import ROWS, Sample
from recaug.propose.slices import Slices, read_slices, some_of


def read_sample(place: Place, files: Sequence[File], key: str, is_catalogue: bool = False) -> Sample:
    """Read some of the files. Raises ContractError for what is no log, or catalogue, that the program reads."""
    chosen = some_of(files)
    try:
        with place.system.open_input_file(chosen[0].path) as stream:
            start = bytes(stream.read(4))
        if start == b"PAR1":
            return _parquet(place, chosen, key)
        slices = [read_slices(place, file, key) for file in chosen]
    except OSError as error:
        raise ContractError(f"{key}: {chosen[0].inside} cannot be read ({str(error).splitlines()[0]})") from error
    encoding = _encoding(slices)
    decoded = [_decode(part.head, encoding, part.is_whole) for part in slices]
    if decoded[0].lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return read_objects(slices, decoded, encoding, key, is_catalogue)
    return read_lines(slices, decoded, encoding, key)


def _parquet(place: Place, files: Sequence[File], key: str) -> Sample:
    """Read some rows of Parquet files."""
    records, places = [], []
    sample = Sample([*files], "delta" if place.is_delta else "parquet", [], evidence={"format": "by its first bytes"})
    for number, file in enumerate(files):
        try:
            with place.system.open_input_file(file.path) as stream:
                table, rows = _some_rows(pq.ParquetFile(stream), ROWS // len(files))
        except (pa.ArrowException, OSError) as error:
            why = str(error).splitlines()[0]
            raise ContractError(f"{key}: {file.inside} is damaged or no Parquet: {why}") from error
        sample.is_whole &= len(table) == rows
        sample.parts[file] = table
        records += table.to_pylist()
        places += [number] * len(table)
    if not records:
        raise ContractError(f"{key}: {place.given} has no rows")
    sample.records, sample.views = records, list(views(records, places, ()))
    return sample


def _some_rows(file: pq.ParquetFile, most: int) -> tuple[pa.Table, int]:
    """Give the first rows of a file, and the last where there are several groups; and how many rows it has."""
    rows, groups = file.metadata.num_rows, file.metadata.num_row_groups
    several = groups > 1 and rows > most
    batches = list(_first(file, most // 2 if several else most))
    if several:
        last = file.read_row_group(groups - 1)
        batches += last.slice(max(last.num_rows - most // 2, 0)).to_batches()
    return pa.Table.from_batches(batches, file.schema_arrow), rows


def _first(file: pq.ParquetFile, most: int) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(batch_size=4096):
        yield batch.slice(0, most)
        most -= len(batch)
        if most <= 0:
            return


def _encoding(slices: Sequence[Slices]) -> Encoding:
    """The encoding of the files: the first that is not UTF-8, if there is any."""
    said = [tell(part.head + b"".join(part.tails)) for part in slices]
    return next((encoding for encoding in said if not encoding.is_utf8), said[0])


def _decode(data: bytes, encoding: Encoding, is_whole: bool) -> str:
    """Decode a part of a file; the line that it was cut off in is left out."""
    text = data.decode(encoding.python, "replace").removeprefix("\ufeff")
    return text if is_whole else text[: text.rfind("\n") + 1] or text
