"""Samples behaviour from the cross-fitted generators and the counts, bucket by bucket, in pandas UDFs."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recaug.config import Augment
from recaug.generators.rejection import reject
from recaug.generators.variations import vary
from recaug.lake.store import Store
from recaug.training.checkpoint import load_generator
from recaug.training.models.covisitation import CountsGenerator

NONE_LEFT = 1e-12  # chance that items not drawn yet have together, below which there are none
MIN_HISTORY = 3  # events of a generated history and of the users that it is drawn from; less is no history
SAMPLES = (
    "user_id string, item_index int, event_second bigint, parent_event_id string, source_users array<string>, "
    "weight double, fidelity double, serial int"
)


class Histories(NamedTuple):
    """A bucket's users, in the order of user_id; events of all users one after the other.

    user_ids, folds: (users,). starts: (users + 1,) where each user's events begin. items, times, event_ids: (events,).
    """

    user_ids: NDArray[Any]
    folds: NDArray[np.int64]
    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.int64]
    event_ids: NDArray[Any]

    def contexts(
        self, ends: NDArray[np.int64], users: NDArray[np.int64], length: int, after: int = 0
    ) -> NDArray[np.int64]:
        """The last `length` events up to and with each of `ends` (event numbers), and the next `after` of the user.

        Left-aligned, (ends, length + after), 0 for padding.
        """
        first = np.maximum(self.starts[users], ends + 1 - length)
        last = np.minimum(ends + after, self.starts[users + 1] - 1)
        places = first[:, None] + np.arange(length + after)
        return np.where(places <= last[:, None], self.items[np.minimum(places, len(self.items) - 1)], 0)


def generate(
    train: DataFrame,
    models: Mapping[int, str],
    kind: str,
    config: Augment,
    seed: int,
    run_id: str,
    max_length: int,
    discovery: bool,
) -> DataFrame:
    """Sample continuations and histories of every user from the generator that has not seen the user.

    Columns: `train` is sequences' train split. models: fold -> address of the generator that left the fold out; of
    those that are not trained that of the counts for each. config: as Augment.of gives it for `kind`.
    Gives item_index and the columns of candidate_events but item_id, event_type and event_date. Deterministic: the
    random numbers of a bucket come from (seed, kind, bucket) and the bucket is one unit.
    discovery: what the user has had does not come again.
    """
    folders = dict(models)

    def sample(key: tuple[int], rows: pd.DataFrame) -> pd.DataFrame:
        torch.set_num_threads(1)  # one Spark task, one core; also what makes the sums reproducible
        histories = gather(rows)
        random = torch.Generator().manual_seed(_seed(seed, kind, key[0]))
        parts: list[pd.DataFrame] = []
        with torch.inference_mode():
            for fold, folder in sorted(folders.items()):
                model, run = _load(folder), f"{run_id}|{kind}"
                if kind in ("classic", "pseudo_prior"):
                    lengthen = _variations if kind == "classic" else _with_earlier
                    parts += lengthen(model, histories, fold, config, max_length, random, run)
                    continue
                parts += _continuations(model, histories, fold, config, max_length, discovery, random)
                parts += _generated_users(model, histories, fold, config, max_length, random, run)
        columns = [column.split()[0] for column in SAMPLES.split(", ")]
        return pd.concat(parts) if parts else pd.DataFrame(columns=columns)

    bucket = F.pmod(F.xxhash64("user_id"), F.lit(config.buckets)).cast("int")
    sources = train.select("user_id", "fold", "window", "length", "items", "times", "event_ids")
    if config.max_users is not None:
        chosen = sources.select("user_id").distinct().orderBy(F.xxhash64("user_id"), "user_id").limit(config.max_users)
        sources = sources.join(F.broadcast(chosen), "user_id", how="left_semi")
    version = hashlib.sha256("|".join(Store(folders[fold]).name for fold in sorted(folders)).encode()).hexdigest()[:16]
    parent = F.coalesce("parent_event_id", "user_id")
    return (
        sources.withColumn("bucket", bucket)
        .groupBy("bucket")
        .applyInPandas(sample, SAMPLES)
        .select(
            F.substring(F.sha2(F.concat_ws("|", F.lit(run_id), F.lit(kind), parent, "serial"), 256), 1, 32).alias(
                "event_id"
            ),
            "user_id",
            "item_index",
            F.timestamp_seconds("event_second").alias("event_time"),
            F.lit(None).cast("string").alias("session_id"),
            F.lit(None).cast("double").alias("price"),
            F.lit(None).cast("double").alias("quantity"),
            F.lit(None).cast("string").alias("query"),
            F.lit(kind).alias("generator"),
            F.lit(version).alias("generator_version"),
            F.lit(run_id).alias("run_id"),
            "source_users",
            "parent_event_id",
            "weight",
            "fidelity",
        )
    )


def gather(rows: pd.DataFrame) -> Histories:
    """Join each user's windows, which overlap by one event, to one history.

    rows: user_id, fold, window, length, items (int32 binary), times (int64 binary), event_ids.
    """
    rows = rows.sort_values(["user_id", "window"], ignore_index=True)
    lengths, skip = rows["length"].to_numpy(), (rows["window"] > 0).to_numpy().astype(np.int64)
    items = np.frombuffer(b"".join(rows["items"]), dtype="<i4").reshape(len(rows), -1)
    times = np.frombuffer(b"".join(rows["times"]), dtype="<i8").reshape(len(rows), -1)
    place = np.arange(items.shape[1])
    kept = (place >= skip[:, None]) & (place < lengths[:, None])
    user_ids, first = np.unique(rows["user_id"].to_numpy(dtype=object), return_index=True)
    counts = np.add.reduceat(lengths - skip, first)
    return Histories(
        user_ids=user_ids,
        folds=rows["fold"].to_numpy()[first].astype(np.int64),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=items[kept].astype(np.int64),
        times=times[kept],
        event_ids=np.concatenate([ids[drop:] for ids, drop in zip(rows["event_ids"], skip, strict=True)]),
    )


def _continuations(
    model: Any,
    histories: Histories,
    fold: int,
    config: Augment,
    max_length: int,
    discovery: bool,
    random: torch.Generator,
) -> Iterator[pd.DataFrame]:
    """Sample next items, distinct ones, after every event of the fold's users; fewer where too many are rejected."""
    if not config.continuations:
        return
    user_of = np.repeat(np.arange(len(histories.user_ids)), np.diff(histories.starts))
    ends = np.flatnonzero(histories.folds[user_of] == fold)
    for start in range(0, len(ends), config.batch_rows):
        end = ends[start : start + config.batch_rows]
        users = user_of[end]
        contexts = torch.from_numpy(histories.contexts(end, users, max_length))
        if isinstance(model, CountsGenerator):  # of all users: what the user's own events added is taken out
            whole = histories.contexts(end, users, max_length, after=model.covisitation.window)
            logits = model.next_logits(contexts, torch.from_numpy(whole))
        else:
            logits = model.next_logits(contexts, random)
        seen = _seen(histories, end, users) if discovery else None
        n = config.continuations
        chosen = draw(logits, n * config.oversampling, config.temperature, random, seen)
        fidelity = model.fidelity(contexts, chosen, logits)
        if config.oversampling > 1:
            chosen, fidelity = reject(chosen, fidelity, n, random)
        listed = chosen.numpy().ravel()
        yield pd.DataFrame(
            {
                "user_id": np.repeat(histories.user_ids[users], n),
                "item_index": listed.astype(np.int32),
                "event_second": np.repeat(histories.times[end], n),
                "parent_event_id": np.repeat(histories.event_ids[end], n),
                "source_users": [[user] for user in np.repeat(histories.user_ids[users], n)],
                "weight": config.weight / n,
                "fidelity": fidelity.numpy().astype(np.float64).ravel(),
                "serial": np.tile(np.arange(n, dtype=np.int32), len(end)),
            }
        )[listed > 0]


