"""What draws queries for items: counts, a VAE, and controls that know nothing of which terms go together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from recaug.generators.query_counts import Ints, Translation, Vocabulary
from recaug.training.checkpoint import load_model
from recaug.training.models.query_vae import QueryVAE

BLOCK = 64  # items that are drawn for at once
FLOOR = 1e-12  # a chance that counts as none
COMMON, FEW = 0.02, 50  # a term of more than such a share of the items, and of more than so many, tells no siblings


class Drawn(NamedTuple):
    """A query that was drawn. items: whose queries or terms it is made of; queries: that it is."""

    item: int
    text: str
    items: tuple[int, ...] = ()
    queries: tuple[str, ...] = ()


class QuerySampler(Protocol):
    """Draws queries. Travels to the Python workers by pickle. version: of what it knows."""

    name: ClassVar[str]
    control: ClassVar[bool]

    @property
    def version(self) -> str:
        """Names the model, or the counts."""
        ...

    def draw(self, items: Ints, random: np.random.Generator) -> list[Drawn]:
        """Draw queries for some items, in their order."""
        ...


@dataclass(frozen=True, eq=False)
class Counted:
    """Terms by counted translation, of as many terms as a real query has."""

    translation: Translation
    vocabulary: Vocabulary
    left_out: Sequence[frozenset[int]]
    per_item: int
    version: str
    name: ClassVar[str] = "counts"
    control: ClassVar[bool] = False

    def draw(self, items: Ints, random: np.random.Generator) -> list[Drawn]:
        """Draw terms without one twice, by their chances (Gumbel, Yellott 1977)."""
        drawn: list[Drawn] = []
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            chances = self.chances(block, random)  # (items, draws, terms)
            lengths = random.choice(self.vocabulary.lengths, chances.shape[:2])
            logs = np.log(np.maximum(chances, FLOOR), dtype=np.float32)
            keys = logs + random.gumbel(size=chances.shape).astype(np.float32)
            keys[chances <= FLOOR] = -np.inf
            drawn += self._picked(block, keys, lengths)
        return drawn

    def _picked(self, block: Ints, keys: NDArray[np.float32], lengths: Ints) -> list[Drawn]:
        longest = int(min(max(lengths.max(initial=1), 1), keys.shape[2]))
        best = np.argpartition(-keys, longest - 1, axis=2)[:, :, :longest]
        values = np.take_along_axis(keys, best, axis=2)
        order = np.argsort(-values, axis=2)
        best, values = np.take_along_axis(best, order, axis=2), np.take_along_axis(values, order, axis=2)
        drawn = []
        for row, item in enumerate(block.tolist()):
            for number, length in enumerate(lengths[row].tolist()):
                kept = best[row, number, :length][np.isfinite(values[row, number, :length])].tolist()
                if kept:
                    drawn.append(Drawn(item, self.vocabulary.text(kept), (item,)))
        return drawn

    def chances(self, items: Ints, random: np.random.Generator) -> NDArray[np.float32]:
        """P(term | item), (items, draws, terms)."""
        told = self.translation.expected(items, [self.left_out[item] for item in items.tolist()])
        dense = np.asarray(told.todense(), np.float32)
        return np.broadcast_to(dense[:, None], (len(items), self.per_item, dense.shape[1]))


@dataclass(frozen=True, eq=False)
class Variational(Counted):
    """Terms by the conditional VAE, whose latent is drawn anew for each query. terms: (items, width) as it reads them.

    Its terms are those that the counts know for the item, so that what is generated has a reason.
    """

    folder: str = ""
    terms: NDArray[np.int32] = None  # type: ignore[assignment]
    name: ClassVar[str] = "vae"

    @cached_property
    def model(self) -> QueryVAE:
        """The finished model."""
        model = load_model(self.folder)
        assert isinstance(model, QueryVAE)
        return model

    def chances(self, items: Ints, random: np.random.Generator) -> NDArray[np.float32]:
        """P(term | item, z) over the terms that the counts know."""
        counted = super().chances(items, random)[:, 0]
        noise = random.standard_normal((len(items) * self.per_item, self.model.z_dim)).astype(np.float32)
        read = torch.from_numpy(self.terms[items].astype(np.int64)).repeat_interleave(self.per_item, dim=0)
        with torch.no_grad():
            change = self.model.change(read, torch.from_numpy(noise)).numpy()
        return counted[:, None] * np.exp(change.reshape(len(items), self.per_item, -1))


@dataclass(frozen=True, eq=False)
class TitleItself:
    """A control: the title as the query."""

    titles: Sequence[str]
    version: str = "title"
    name: ClassVar[str] = "title"
    control: ClassVar[bool] = True

    def draw(self, items: Ints, random: np.random.Generator) -> list[Drawn]:
        """Give the titles that have a word."""
        return [Drawn(item, self.titles[item], (item,)) for item in items.tolist() if self.titles[item]]


@dataclass(frozen=True, eq=False)
class RandomWords:
    """A control: words drawn at random from the item, as many as a real query has."""

    words: Sequence[Sequence[str]]
    lengths: Ints
    per_item: int
    version: str = "words"
    name: ClassVar[str] = "words"
    control: ClassVar[bool] = True

    def draw(self, items: Ints, random: np.random.Generator) -> list[Drawn]:
        """Draw each word once at most, in the item's order."""
        drawn = []
        for item in items.tolist():
            own = list(dict.fromkeys(self.words[item]))
            for length in random.choice(self.lengths, self.per_item).tolist() if own else ():
                places = np.sort(random.permutation(len(own))[: max(length, 1)])
                drawn.append(Drawn(item, " ".join(own[place] for place in places), (item,)))
        return drawn


