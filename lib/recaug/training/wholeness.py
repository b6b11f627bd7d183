"""Whether what was finished is whole: hashes of files in their folder's meta.json, and of the sources of recaug."""

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from recaug.errors import StorageError
from recaug.lake.store import META, Store


def sums(contents: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file, for meta.json's `files`."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def damage(folder: str) -> str | None:
    """Say what of a finished folder is not as it was finished; None where it is whole."""
    store = Store(folder)
    if not store.finished():
        return f"there is no {META}"
    try:
        named = json.loads(store.read(META))["files"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{META} cannot be read, or names no files"
    for name, digest in named:
        if not store.exists(name):
            return f"{name} is gone"
        if hashlib.sha256(store.read(name)).hexdigest() != digest:
            return f"{name} is damaged: its hash is not that of {META}"
    return None


def sources_hash(*folders: str) -> str:
    """Hash the sources of some folders of recaug, of all of it where none is named; they may lie in a zip file.

    Raises StorageError where there is none to be read: what made a model must be known.
    """
    digest, root = hashlib.sha256(), files("recaug")
    sources = [source for folder in folders or ("",) for source in _below(root / folder if folder else root)]
    if not sources:
        raise StorageError(f"the sources of recaug cannot be read at {root}, by which results are known to be theirs")
    for source in sources:
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _below(folder: Traversable) -> list[Traversable]:
    below: list[Traversable] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            below += _below(entry)
        elif entry.name.endswith(".py"):
            below.append(entry)
    return below
