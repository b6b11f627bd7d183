"""Who is first where two drivers can make the same commit, of which the later stays: on S3 without a log store.

There Delta looks whether a commit is there, and then writes it: two jobs that take a lake in the same moment would both
be told that they have it.
"""

import secrets
import time

from recaug.lake.filesystems import SCHEMES, parts
from recaug.lake.store import Store
from recaug.lake.tables import Lake

CLAIM = "_claim"  # in the lake's folder
SETTLE_SECONDS = 10.0  # longer than anybody takes from a claim that stood to the lease's commit, which others see
ON_DATABRICKS = "spark.databricks.clusterUsageTags.clusterId"  # whose commits go through a service of its own


def overwrites(lake: Lake) -> bool:
    """Whether a commit of this lake can take the place of another driver's."""
    if lake.path is None:  # the catalogue's
        return False
    scheme, conf = parts(lake.path).scheme, lake.spark.conf
    stores = (conf.get(key, None) for key in (f"spark.delta.logStore.{scheme}.impl", "spark.delta.logStore.class"))
    one_driver = all(store is None or "SingleDriver" in store for store in stores)  # as without, in Delta's own words
    return SCHEMES[scheme].overwrites and one_driver and conf.get(ON_DATABRICKS, None) is None


def claim(folder: Store, settle: float = SETTLE_SECONDS) -> bool:
    """Claim what a folder stands for: of all who do so within `settle` seconds the last one has it, and is told so.

    Who has it looks once more whether it is still free: somebody may have been through meanwhile.
    Source: Fischer's algorithm, in Lamport 1987, "A fast mutual exclusion algorithm".
    """
    own = secrets.token_hex(16)
    folder.write(CLAIM, own)
    time.sleep(settle)
    return folder.read(CLAIM).decode() == own


def away(settle: float = SETTLE_SECONDS) -> float:
    """Seconds before who did not have it may claim again: until the last one is through; not all at once then."""
    return settle * (2 + secrets.randbelow(1000) / 1000)
