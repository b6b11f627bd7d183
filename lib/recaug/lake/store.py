"""Artifacts: files and finished folders under one root. Only this file knows on which file system they lie."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
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
            if scheme[1] != "file":
                raise ConfigError(
                    f"artifacts: {root} is on {scheme[1]}; set it to a local folder, or one that is mounted"
                )
            root = re.sub(r"^file:/+", "/", str(root))
        self.root = str(Path(root).absolute())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def at(self, *names: str) -> "Store":
        """A folder of it as a store of its own."""
        return Store("/".join([self.root, *names]))

    def address(self, name: str = "") -> str:
        """Where a file or folder is, for people, and for readers that take an address."""
        return f"{self.root}/{name}" if name else self.root

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
        """Write a file as a whole: a reader sees the old one or the new one. Raises StorageError where it cannot."""
        target = Path(self.address(name))
        partial = target.with_name(f"{target.name}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
            os.replace(partial, target)
        except OSError as error:
            raise StorageError(f"{target}: {error.strerror}; free space or set artifacts elsewhere") from error

    def append(self, name: str, line: str) -> None:
        """Add a line to a file, which need not be there yet."""
        target = Path(self.address(name))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def lines(self, name: str, after: int = 0) -> Iterator[str]:
        """The whole lines of a file from the given one on (from 0); none where there is no file yet."""
        try:
            text = Path(self.address(name)).read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        yield from text[: text.rfind("\n") + 1].splitlines()[after:]

    def remove(self, name: str = "") -> None:
        """Remove a file or folder with all that is in it; nothing where there is none."""
        target = Path(self.address(name))
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def publish(self, name: str, files: Mapping[str, bytes], meta: str) -> None:
        """Write a folder that is there as a whole or not at all: its files, then META, which says that it is finished.

        A folder that is finished already is left as it is.
        """
        folder = self.at(name)
        if folder.exists(META):
            return
        for file, content in files.items():
            folder.write(file, content)
        folder.write(META, meta)

    def finished(self, name: str = "") -> bool:
        """Say whether a folder was published."""
        return self.at(name).exists(META) if name else self.exists(META)
