"""The lists of users who have just done something, as the night makes them."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from recaug.config import Config
from recaug.recommend.lists import block_lists
from recaug.recommend.retrieval import EveryItem
from recaug.recommend.scoring import BLOCK
from recaug.stream.people import Person
from recaug.stream.serving import Lists, Vocabulary

COLUMNS = (
    "user_id string, item_id string, score double, rank int, reason string, past array<string>, shares array<double>"
)
NAMES = [column.split(" ")[0] for column in COLUMNS.split(", ")]


def refresh(lists: Lists, people: Sequence[Person], config: Config) -> pd.DataFrame:
    """List the best items for each user by what is known of them now. Gives COLUMNS; past, shares: of `because`."""
    frames = [_block(lists, people[start : start + BLOCK], config) for start in range(0, len(people), BLOCK)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=NAMES)


def _block(lists: Lists, people: Sequence[Person], config: Config) -> pd.DataFrame:
    width, discovery = config.prepare.max_length, config.prepare.task == "discovery"
    rows = []
    for number, person in enumerate(people):
        items = np.zeros(width, dtype="<i4")
        last = person.items[-width:]
        items[: len(last)] = last
        rows.append((person.user_id, number, items.tobytes(), person.seen.astype(np.int32)))
    frame = pd.DataFrame(rows, columns=["user_id", "user_index", "items", "seen"])
    listed = block_lists(frame, EveryItem(lists.folder), config.recommend.k, discovery, config.recommend.diversity)
    ids = lists.vocabulary.item_ids
    past = [[ids[one["item_index"]] for one in because] for because in listed["because"]]
    shares = [[one["weight"] for one in because] for because in listed["because"]]
    reasons = [_reason(because, lists.vocabulary) for because in listed["because"]]
    return listed.assign(
        item_id=ids[listed["item_index"].to_numpy()],
        reason=pd.Series(reasons, dtype=object),
        past=pd.Series(past, dtype=object),
        shares=pd.Series(shares, dtype=object),
    )[NAMES]


def _reason(because: Sequence[dict[str, float]], vocabulary: Vocabulary) -> str:
    """Say the past events in words, as night.recommend does."""
    if not because:
        return "popular"
    words = []
    for one in because:
        index = int(one["item_index"])
        title, item = vocabulary.titles[index], vocabulary.item_ids[index]
        named = item if title is None else f"{title} ({item})"
        words.append(f"{named} {math.floor(100 * one['weight'] + 0.5)}%")
    return "because of " + ", ".join(words)
