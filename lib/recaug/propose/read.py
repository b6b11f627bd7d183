"""Reads the sample of a log: Parquet by its first bytes, JSON by its first letter, else lines of text."""

from collections.abc import Sequence

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

LARGE = 1 << 29  # bytes of a part of a Parquet file, unpacked, above which it is not read as a whole
LETTERS = 1 << 20  # bytes of a file's beginning by which its encoding is told


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
    if decoded[0].lstrip("\ufeff \t\r\n").startswith("<"):
        raise ContractError(f"{key}: {chosen[0].inside} is XML or a page; write CSV, JSON lines or Parquet")
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
    """Give rows of a file's beginning, middle and end; and how many rows it has."""
    rows, groups = file.metadata.num_rows, file.metadata.num_row_groups
    if rows <= most:
        return file.read(), rows
    if file.metadata.row_group(0).total_byte_size > LARGE:  # its beginning alone, which needs no more memory
        return pa.Table.from_batches([next(file.iter_batches(batch_size=most))], file.schema_arrow), rows
    parts = []
    for group in sorted({0, groups // 2, groups - 1}):
        table = file.read_row_group(group)
        starts = (0, (len(table) - most // 3) // 2, len(table) - most // 3) if groups == 1 else (0,)
        parts += [table.slice(max(start, 0), most // 3) for start in starts]
    return pa.concat_tables(parts), rows


def _encoding(slices: Sequence[Slices]) -> Encoding:
    """The encoding of the files: the first that is not UTF-8, if there is any."""
    said = [tell(part.head[:LETTERS] + b"".join(part.tails)) for part in slices]
    return next((encoding for encoding in said if not encoding.is_utf8), said[0])


def _decode(data: bytes, encoding: Encoding, is_whole: bool) -> str:
    """Decode a part of a file; the line that it was cut off in is left out."""
    text = data.decode(encoding.python, "replace").removeprefix("\ufeff")
    return text if is_whole else text[: text.rfind("\n") + 1] or text
