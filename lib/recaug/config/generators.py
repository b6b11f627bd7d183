"""Section augment: which generators there are, each with settings of its own, and how they are sampled."""

import importlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from recaug.config.base import Positive, Strict

TOGETHER = "+"  # between the generators of an arm that has the rows of several
REGISTRY = "recaug.generators.registry"  # by name, for imports run downwards only
USUAL = ({"kind": "vae"}, {"kind": "counts"})  # what a night of which nothing is said generates with
RESERVED = ("none", "policy")  # arms of the evaluation


class Entry:
    """A generator as the YAML gives it; generators/base.py has the class, and generators/registry.py the kinds.

    kind: of the registry, or the class path `package.module:Class` of one's own.
    """

    __slots__ = ()
    kind: str
    control: ClassVar[bool]
    private: ClassVar[bool]

    @property
    @abstractmethod
    def name(self) -> str:
        """As in the column `generator`."""

    @property
    @abstractmethod
    def continuations(self) -> int:
        """Generated next items after each real event; 0 where it writes none."""

    @property
    @abstractmethod
    def histories(self) -> float:
        """Generated users a real user; 0 where it writes none."""

    def rows(self, kind: str) -> bool:
        """Say whether it writes such rows: `all`, `head`, `tail` (continuations with such items) or `histories`."""
        return kind == "all" or bool(self.histories if kind == "histories" else self.continuations)


def decode_entry(kind: type, value: Any) -> Any:
    """Make the generator of an entry: the hook of msgspec.convert for the type Entry."""
    if kind is not Entry:
        raise NotImplementedError(kind)  # as msgspec wants it of a type that the hook does not know
    try:
        return importlib.import_module(REGISTRY).decode(value)
    except msgspec.ValidationError as error:  # which msgspec would pass on without the place of the entry
        raise ValueError(str(error)) from error


class Augment(Strict, kw_only=True):
    """Batch sampling.

    generators: each an arm of the evaluation, unless evaluate.policy chooses among them. An entry's kind says which
        generator it is, `name` what its rows are called (the kind where it is left out), `draw` what is sampled from
        it; the other keys are the generator's own.
    buckets: users are hashed into so many; a bucket is sampled as one unit. batch_rows: contexts at once.
    max_users: samples are drawn of so many users, those of the lowest hash (null: of all).
    together: names of generators whose rows are one more arm, or choice of a policy, as in `counts+rare_items`.
    alone: each generator's rows are an arm or a choice, too; false: only those that are together.

    The default is the VAE and the counts, the two whose rows lifted Beauty and Toys; the policy chooses among them.
    """

    generators: list[Entry] = msgspec.field(default_factory=lambda: [decode_entry(Entry, each) for each in USUAL])
    buckets: Positive = 16
    batch_rows: Positive = 128
    max_users: Positive | None = None
    together: list[list[str]] = []
    alone: bool = True

    def __post_init__(self) -> None:
        """Check what spans several keys."""
        for name in self.names:
            if self.names.count(name) > 1 or name in RESERVED:
                raise ValueError(f"generators: {name} is taken; give one a name of its own")
        for entry in self.generators:
            if not entry.continuations and not entry.histories:
                raise ValueError(f"generators: {entry.name} draws nothing; give its draw, or leave it out")
        for joined in self.together:
            if len(joined) < 2 or len(set(joined)) < len(joined) or set(joined) - set(self.names):
                raise ValueError(f"together: {joined} are not two or more of the generators {self.names}")
        if not self.alone and not self.together:
            raise ValueError("alone: false leaves no rows to add; name in together which generators' rows are added")

    @property
    def names(self) -> list[str]:
        """Those of the generators, in order."""
        return [entry.name for entry in self.generators]

    @property
    def controls(self) -> list[str]:
        """Names of the generators whose rows are there to be beaten."""
        return [entry.name for entry in self.generators if entry.control]

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """What can be added: the rows of each generator, and of those that are together."""
        alone = [(name,) for name in self.names] if self.alone else []
        return [*alone, *map(tuple, self.together)]

    @property
    def choices(self) -> list[tuple[str, ...]]:
        """The groups that a policy chooses among: not those of controls alone."""
        return [names for names in self.groups if not set(names) <= set(self.controls)]

    def entry(self, name: str) -> Entry:
        """The generator of this name. Raises KeyError where there is none."""
        return {entry.name: entry for entry in self.generators}[name]

    def slots(self, names: Sequence[str]) -> int:
        """Continuations of an event that an arm with the rows of these generators has room for."""
        return max(1, sum(self.entry(name).continuations for name in names))

    def rows_of(self, names: Sequence[str], kinds: Sequence[str]) -> list[str]:
        """Those of the kinds of rows that one of these generators writes."""
        return [kind for kind in kinds if any(self.entry(name).rows(kind) for name in names)]
