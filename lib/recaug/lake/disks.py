"""How files are read and written: on a disk, by renames; on any other file system, by writes that it makes whole."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from pyarrow import fs

from recaug.errors import StorageError
from recaug.lake.filesystems import SCHEMES, opened, parts

# What a file system's library says of why it refused, and what is to be done.
REFUSALS = (
    (
        r"ACCESS_DENIED|AccessDenied|ACCESS_KEY|SIGNATURE|EXPIRED|Expired|UNRECOGNIZED_CLIENT|INVALID_CLIENT_TOKEN|"
        r"HTTP response code: 40[13]|Forbidden|Permission denied|redentials",
        "no access with these credentials",
    ),
    (r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist|container does not exist", "there is no such bucket"),
    (r"NETWORK_CONNECTION|curlCode|efused|resolve|imed out|imeout|Unreachable", "it cannot be reached"),
)


class Disk(Protocol):
    """Files by paths of one file system. OSErrors are the caller's to say."""

    def is_file(self, path: str) -> bool: ...  # noqa: D102
    def read(self, path: str) -> bytes: ...  # noqa: D102
    def write(self, path: str, content: bytes) -> None: ...  # noqa: D102
    def append(self, path: str, content: bytes) -> None: ...  # noqa: D102
    def list(self, root: str, pattern: str) -> list[str]: ...  # noqa: D102
    def remove(self, path: str, first: str) -> None: ...  # noqa: D102
    def move(self, path: str, to: str, last: str) -> None: ...  # noqa: D102


class LocalDisk:
    """A local or mounted folder. What is written is there after a power cut, too."""

    def is_file(self, path: str) -> bool:
        """Say whether a file is there."""
        return Path(path).is_file()

    def read(self, path: str) -> bytes:
        """Read a file."""
        return Path(path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        """Write a file beside its place, and rename it."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
            _sync(target.parent)
        finally:
            partial.unlink(missing_ok=True)

    def append(self, path: str, content: bytes) -> None:
        """Write at the end of a file."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("ab") as file:
            file.write(content)

    def list(self, root: str, pattern: str) -> list[str]:
        """Names below the root of the files that a pattern matches."""
        files = (file for file in Path(root).glob(pattern) if file.is_file())
        return [file.relative_to(root).as_posix() for file in files]

    def remove(self, path: str, first: str) -> None:
        """Remove a file, or a folder: its file `first` before all others."""
        target = Path(path)
        if target.is_dir():
            (target / first).unlink(missing_ok=True)
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def move(self, path: str, to: str, last: str) -> None:
        """Rename a folder."""
        os.replace(path, to)


class ArrowDisk:
    """Any file system of pyarrow: no rename is relied on, and a file is there once its writer has closed it."""

    def __init__(self, system: fs.FileSystem) -> None:
        self.system = system

    def is_file(self, path: str) -> bool:
        """Say whether a file is there."""
        return bool(self.system.get_file_info(path).type == fs.FileType.File)

    def read(self, path: str) -> bytes:
        """Read a file."""
        with self.system.open_input_file(path) as file:
            return bytes(file.read())

    def write(self, path: str, content: bytes) -> None:
        """Write a file: a whole object."""
        with self.system.open_output_stream(path, compression=None) as file:
            file.write(content)

    def append(self, path: str, content: bytes) -> None:
        """Write the file anew with more at its end: objects cannot grow."""
        self.write(path, (self.read(path) if self.is_file(path) else b"") + content)

    def list(self, root: str, pattern: str) -> list[str]:
        """Names below the root of the files that a pattern matches."""
        whole = fs.FileSelector(root, allow_not_found=True, recursive=True)
        files = (info for info in self.system.get_file_info(whole) if info.type == fs.FileType.File)
        names = (info.path.lstrip("/").removeprefix(root.lstrip("/")).lstrip("/") for info in files)
        return [name for name in names if _wanted(pattern).fullmatch(name)]

    def remove(self, path: str, first: str) -> None:
        """Remove a file, or a folder: its file `first` before all others."""
        kind = self.system.get_file_info(path).type
        if kind == fs.FileType.Directory:
            if self.is_file(f"{path}/{first}"):
                self.system.delete_file(f"{path}/{first}")
            self.system.delete_dir(path)
        elif kind == fs.FileType.File:
            self.system.delete_file(path)

    def move(self, path: str, to: str, last: str) -> None:
        """Copy a folder, its file `last` after all others, and remove it."""
        for name in sorted(self.list(path, "**/*"), key=lambda name: name == last):
            self.write(f"{to}/{name}", self.read(f"{path}/{name}"))
        self.remove(path, last)


def disk(address: str) -> tuple[Disk, str]:
    """Give what reads and writes at an address, and the path there."""
    with saying(address):
        system, path = opened(address)
    return (LocalDisk() if isinstance(system, fs.LocalFileSystem) else ArrowDisk(system)), path


@contextmanager
def saying(address: str) -> Iterator[None]:
    """Say in one line what a file system refused. FileNotFoundError goes on as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, ImportError) as error:
        raise StorageError(f"{address}: {_why(address, error)}") from error


def check(address: str) -> None:
    """Raise StorageError where a place cannot be looked at: a wrong bucket, no credentials, no server."""
    place = parts(address)
    with saying(address):
        system, root = opened(f"{place.scheme}://{place.authority}/")
        there = system.get_file_info(root).type
    if there == fs.FileType.NotFound:
        raise StorageError(f"{address}: {_why(address, OSError('NO_SUCH_BUCKET'))}")


def _why(address: str, error: Exception) -> str:
    """A local disk's own words, or which of REFUSALS it is, with what the scheme needs."""
    if words := getattr(error, "strerror", None):
        return f"{words}; free space or set artifacts elsewhere"
    said, needs = " ".join(str(error).split()), SCHEMES[parts(address).scheme].needs
    for form, reason in REFUSALS:
        if re.search(form, said):
            return f"{reason}; check the address and {needs}"
    return f"{said[:200]}; check the address and {needs}"


def _wanted(pattern: str) -> re.Pattern[str]:
    """A glob pattern as pathlib knows it: `**/` is any number of folders, `*` part of a name."""
    parts = re.split(r"(\*\*/|\*)", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _sync(folder: Path) -> None:
    """Let the disk know a folder's names; where a file system has no such call, they are its own care."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
