"""Rows of the newest published generator for users with few events, drawn within the batch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from recaug.config import Config
from recaug.generators.base import Generator, Request
from recaug.generators.histories import Histories
from recaug.generators.sampling import to_events, version_of
from recaug.lake.contracts import STREAM
from recaug.results import Part
from recaug.stream.people import Person, days_of
from recaug.stream.serving import Published

COLUMNS = (
    "event_id string, user_id string, item_id string, event_type string, event_second bigint, event_date date, "
    "generator string, generator_version string, run_id string, source_users array<string>, parent_event_id string, "
    "weight double, fidelity double"
)
NAMES = [column.split(" ")[0] for column in COLUMNS.split(", ")]


@dataclass(frozen=True)
class BatchRequest(Request):
    """What a batch asks of a sampler. batch: names it among all of the stream; a replayed batch gives the same ids."""

    batch: str = ""

    @property
    def identity(self) -> str:
        """Of the generator's rows of the batch."""
        return f"{self.seed}|{self.batch}|{self.generator}"


def draw(
    published: Published, people: Sequence[Person], events: pd.DataFrame, config: Config, batch: str
) -> pd.DataFrame:
    """Draw continuations of the batch's events, and histories of users who are new in it. Gives COLUMNS.

    people: users with few events, by the published night's items. events: the batch's, event_id and event_date.
    """
    known = [one for one in sorted(people, key=lambda person: person.user_id) if len(one.items)]
    parts = []
    with torch.inference_mode():
        for entry in published.generators if known else ():
            drawn = _drawn(entry, published, _histories(known), _request(entry, published, config, batch))
            parts.append(_of_arm(drawn, entry.name, published))
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else None
    if rows is None:
        return pd.DataFrame(columns=NAMES)
    days, first_days = days_of(events)
    new = {person.user_id for person in known if person.is_new}
    sources = rows["source_users"].map(lambda users: users[0])
    follows = rows["parent_event_id"].isin(days)
    rows = rows[follows | (rows["parent_event_id"].isna() & sources.isin(new))]
    of_day = [days.get(parent) or first_days[users[0]] for parent, users in _pairs(rows)]
    dates = pd.Series(of_day, index=rows.index, dtype=object)
    return rows.assign(event_date=dates, event_type=config.generated_type, run_id=batch)[NAMES]


def _pairs(rows: pd.DataFrame) -> zip:
    return zip(rows["parent_event_id"], rows["source_users"], strict=True)


def _request(entry: Generator, published: Published, config: Config, batch: str) -> BatchRequest:
    return BatchRequest(
        generator=entry.name,
        seed=config.seed,
        date=published.date,
        max_length=config.prepare.max_length,
        discovery=config.prepare.task == "discovery",
        batch_rows=config.augment.batch_rows,
        batch=batch,
    )


def _histories(people: Sequence[Person]) -> Histories:
    lengths = [len(one.items) for one in people]
    return Histories(
        np.array([one.user_id for one in people], dtype=object),
        np.array([one.fold for one in people], dtype=np.int64),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([one.items for one in people]),
        np.concatenate([one.times for one in people]),
        np.concatenate([one.event_ids for one in people]),
    )


def _drawn(entry: Generator, published: Published, histories: Histories, request: BatchRequest) -> pd.DataFrame:
    """Draw a generator's rows that its fidelity filter keeps."""
    seed = int(hashlib.sha256(request.identity.encode()).hexdigest()[:15], 16)
    random, folders = torch.Generator().manual_seed(seed), published.folders[entry.name]
    frames = [
        frame.assign(fold=fold)
        for fold, folder in sorted(folders.items())
        for frame in entry.sampler(folder).draw(histories, fold, request, random)
    ]
    if not frames:
        return pd.DataFrame()
    rows = to_events(pd.concat(frames), request)
    rows = rows[rows["fidelity"] >= entry.draw.min_fidelity]
    return rows.assign(
        item_id=published.vocabulary.item_ids[rows["item_index"].to_numpy()],
        generator=entry.name + STREAM,
        generator_version=version_of(folders),
    )


def _of_arm(rows: pd.DataFrame, name: str, published: Published) -> pd.DataFrame:
    """Keep what the published arm keeps of a cold user's candidates, with their weights in it; see evaluate.arms."""
    own = [part for part in published.parts if name in part.generators and part.users in ("all", "cold")]
    kept = [_of_part(rows, part, published.vocabulary.head) for part in own] if len(rows) else []
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def _of_part(rows: pd.DataFrame, part: Part, head: np.ndarray) -> pd.DataFrame:
    history = rows["parent_event_id"].isna()
    units = rows["user_id"].where(history, rows["event_id"])
    kept = units.map(lambda unit: int(hashlib.sha256(unit.encode()).hexdigest()[:8], 16) / 2**32) < part.share
    if part.rows == "histories":
        kept &= history
    elif part.rows != "all":
        kept &= ~history & (head[rows["item_index"].to_numpy()] == (part.rows == "head"))
    return rows[kept].assign(weight=rows["weight"] * part.weight)