@dataclass(frozen=True, eq=False)
class Siblings:
    """A control: real train queries of the items nearest by title, the item's own left out.

    items: (items, terms), 1 where it has it. queries: of each item, (query_id, text) of its train queries.
    """

    items: csr_matrix
    queries: Sequence[Sequence[tuple[str, str]]]
    per_item: int
    version: str = "siblings"
    name: ClassVar[str] = "siblings"
    control: ClassVar[bool] = True

    @cached_property
    def vectors(self) -> csr_matrix:
        """Items' terms by how rare they are, to length 1; without those that too many items have."""
        df = np.asarray(self.items.sum(axis=0)).ravel()
        n = self.items.shape[0]
        rare = np.where(df <= max(COMMON * n, FEW), np.log1p(n / np.maximum(df, 1)), 0.0)
        weighed = csr_matrix(self.items @ diags(rare))
        weighed.eliminate_zeros()
        lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)).ravel())
        return csr_matrix(diags(1 / np.maximum(lengths, 1e-9)) @ weighed)

    @cached_property
    def asked(self) -> Ints:
        """Items that a train query has led to."""
        return np.flatnonzero([len(own) > 0 for own in self.queries])

    @cached_property
    def asked_columns(self) -> csr_matrix:
        """Their vectors, as columns."""
        return csr_matrix(self.vectors[self.asked].T)

    def draw(self, items: Ints, random: np.random.Generator) -> list[Drawn]:
        """Take the queries of the nearest items, nearest first, each text once."""
        drawn = []
        for start in range(0, len(items), BLOCK):
            block = items[start : start + BLOCK]
            near = csr_matrix(self.vectors[block] @ self.asked_columns)
            for row, item in enumerate(block.tolist()):
                places = slice(near.indptr[row], near.indptr[row + 1])
                order = np.lexsort((near.indices[places], -near.data[places].round(6)))[: 4 * self.per_item]
                drawn += self._taken(item, self.asked[near.indices[places][order]].tolist())
        return drawn

    def _taken(self, item: int, near: Sequence[int]) -> list[Drawn]:
        own = {text for _, text in self.queries[item]}
        taken: dict[str, Drawn] = {}
        for other in near:
            for query, text in self.queries[other] if other != item else ():
                if text not in own and len(taken) < self.per_item:
                    taken.setdefault(text, Drawn(item, text, (other,), (query,)))
        return list(taken.values())
