"""Artifacts: files and finished folders under one root. Only this file knows on which file system they lie."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from recaug.errors import ConfigError, StorageError

META = "meta.json"  # written last: a folder that has it is finished


class Store:
    """Files under a root, by names such as `2017-01-21/report/index.html`; travels to executors by pickle.

    root: a local folder, which the executors see under the same name. Addresses are absolute.
    Raises ConfigError for a root on another file system.
    """

    def __init__(self, root: str | Path) -> None:
        if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]*):/", str(root)):
            if scheme[1].lower() != "file":
                raise ConfigError(
                    f"artifacts: {root} is on {scheme[1]}; set it to a local folder, or one that is mounted"
                )
            root = re.sub(r"^[A-Za-z]+:/+", "/", str(root))
        self.root = str(Path(root).absolute())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"Store({self.root!r})"

    @property
    def name(self) -> str:
        """The last part of its address."""
        return Path(self.root).name

    def at(self, *names: str) -> "Store":
        """A folder of it as a store of its own."""
        return Store("/".join([self.root, *names]))

    def beside(self, suffix: str) -> "Store":
        """The folder beside it whose name is longer by the suffix."""
        return Store(self.root + suffix)

    def address(self, name: str = "") -> str:
        """Where a file or folder is, for people, and for readers that take an address."""
        return f"{self.root}/{name}" if name else self.root

    def uri(self, name: str = "") -> str:
        """The same with its scheme, such as `file:///...`."""
        return Path(self.address(name)).as_uri()

    def exists(self, name: str) -> bool:
        """Say whether the file is there."""
        return Path(self.address(name)).is_file()

    def read(self, name: str) -> bytes:
        """Read a file. Raises FileNotFoundError where there is none."""
        return Path(self.address(name)).read_bytes()

    def list(self, pattern: str = "*") -> list[str]:
        """Names of the files that a glob pattern (`**` included) matches, sorted; none where there is no folder."""
        root = Path(self.root)
        return sorted(file.relative_to(root).as_posix() for file in root.glob(pattern) if file.is_file())

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file as a whole: a reader sees the old one or the new one, after a power cut too.

        Raises StorageError where it cannot; the old one then stays.
        """
        target = Path(self.address(name))
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("wb") as file:
                    file.write(content.encode() if isinstance(content, str) else content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(partial, target)
                _sync(target.parent)
            finally:
                partial.unlink(missing_ok=True)

    def append(self, name: str, line: str) -> None:
        """Add a line to a file, which need not be there yet. Raises StorageError where it cannot."""
        target = Path(self.address(name))
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def lines(self, name: str, after: int = 0) -> Iterator[str]:
        """The whole lines of a file from the given one on (from 0); none where there is no file yet.

        A byte that is not UTF-8 reads as the replacement character.
        """
        try:
            text = self.read(name)
        except FileNotFoundError:
            return
        whole = text[: text.rfind(b"\n") + 1].split(b"\n")[:-1]
        yield from (line.decode(errors="replace") for line in whole[after:])

    def remove(self, name: str = "") -> None:
        """Remove a file or folder with all that is in it; nothing where there is none.

        A folder loses META first, so that one which is removed in part is not finished. Raises StorageError where it
        cannot.
        """
        target = Path(self.address(name))
        with _writing(target):
            if target.is_dir():
                (target / META).unlink(missing_ok=True)
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)

    def move_aside(self, suffix: str) -> "Store":
        """Rename the folder to `<its name>.<suffix>-<random>`; give it. Raises StorageError where it cannot."""
        aside = self.beside(f".{suffix}-{secrets.token_hex(4)}")
        with _writing(Path(self.root)):
            os.replace(self.root, aside.root)
        return aside

    def publish(self, name: str, files: Mapping[str, bytes], meta: str) -> None:
        """Write a folder that is there as a whole or not at all: its files, then META, which says that it is finished.

        name: `` for the store's own root. A folder that is finished already is left as it is.
        """
        folder = self.at(name) if name else self
        if folder.finished():
            return
        for file, content in files.items():
            folder.write(file, content)
        folder.write(META, meta)

    def finished(self, name: str = "") -> bool:
        """Say whether a folder was published."""
        return self.exists(f"{name}/{META}" if name else META)


def _sync(folder: Path) -> None:
    """Let the disk know a folder's names; where a file system has no such call, they are its own care."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Say in one line what the file system refused."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{target}: {error.strerror}; free space or set artifacts elsewhere") from error
