"""Sorts the files of a folder into those of one kind, and proposes the kind that is an event log."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from recaug.errors import ContractError
from recaug.propose.draft import Draft, propose
from recaug.propose.places import File, Place, kind_of_name
from recaug.propose.read import read_sample
from recaug.propose.samples import Sample

KINDS = 8  # kinds of files that are looked at, those of most bytes


class Chosen(NamedTuple):
    """The files that are the log, what is proposed for them, and what the others are, a line each."""

    files: tuple[File, ...]
    draft: Draft
    others: tuple[str, ...]


def choose(place: Place, key: str) -> Chosen:
    """Propose the kind of files that is likeliest an event log. Raises ContractError that says why none is."""
    drafts: list[tuple[Draft, tuple[File, ...]]] = []
    whys: list[tuple[str, str]] = []
    for files, sample in _samples(place, key, whys):
        draft = propose(sample, len(files) > len(sample.files))
        if isinstance(draft, str):
            whys.append((files[0].inside, draft))
        else:
            drafts.append((draft, files))
    if not drafts:
        raise ContractError(_refusal(place, key, whys))
    draft, files = max(drafts, key=lambda each: (round(each[0].score), sum(file.size for file in each[1])))
    logs = [
        f"{other[0].inside} may be a log as well: give it to --events"
        for less, other in drafts
        if other is not files and _rows(less) > 0.1 * _rows(draft)
    ]
    whys = [(name, why.removeprefix(f"{key}: ")) for name, why in whys]
    return Chosen(files, draft, (*logs, *(f"{name}: {why}" for name, why in whys)))


def _rows(draft: Draft) -> int:
    return draft.sample.views[0].table.rows


def _refusal(place: Place, key: str, whys: Sequence[tuple[str, str]]) -> str:
    """Say why nothing at a place is an event log."""
    name, why = whys[0]
    if why.startswith(key):  # it could not be read at all
        return why
    inside = "" if not place.is_folder or name == place.given else f" ({name})"
    return f"{key}: {place.given}{inside} is no event log: {why}"


def _samples(place: Place, key: str, whys: list[tuple[str, str]]) -> Iterator[tuple[tuple[File, ...], Sample]]:
    """Read each kind of files; kinds whose rows have the same columns are one. What cannot be read is added to whys."""
    read: list[tuple[tuple[File, ...], Sample]] = []
    for files in kinds(place):
        try:
            sample = read_sample(place, files, key)
        except ContractError as error:
            if not place.is_folder:
                raise
            whys.append((files[0].inside, str(error)))
            continue
        alike = next((number for number, (_, other) in enumerate(read) if _alike(sample, other)), None)
        if alike is None:
            read.append((files, sample))
        else:
            together = tuple(sorted((*read[alike][0], *files)))
            read[alike] = (together, read_sample(place, together, key))
    yield from read


def kinds(place: Place) -> list[tuple[File, ...]]:
    """The files by their names' kind, those of most bytes first."""
    groups: dict[tuple[str, str], list[File]] = {}
    for file in place.files:
        groups.setdefault(("", "") if place.is_delta else kind_of_name(file), []).append(file)
    return [tuple(files) for files in sorted(groups.values(), key=lambda files: -sum(f.size for f in files))[:KINDS]]


def _alike(sample: Sample, other: Sample) -> bool:
    """Whether two samples have the same format and mostly the same columns."""
    if (sample.format, sample.names) != (other.format, other.names) or sample.format == "sequences":
        return False
    names = {column.name for column in sample.views[0].table.columns}
    others = {column.name for column in other.views[0].table.columns}
    return len(names & others) >= 0.6 * len(names | others)
