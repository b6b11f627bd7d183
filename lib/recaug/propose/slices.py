"""Looks at the bytes of files: some of the beginning, the middle and the end of a few of them."""

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
from pyarrow import fs

from recaug.clickstream.heads import BEGINNINGS
from recaug.errors import ContractError
from recaug.propose.places import File, Place

FEW, MANY = 5, 40  # files that are looked at: large ones, and small ones
ALL = 8 << 20  # bytes of small files that are looked at
HEAD = 3 << 20  # bytes of a file's beginning
PART = 1 << 19  # bytes of its middle and of its end
SECONDS = 3.0  # for which a packed file is unpacked to see its end
CODECS = {"gzip": (".gz",), "bz2": (".bz2",), "zstd": (".zst",), "lz4": (".lz4",)}
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}
# What recaug's reader does not know, beside BEGINNINGS.
OTHERS = (
    (rb"SQLite format 3", "an SQLite database, which is not read; write its table as CSV or Parquet"),
    (rb"%PDF", "a PDF, which is not read"),
    (rb"\x93NUMPY", "a NumPy array and no event log"),
    (rb"\x89HDF", "an HDF5 file, which is not read; write Parquet"),
    (rb"ORC", "ORC, which is not read; write Parquet"),
    (rb"ARROW1|FEA1", "an Arrow or Feather file, which is not read; write Parquet"),
    (rb"RDX[23]|\x80[\x02-\x05]", "an R or Python object, which is not read; write CSV or Parquet"),
    (rb"\xff\xd8\xff|\x89PNG|GIF8", "a picture and no event log"),
    (rb"\s*<(\?xml|!DOCTYPE|html)", "XML or HTML, which is not read; write CSV or JSON lines"),
)


class Slices(NamedTuple):
    """What was read of a file, unpacked. head: its beginning; is_whole: which is all. tails: parts from further on.

    packed: by what it is compressed.
    """

    file: File
    head: bytes
    tails: tuple[bytes, ...]
    is_whole: bool
    packed: str | None


def some_of(files: Sequence[File]) -> list[File]:
    """Choose a few files: the first, some between, and the last two; more of them, where they are small."""
    many = min(max(ALL * len(files) // max(sum(file.size for file in files), 1), FEW), MANY)
    if len(files) <= many:
        return [*files]
    return [*(files[round(place * (len(files) - 2) / (many - 2))] for place in range(many - 1)), files[-1]]


def read_slices(place: Place, file: File, key: str) -> Slices:
    """Read parts of a file. Raises ContractError for a kind of file that the reader does not know."""
    with place.system.open_input_file(file.path) as stream:
        start = bytes(stream.read(512))
    name = file.inside if place.is_folder else place.given
    packed = next((codec for magic, codec in MAGIC.items() if start.startswith(magic)), None)
    if packed is not None and not file.path.endswith(CODECS[packed]):
        raise ContractError(
            f"{key}: {name} is compressed by {packed}; give it a name that ends with {CODECS[packed][0]}"
        )
    if packed is None and (
        ending := next((end for ends in CODECS.values() for end in ends if name.endswith(end)), None)
    ):
        raise ContractError(f"{key}: {name} is not compressed, though its name ends with {ending}; rename it")
    refuse(start, f"{key}: {name}")
    slices = _unpacked(place.system, file, packed, f"{key}: {name}") if packed else _plain(place.system, file)
    refuse(slices.head[:512], f"{key}: {name}")
    if not slices.head.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        raise ContractError(f"{key}: {name} is empty")
    return slices


def refuse(start: bytes, name: str) -> None:
    """Raise ContractError for bytes of a kind that the reader does not know."""
    if name.endswith(".npz"):
        raise ContractError(f"{name} is an archive of NumPy arrays and no event log")
    for beginning, what in (*BEGINNINGS, *OTHERS):
        if beginning != rb"PAR1" and "compressed by" not in what and re.match(beginning, start, re.DOTALL):
            raise ContractError(f"{name} is {what}")


def _plain(system: fs.FileSystem, file: File) -> Slices:
    """Read the beginning, a part of the middle, and the end."""
    with system.open_input_file(file.path) as stream:
        if file.size <= HEAD + 2 * PART:
            return Slices(file, bytes(stream.read()), (), True, None)
        head = bytes(stream.read(HEAD))
        tails = []
        for start in ((file.size + HEAD) // 2, file.size - PART):
            stream.seek(start // 4 * 4)
            tails.append(bytes(stream.read(PART)))
    return Slices(file, head, tuple(tails), False, None)


def _unpacked(system: fs.FileSystem, file: File, packed: str, name: str) -> Slices:
    """Unpack the beginning, and as much as a few seconds allow, of which the last part is kept."""
    until, head, last, is_whole = time.monotonic() + SECONDS, b"", b"", False
    try:
        with pa.CompressedInputStream(system.open_input_stream(file.path, compression=None), packed) as stream:
            while len(head) < HEAD and (part := stream.read(1 << 20)):
                head += bytes(part)
            is_whole = len(head) < HEAD
            while not is_whole and time.monotonic() < until:
                if not (part := bytes(stream.read(1 << 20))):
                    break
                last = (last + part)[-PART:]
    except OSError as error:
        if not head:
            raise ContractError(f"{name} is damaged or not {packed}: {error}") from error
    return Slices(file, head, (last,) if last else (), is_whole, packed)
