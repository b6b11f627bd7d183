"""Artifacts: files and finished folders under one root. On which file system they lie, lake.disks knows."""

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from recaug.lake.disks import disk, saying
from recaug.lake.filesystems import parts

META = "meta.json"  # written last: a folder that has it is finished


class Store:
    """Files under a root, by names such as `2017-01-21/report/index.html`; travels to executors by pickle.

    root: a local folder, which the executors see under the same name, or an address such as `s3a://bucket/nights`.
    Addresses are absolute. Raises ConfigError for a scheme that lake.filesystems lacks.
    """

    def __init__(self, root: str | Path) -> None:
        place = parts(str(root))
        self.root = place.path if place.scheme == "file" else str(root)
        self.root = self.root.rstrip("/") or "/"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"Store({self.root!r})"

    @property
    def name(self) -> str:
        """The last part of its address."""
        return self.root.rpartition("/")[2]

    @property
    def is_local(self) -> bool:
        """Whether programs that know disks alone find it there."""
        return parts(self.root).scheme == "file"

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
        return Path(self.address(name)).as_uri() if self.is_local else self.address(name)

    def exists(self, name: str) -> bool:
        """Say whether the file is there."""
        on, path = disk(self.address(name))
        with saying(self.address(name)):
            return on.is_file(path)

    def read(self, name: str) -> bytes:
        """Read a file. Raises FileNotFoundError where there is none."""
        on, path = disk(self.address(name))
        with saying(self.address(name)):
            return on.read(path)

    def list(self, pattern: str = "*") -> list[str]:
        """Names of the files that a glob pattern (`**` included) matches, sorted; none where there is no folder."""
        on, path = disk(self.root)
        with saying(self.root):
            return sorted(on.list(path, pattern))

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file as a whole: a reader sees the old one or the new one, after a power cut too.

        Raises StorageError where it cannot; the old one then stays.
        """
        on, path = disk(self.address(name))
        with saying(self.address(name)):
            on.write(path, content.encode() if isinstance(content, str) else content)

    def append(self, name: str, line: str) -> None:
        """Add a line to a file, which need not be there yet. Raises StorageError where it cannot."""
        on, path = disk(self.address(name))
        with saying(self.address(name)):
            on.append(path, f"{line}\n".encode())

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
        on, path = disk(self.address(name))
        with saying(self.address(name)):
            on.remove(path, META)

    def move_aside(self, suffix: str) -> "Store":
        """Let the folder be `<its name>.<suffix>-<random>`; give it. Raises StorageError where it cannot."""
        aside = self.beside(f".{suffix}-{secrets.token_hex(4)}")
        on, path = disk(self.root)
        with saying(self.root):
            on.move(path, disk(aside.root)[1], META)
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