def _generated_users(
    model: Any,
    histories: Histories,
    fold: int,
    config: Augment,
    max_length: int,
    random: torch.Generator,
    run: str,
) -> Iterator[pd.DataFrame]:
    """Draw users like a source user of the fold: the items from the model, length and times from a second user.

    For the VAE: z from q(z | source), then so many draws of the multinomial, without replacement. Of config.new_users
    the model is told nothing, so that z comes from the prior: they have the second user alone as a source.
    """
    lengths = np.diff(histories.starts)
    timers = np.flatnonzero(lengths >= MIN_HISTORY)
    sources = _sources(histories, fold, config.histories, random)
    if not len(sources):
        return
    timing = timers[torch.randint(len(timers), (len(sources),), generator=random).numpy()]
    for start in range(0, len(sources), config.batch_rows):
        source, timer = sources[start : start + config.batch_rows], timing[start : start + config.batch_rows]
        contexts = torch.from_numpy(histories.contexts(histories.starts[source + 1] - 1, source, max_length))
        if config.new_users:
            new = torch.rand(len(source), generator=random) < config.new_users
            contexts, source = contexts * ~new[:, None], np.where(new, timer, source)
        size = np.minimum(lengths[timer], max_length)
        logits = model.next_logits(contexts, random)
        chosen = draw(logits, int(size.max()), config.temperature, random, None)
        fidelity = model.fidelity(contexts, chosen, logits).numpy().astype(np.float64)
        serial = np.arange(chosen.shape[1])
        used = (serial < size[:, None]) & (chosen.numpy() > 0)
        row, column = np.nonzero(used)
        names = [_name(f"{run}|{fold}", histories.user_ids[s], start + i) for i, s in enumerate(source)]
        pairs = [sorted({histories.user_ids[a], histories.user_ids[b]}) for a, b in zip(source, timer, strict=True)]
        yield pd.DataFrame(
            {
                "user_id": np.asarray(names, dtype=object)[row],
                "item_index": chosen.numpy()[used].astype(np.int32),
                "event_second": histories.times[histories.starts[timer[row]] + column],
                "parent_event_id": None,
                "source_users": [pairs[i] for i in row],
                "weight": config.history_weight,
                "fidelity": fidelity[used],
                "serial": column.astype(np.int32),
            }
        )


