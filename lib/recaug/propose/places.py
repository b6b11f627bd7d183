"""Which files lie at a path, which of them are alike by their names, and how their paths name days."""

import datetime as dt
import fnmatch
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from pyarrow import ArrowInvalid, fs

from recaug.clickstream.readers import locate
from recaug.errors import ContractError
from recaug.lake.filesystems import opened

# How paths write a day: what matches it, and its strftime form.
DAYS = (
    (r"year=(\d{4})/month=(\d{2})/day=(\d{2})", "year=%Y/month=%m/day=%d"),
    (r"(?<!\d)(\d{4})/(\d{2})/(\d{2})(?!\d)", "%Y/%m/%d"),
    (r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)", "%Y-%m-%d"),
    (r"(?<!\d)(\d{4})_(\d{2})_(\d{2})(?!\d)", "%Y_%m_%d"),
    (r"(?<!\d)(\d{4})\.(\d{2})\.(\d{2})(?!\d)", "%Y.%m.%d"),
    (r"(?<!\d)((?:19|20)\d{2})([01]\d)([0-3]\d)(?!\d)", "%Y%m%d"),
)
PACKED = (".gz", ".bz2", ".zst", ".snappy", ".lz4", ".deflate")


class File(NamedTuple):
    """A file. path: on its file system. inside: below the folder that --events names."""

    path: str
    inside: str
    size: int


class Place(NamedTuple):
    """What lies at a path. given: as the user wrote it. files: in the order of their names."""

    given: str
    system: fs.FileSystem
    is_folder: bool
    is_delta: bool
    files: tuple[File, ...]


def look(given: str, key: str) -> Place:
    """List the files at a path, a glob or a folder, folders below it included.

    key: the option, for errors. Raises ContractError where nothing can be read there.
    """
    located = locate(given, key)
    try:
        system, path = opened(located) if "://" in located else (fs.LocalFileSystem(), located)
        base = re.split(r"[*?\[{]", path)[0]
        if base != path:
            return _glob(given, system, path, base.rpartition("/")[0] or ".", key)
        info = system.get_file_info(path)
        if info.type == fs.FileType.File:
            return Place(given, system, False, False, (File(path, PurePosixPath(path).name, info.size),))
        if info.type != fs.FileType.Directory:
            raise ContractError(f"{key}: nothing at {given}")
        files = tuple(_below(system, path))
    except (OSError, ArrowInvalid) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ContractError(f"{key}: {given} cannot be read here ({why})") from error
    if not files:
        raise ContractError(f"{key}: {given} has no file")
    delta = system.get_file_info(f"{path.rstrip('/')}/_delta_log").type == fs.FileType.Directory
    return Place(given, system, True, delta, files)


def _below(system: fs.FileSystem, folder: str) -> list[File]:
    """Every file below a folder, but hidden and empty ones, in the order of their names."""
    start = folder.rstrip("/") + "/"
    listed = system.get_file_info(fs.FileSelector(folder, recursive=True))
    files = [
        File(info.path, info.path.removeprefix(start), info.size)
        for info in listed
        if info.type == fs.FileType.File and info.size
    ]
    return sorted(file for file in files if not any(is_hidden(part) for part in file.inside.split("/")))


def _glob(given: str, system: fs.FileSystem, path: str, base: str, key: str) -> Place:
    """The files that a pattern matches, or that lie in folders that it matches."""
    pattern = "/".join(_segment(part) for part in path.split("/"))
    wanted = re.compile(rf"(?:\./)?(?:{pattern})(?:/.*)?")
    files = tuple(file for file in _below(system, base) if wanted.fullmatch(file.path))
    if not files:
        raise ContractError(f"{key}: nothing at {given}")
    return Place(given, system, True, False, files)


def _segment(part: str) -> str:
    """A part of Hadoop's glob as a regular expression: *, ?, [...] and {a,b}."""
    pieces = re.split(r"\{([^}]*)\}", part)
    written = [
        "(?:" + "|".join(map(_plain_glob, piece.split(","))) + ")" if place % 2 else _plain_glob(piece)
        for place, piece in enumerate(pieces)
    ]
    return "".join(written)


def _plain_glob(part: str) -> str:
    return re.sub(r"^\(\?s:(.*)\)\\[zZ]$", r"\1", fnmatch.translate(part), flags=re.DOTALL).replace(".*", "[^/]*")


def is_hidden(name: str) -> bool:
    """Whether Spark passes a file or folder over: by its name's beginning."""
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


def kind_of_name(file: File) -> tuple[str, str]:
    """What a file's name says of its kind: the ending, and the name without digits and other counts."""
    name = PurePosixPath(file.inside).name.lower()
    packed = next((end for end in PACKED if name.endswith(end)), "")
    bare = name.removesuffix(packed)
    ending = PurePosixPath(bare).suffix + packed
    stem = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{8,}|[0-9a-f]{16,}", "#", bare.removesuffix(PurePosixPath(bare).suffix))
    return ending, re.sub(r"[\W_]*\d[\d\W_]*", "#", stem)


def day_form(files: Sequence[File]) -> tuple[str, list[dt.date]] | None:
    """How the files' paths name days, if all do: the strftime form, and the day of each file."""
    for pattern, form in DAYS:
        days = [_day(re.search(pattern, file.inside), form) for file in files]
        if all(days):
            return form, [day for day in days if day is not None]
    return None


def _day(match: re.Match[str] | None, form: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(match[0], form).date() if match else None
    except ValueError:
        return None


def pattern_of(place: Place, files: Sequence[File], dated: bool) -> str:
    """Write the path that names these files: the one given, or the shortest glob; with `dated`, days as {date:...}."""
    if not place.is_folder or place.is_delta:
        return place.given
    if re.search(r"[*?\[{]", place.given):
        return place.given
    root, form = place.given.rstrip("/"), day_form(files) if dated else None
    if form is not None:
        pattern = next(pattern for pattern, name in DAYS if name == form[0])
        marked = [re.sub(pattern, "\0", file.inside, count=1) for file in files]
        common = _common(marked)
        if "\0" not in common.rpartition("/")[2]:  # in a day's folder files may have other names tomorrow
            common = f"{common.rpartition('/')[0]}/*{_shared([name[::-1] for name in marked])[::-1].rpartition('.')[1]}"
            common += kind_of_name(files[0])[0].lstrip(".")
        return f"{root}/{common}".replace("\0", "{date:" + form[0] + "}")
    if len(files) == len(place.files):
        return place.given
    return f"{root}/{_common([file.inside for file in files])}"


def _common(names: Sequence[str]) -> str:
    """Write names as one pattern: parts of the path that differ by `*`, with the ending that they share."""
    split = [name.split("/") for name in names]
    if len({len(parts) for parts in split}) > 1:
        depth = min(len(parts) for parts in split)
        split = [[*parts[: depth - 1], "/".join(parts[depth - 1 :])] for parts in split]
    return "/".join(_one_part([parts[place] for parts in split]) for place in range(len(split[0])))


def _one_part(parts: Sequence[str]) -> str:
    if len(set(parts)) == 1:
        return parts[0]
    start = _shared(parts)
    end = _shared([part[len(start) :][::-1] for part in parts])[::-1]
    start = re.split(r"(?<=\D)\d+$", start)[0]
    return f"{start}*{end}"


def _shared(parts: Sequence[str]) -> str:
    """The beginning that texts share."""
    low, high = min(parts), max(parts)
    return low[: next((place for place, letter in enumerate(low) if letter != high[place : place + 1]), len(low))]
