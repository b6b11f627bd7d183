import pytest
import torch

from recaug.generators.rejection import reject


def test_what_is_kept_comes_closer_to_the_real_distribution() -> None:
    real = torch.tensor([0.0, 0.4, 0.3, 0.2, 0.1])
    generated = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])
    random = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(generated.expand(20_000, -1), 4, replacement=True, generator=random)
    optimal = real / (real + generated).clamp(min=1e-9)  # of the discriminator
    kept, realness = reject(drawn, optimal[drawn], 1, random)
    found = torch.bincount(kept[kept > 0], minlength=5) / (kept > 0).sum()

    def distance(shares: torch.Tensor) -> float:
        return float((shares - real).abs().sum()) / 2

    assert distance(found) < distance(generated) / 3
    assert torch.equal(realness, optimal[kept].where(kept > 0, 0.0))


def test_a_discriminator_that_knows_nothing_keeps_the_distribution() -> None:
    generated = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])
    random = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(generated.expand(20_000, -1), 4, replacement=True, generator=random)
    kept, _ = reject(drawn, torch.full(drawn.shape, 0.5), 2, random)
    found = torch.bincount(kept[kept > 0], minlength=5) / (kept > 0).sum()
    assert found.tolist() == pytest.approx(generated.tolist(), abs=0.01)


def test_nothing_drawn_is_nothing_kept_and_where_all_are_rejected_the_row_is_empty() -> None:
    random = torch.Generator().manual_seed(0)
    none = torch.zeros(2, 4, dtype=torch.int64)
    assert reject(none, torch.full((2, 4), 0.5), 2, random)[0].tolist() == [[0, 0], [0, 0]]
    drawn = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    kept, realness = reject(drawn, torch.tensor([[0.999] * 4, [0.001] * 4]), 2, random)
    assert kept[0].tolist() == [1, 2]
    assert kept[1].tolist() == [0, 0]
    assert realness[1].tolist() == [0.0, 0.0]