def _variations(
    model: CountsGenerator,
    histories: Histories,
    fold: int,
    config: Augment,
    max_length: int,
    random: torch.Generator,
    run: str,
) -> Iterator[pd.DataFrame]:
    """Vary the histories of the fold's users, or the last events of longer ones.

    Times stay in their order; what is inserted lies half-way to the next event. A neighbour that is drawn is none that
    the user had; where there is none, the event stays as it was. A history that stays as it was gives no row.
    """
    sources = _sources(histories, fold, config.histories, random)
    for start in range(0, len(sources), config.batch_rows):
        users = sources[start : start + config.batch_rows]
        first = np.maximum(histories.starts[users], histories.starts[users + 1] - max_length)
        made = [vary(int(n), config.classic, random) for n in histories.starts[users + 1] - first]
        sizes = [len(variation.places) for variation in made]
        row, places = np.repeat(np.arange(len(users)), sizes), np.concatenate([one.places for one in made])
        drawn, events = np.concatenate([one.drawn for one in made]), np.repeat(first, sizes) + places
        items, fidelity = histories.items[events], np.ones(len(events))
        if drawn.any():
            near, chance = _neighbours(model, histories, events[drawn], users[row[drawn]], random)
            items[drawn], fidelity[drawn] = np.where(near > 0, near, items[drawn]), np.where(near > 0, chance, 1.0)
        inserted = drawn & np.concatenate([[False], events[1:] == events[:-1]])
        kept = ~inserted | (items != histories.items[events])  # where no neighbour was found nothing is inserted
        for number, user in enumerate(users):
            own = np.flatnonzero((row == number) & kept)
            source = slice(first[number], histories.starts[user + 1])
            if np.array_equal(items[own], histories.items[source]):
                continue
            times = np.sort(histories.times[events[own]])
            halfway = (times + np.append(times[1:], times[-1:])) // 2
            times, own = np.where(inserted[own], halfway, times)[:max_length], own[:max_length]
            name = _name(run, histories.user_ids[user], start + number)
            yield _history(name, histories.user_ids[user], items[own], times, fidelity[own], config)


