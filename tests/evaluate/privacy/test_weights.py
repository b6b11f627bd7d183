"""Models whose answer is known: some take whoever taught them for likelier, some do not."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from tests.evaluate.privacy.test_audit import HISTORIES, ITEMS, USERS

from recaug.config import Gate
from recaug.evaluate.privacy.audit import Asked, audits
from recaug.evaluate.privacy.rows import pairs_of
from recaug.evaluate.privacy.weights import ModelScores, examine_weights
from recaug.results import Audit

SALTS = 5
RANDOM = np.random.default_rng(11)


def asked(fold: np.ndarray) -> Asked:
    sets = np.zeros((USERS, ITEMS + 1))
    for user, items in enumerate(HISTORIES):
        sets[user, items] = 1
    pairs = pairs_of(HISTORIES)
    return Asked(
        np.arange(USERS), fold, HISTORIES, csr_matrix(sets), pairs, np.full(len(pairs), True), np.ones(ITEMS + 1)
    )


def models(taught: float) -> list[ModelScores]:
    """Two a salt, that find their users likelier by so much; users differ by far more."""
    usual, found = RANDOM.normal(size=USERS) * 5, []
    for salt in range(SALTS):
        users = asked(RANDOM.integers(0, 2, USERS))
        for half in range(2):
            known = taught * (users.fold != half)
            rest, fidelity = usual + known + 0.3 * RANDOM.normal(size=USERS), known + RANDOM.normal(size=USERS)
            seen = {"next": RANDOM.normal(size=USERS), "rest": rest, "fidelity": fidelity}
            found.append(ModelScores(salt, users, half, seen))
    return found


@pytest.fixture(scope="module")
def audited() -> dict[str, Audit]:
    kinds = {"taught": models(0.6), "blind": models(0.0)}
    examined = {name: examine_weights(seen, 3) for name, seen in kinds.items()}
    examined["twice"] = examine_weights(kinds["taught"][:4], 3)
    return {audit.generator: audit for audit in audits(examined, Gate(bootstraps=100), 3, "weights")}


def areas(audit: Audit) -> dict[str, float]:
    return {attack.name: attack.auc.mean for attack in audit.attacks}


def test_shadow_models_find_what_users_differ_by_hides(audited: dict[str, Audit]) -> None:
    found = areas(audited["taught"])
    assert list(found) == ["next", "rest", "fidelity", "shadows", "user"]
    assert found["shadows"] > 0.65
    assert found["rest"] < 0.6 < found["fidelity"]
    assert audited["taught"].strongest in {"shadows", "user"}
    assert (audited["taught"].subject, audited["taught"].releases, audited["taught"].users) == ("weights", 10, USERS)


def test_models_that_nobody_taught_tell_nothing_and_copies_tell_all(audited: dict[str, Audit]) -> None:
    blind = audited["blind"]
    assert max(areas(blind).values()) < 0.56
    assert list(blind.controls) == ["copied"]
    assert blind.controls["copied"].mean > 0.95
    assert all(abs(area.mean - 0.5) < 0.06 for area in blind.baselines.values())


def test_two_salts_are_too_few_for_shadows(audited: dict[str, Audit]) -> None:
    assert "shadows" not in areas(audited["twice"])
