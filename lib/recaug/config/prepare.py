"""Sections prepare, negatives and covisitation: windows, splits and what is counted."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from recaug.config.base import Count, NonNegative, Positive, PositiveShare, Share, Strict
from recaug.config.search import PrepareSearch


class Holdout(Strict, kw_only=True):
    """What the splits `share` and `users` hold out.

    share: of a user's events, that the test takes. validation_share: of the others (`share`). folds: users fall into so
    many; fold: the one that is the test, the next one the validation (`users`).
    """

    share: Annotated[float, Meta(gt=0, lt=1)] = 0.25
    validation_share: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    folds: Annotated[int, Meta(ge=3)] = 5
    fold: Count = 0

    def __post_init__(self) -> None:
        """Check that the fold is one."""
        if self.fold >= self.folds:
            raise ValueError(f"prepare.holdout.fold {self.fold} is none of the {self.folds} from 0")


class Prepare(Strict, kw_only=True):
    """Windows before the night's date D, in days: train, then validation, then test, which ends with D.

    split: `time` cuts by these windows. `leave_one_out`, for logs that know only the order: of all events of the
        windows each user's last one is the test, the one before it the validation. `share`: of the same events a share
        of each user's, drawn by hash, whatever their time. `users`: users of whom no event is learnt from, their last
        share of events held out and the others folded in as their history.
    holdout: of the splits `share` and `users`.
    train_days, validation_days, test_days: of each window; where the split is not by time they hold the log together.
    task: `repeat` may recommend what the user had before; `discovery` counts only products new to the user and
        masks those already seen.
    event_types: which of our event types make a sequence; [] for all that the source gives.
    min_item_users: an item enters the vocabulary when so many users of the train window had it; 0: so does the whole
        catalogue, whose new items only generated rows can teach the recommender.
    max_length: events of a sequence; a longer history is cut into windows that overlap by one event.
    folds: K of the cross-fit: samples of a fold come from a generator trained on the other folds.
    cold_events: a user with so many events or fewer before the test window counts as cold.
    head_share: the most frequent items that make this share of the train events are the head, the others the tail.
    user_share: of the users, the first by a hash; the others are not looked at. A smaller share's are among a larger's.
    core: users and items with so many events or more are kept, until all that are left have as many. Published data
        sets are made so (k-core), with the held-out events counted too: for comparison with them, not for a shop.
    search: what becomes of source.search.

    The defaults are of whole weeks, so that each day of the week weighs as much in every window.
    """

    split: Literal["time", "leave_one_out", "share", "users"] = "time"
    holdout: Holdout | None = None
    task: Literal["repeat", "discovery"] = "discovery"
    event_types: list[str] = []
    train_days: Positive = 21
    validation_days: Positive = 7
    test_days: Positive = 7
    min_item_users: Count = 3
    max_length: Annotated[int, Meta(ge=4)] = 50
    folds: Annotated[int, Meta(ge=2)] = 2
    cold_events: Count = 5
    head_share: Share = 0.5
    user_share: PositiveShare = 1.0
    core: Positive = 1
    search: PrepareSearch = PrepareSearch()

    @property
    def holds_out(self) -> bool:
        """Whether any event is held out of what is learnt from."""
        return self.split != "time" or self.validation_days + self.test_days > 0

    def whole(self) -> "Prepare":
        """The same days, of which all may be learnt from: the windows of validation and test have none."""
        days = self.train_days + self.validation_days + self.test_days
        return msgspec.structs.replace(self, split="time", train_days=days, validation_days=0, test_days=0)

    def __post_init__(self) -> None:
        """Check that the split has what it needs."""
        if self.split in ("share", "users") and self.holdout is None:
            raise ValueError(f"prepare.split {self.split} needs prepare.holdout")


class Negatives(Strict, kw_only=True):
    """Negatives drawn in proportion to popularity^alpha, never one of the user's own items.

    alpha: exponent of the popularity; 0: uniform. per_user: draws a user.
    """

    alpha: NonNegative = 0.75
    per_user: Positive = 100


class CoVisitation(Strict, kw_only=True):
    """Counts of what users had together; both the baseline and the generators' informed input.

    window: how many events further on still count as together.
    backward: weight of a pair against the order of time (1: order does not matter).
    decay: weight of the history's older events at scoring, per event.
    neighbours: kept for each item.

    Without this section prepare counts in four ways (baskets, sessions, short sessions, sequences) and takes the one
    that ranks validation users best. A section decides it, and what it leaves out is as of baskets.
    """

    window: Positive = 50
    backward: NonNegative = 1.0
    decay: Share = 0.95
    neighbours: Positive = 100


# In baskets the order says little, and all that a user had says what comes next; where one thing follows another, the
# last ones do. Sessions lie between, with an older event's weight that falls slowly or soon.
WAYS: Mapping[str, CoVisitation] = {
    "baskets": CoVisitation(),
    "sessions": CoVisitation(window=20, backward=0.5, decay=0.8),
    "short sessions": CoVisitation(window=20, backward=0.5, decay=0.6),
    "sequences": CoVisitation(window=20, backward=0.1, decay=0.45),
}