def _with_earlier(
    model: CountsGenerator,
    histories: Histories,
    fold: int,
    config: Augment,
    max_length: int,
    random: torch.Generator,
    run: str,
) -> Iterator[pd.DataFrame]:
    """Put events in front of the histories of the fold's users with few, each drawn by the one that follows it.

    model: of the counts the other way round. The draws start from the first event alone: what was put in front by
    events to come would tell them (a leak, with which such histories harmed). What the user had at any time is not
    drawn, so that the user's own pairs do not count; of what comes later this tells that it was not drawn, as the mask
    of seen items does. A history without anything to put in front gives no row.
    """
    lengths = np.diff(histories.starts)
    few = np.flatnonzero((histories.folds == fold) & (lengths <= config.pseudo_prior.up_to))
    sources = _times(few, config.histories, random)
    for start in range(0, len(sources), config.batch_rows):
        users = sources[start : start + config.batch_rows]
        first, end = histories.starts[users], histories.starts[users + 1]
        rows, seen = _seen(histories, end - 1, users)
        latest, drawn, chances = torch.from_numpy(histories.items[first]), [], []
        for _ in range(config.pseudo_prior.events):
            context = latest[:, None]
            logits = model.next_logits(context, context)
            chosen = draw(logits, 1, config.temperature, random, (rows, seen))
            latest = chosen[:, 0]
            drawn.append(latest.numpy())
            chances.append(model.fidelity(context, chosen, logits)[:, 0].numpy().astype(np.float64))
            rows, seen = torch.cat([rows, torch.arange(len(users))]), torch.cat([seen, latest])
        earlier, fidelity = np.stack(drawn[::-1], axis=1), np.stack(chances[::-1], axis=1)
        for number, user in enumerate(users):
            found = earlier[number] > 0
            if not found.any():
                continue
            own = slice(first[number], end[number])
            times, n = histories.times[own], int(found.sum())
            gap = max(int(times[-1] - times[0]) // max(len(times) - 1, 1), 1)
            yield _history(
                _name(run, histories.user_ids[user], start + number),
                histories.user_ids[user],
                np.concatenate([earlier[number][found], histories.items[own]])[:max_length],
                np.concatenate([times[0] - gap * np.arange(n, 0, -1), times])[:max_length],
                np.concatenate([fidelity[number][found], np.ones(len(times))])[:max_length],
                config,
            )


def _history(
    name: str, source: str, items: NDArray[Any], times: NDArray[Any], fidelity: NDArray[Any], config: Augment
) -> pd.DataFrame:
    """The rows of a generated history made of one user's: items, times and fidelity (events,)."""
    return pd.DataFrame(
        {
            "user_id": name,
            "item_index": items.astype(np.int32),
            "event_second": times,
            "parent_event_id": None,
            "source_users": [[source]] * len(items),
            "weight": config.history_weight,
            "fidelity": fidelity,
            "serial": np.arange(len(items), dtype=np.int32),
        }
    )


def _neighbours(
    model: CountsGenerator,
    histories: Histories,
    events: NDArray[np.int64],
    users: NDArray[np.int64],
    random: torch.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw a neighbour of each event's item that its user never had, and its fidelity; 0 where there is none."""
    items = torch.from_numpy(histories.items[events])[:, None]
    following = histories.contexts(events, users, 1, after=model.covisitation.window)
    logits = model.next_logits(items, torch.from_numpy(following))
    chosen = draw(logits, 1, 1.0, random, _seen(histories, histories.starts[users + 1] - 1, users))
    return chosen.numpy()[:, 0], model.fidelity(items, chosen, logits).numpy()[:, 0].astype(np.float64)


def _sources(histories: Histories, fold: int, share: float, random: torch.Generator) -> NDArray[np.int64]:
    """The fold's users of MIN_HISTORY events or more, each `share` times, a fraction by chance."""
    return _times(np.flatnonzero((histories.folds == fold) & (np.diff(histories.starts) >= MIN_HISTORY)), share, random)


def _times(users: NDArray[np.int64], share: float, random: torch.Generator) -> NDArray[np.int64]:
    """Each of the users `share` times, a fraction by chance."""
    if not len(users) or not share:
        return users[:0]
    return np.repeat(users, int(share) + (torch.rand(len(users), generator=random).numpy() < share - int(share)))


def _name(run: str, user_id: str, number: int) -> str:
    """Name a generated user."""
    return "generated-" + hashlib.sha256(f"{run}|{user_id}|{number}".encode()).hexdigest()[:20]


def draw(
    logits: torch.Tensor, n: int, temperature: float, random: torch.Generator, seen: tuple[Any, Any] | None = None
) -> torch.Tensor:
    """Draw n distinct items a row, one after the other, in proportion to softmax(logits / temperature).

    By inverting the cumulated chances, which takes one random number an item drawn, not one an item of the catalogue;
    each point steps over the intervals of the items that the row has drawn before.
    logits: (batch, n_items + 1); seen: rows and items that must not come. Returns (batch, n) int64, 0 where none is
    left.
    """
    scores = logits / temperature
    if seen is not None:
        scores[seen] = -torch.inf
    cumulated = torch.softmax(scores, dim=1).cumsum(dim=1, dtype=torch.float64)  # not a number where all are seen
    batch, n_columns = logits.shape
    left = cumulated[:, -1].clone()
    drawn = torch.zeros(batch, n, dtype=torch.int64)
    starts, sizes = torch.full((batch, n), torch.inf, dtype=torch.float64), torch.zeros(batch, n, dtype=torch.float64)
    for turn in range(n):
        point = torch.rand(batch, dtype=torch.float64, generator=random) * left
        starts, order = starts.sort(dim=1)  # those not drawn yet come last
        sizes = sizes.gather(1, order)
        for before in range(turn):
            point += torch.where(point >= starts[:, before], sizes[:, before], 0.0)
        item = torch.searchsorted(cumulated, point[:, None], right=True).clamp(max=n_columns - 1)
        start, end = cumulated.gather(1, (item - 1).clamp(min=0)), cumulated.gather(1, item)
        item[(left[:, None] > NONE_LEFT).logical_not() | (drawn == item).any(dim=1, keepdim=True)] = 0
        drawn[:, turn] = item.squeeze(1)
        starts[:, -1], sizes[:, -1] = start.squeeze(1), (end - start).squeeze(1)
        left -= sizes[:, -1]
    return drawn


def _seen(histories: Histories, ends: NDArray[np.int64], users: NDArray[np.int64]) -> tuple[Any, Any]:
    """Row numbers and items of everything that each user had up to and with the event."""
    counts = ends + 1 - histories.starts[users]
    rows = np.repeat(np.arange(len(ends)), counts)
    offset = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return torch.from_numpy(rows), torch.from_numpy(
        histories.items[np.repeat(histories.starts[users], counts) + offset]
    )


def _seed(seed: int, kind: str, bucket: int) -> int:
    """Spread (seed, generator, bucket) to a seed of 63 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{kind}|{bucket}".encode()).digest()[:8], "big") >> 1


@lru_cache(maxsize=4)
def _load(folder: str) -> Any:
    """Load a generator once a Python worker; a folder's name is the hash of what made it, so it never changes."""
    return load_generator(folder)
