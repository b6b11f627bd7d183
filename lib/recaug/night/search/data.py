"""The tables of search as arrays: the catalogue's words, queries by split, and what items are worth to them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recaug.clickstream.splits import SPLITS
from recaug.errors import NoRowsError
from recaug.evaluate.search_metrics import Judged
from recaug.generators.query_inputs import LOGGED
from recaug.night.context import Context
from recaug.recommend.search.catalogue import Catalogue, read_catalogue

QUERY_COLUMNS = ("query_id", "text", "count", "split", "users")


@dataclass(frozen=True, eq=False)
class SearchData:
    """What rankers are fitted and measured on.

    queries: query_id, text, count, split, users, in the order of their ids. judgements: query_index, item_index, gain,
    source, of items that the catalogue has.
    """

    catalogue: Catalogue
    queries: pd.DataFrame
    judgements: pd.DataFrame

    def of_split(self, split: str) -> pd.DataFrame:
        """The judgements of a split's queries."""
        in_split = (self.queries["split"] == split).to_numpy()
        return self.judgements[in_split[self.judgements["query_index"]]]

    def judged(self, split: str) -> Judged:
        """A split's queries that have a judgement, in the order of their ids."""
        rows = self.of_split(split)
        kept, of_row = np.unique(rows["query_index"], return_inverse=True)
        shape = (len(kept), len(self.catalogue))
        gains = csr_matrix((rows["gain"].to_numpy(np.float64), (of_row, rows["item_index"])), shape=shape)
        texts = self.queries["text"].to_numpy()[kept].tolist()
        return Judged(split, texts, gains, self.new_items(), self._slices(kept))

    def new_items(self) -> NDArray[np.bool_]:
        """Items that no train query has a gain of: (n_items,)."""
        train = self.of_split(SPLITS[0])
        new = np.ones(len(self.catalogue), np.bool_)
        new[train.loc[train["gain"] > 0, "item_index"]] = False
        return new

    def _slices(self, kept: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
        """Queries that make the first half of all searches, the next three tenths, and the rest; where counts are."""
        if not self.judgements["source"].isin(LOGGED).any() or self.queries["count"].nunique() == 1:
            return {}
        order = self.queries["count"].sort_values(ascending=False, kind="stable")
        before = ((order.cumsum() - order) / order.sum()).sort_index().to_numpy()[kept]
        return {"head": before < 0.5, "torso": (before >= 0.5) & (before < 0.8), "tail": before >= 0.8}


def read_search_data(context: Context) -> SearchData:
    """Read items, queries and judgements. Raises NoRowsError where a split has no query with a judged item."""
    lake = context.lake
    catalogue = read_catalogue(lake.read("items"), context.config.search_ranking.language)
    queries = lake.read("queries").select(*QUERY_COLUMNS).toPandas().sort_values("query_id", ignore_index=True)
    judged = lake.read("judgements").select("query_id", "item_id", "gain", "source").toPandas()
    data = number(catalogue, queries, judged)
    for split in SPLITS:
        if not (data.of_split(split)["gain"] > 0).any():
            raise NoRowsError(f"judgements: no query of the {split} split has an item of the catalogue with a gain")
    return data


def number(catalogue: Catalogue, queries: pd.DataFrame, judged: pd.DataFrame) -> SearchData:
    """Number queries and items from 0, in the order of their ids; what the catalogue lacks is left out."""
    of_query = pd.Series(np.arange(len(queries)), index=queries["query_id"])
    of_item = pd.Series(np.arange(len(catalogue)), index=list(catalogue.item_ids))
    known = judged[judged["query_id"].isin(of_query.index) & judged["item_id"].isin(of_item.index)]
    rows = pd.DataFrame(
        {
            "query_index": of_query.loc[known["query_id"]].to_numpy(),
            "item_index": of_item.loc[known["item_id"]].to_numpy(),
            "gain": known["gain"].to_numpy(np.float64),
            "source": known["source"].to_numpy(),
        }
    )
    ordered = rows.sort_values(["query_index", "item_index"], ignore_index=True)
    return SearchData(catalogue, queries, ordered)
