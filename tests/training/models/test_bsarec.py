import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from recaug.training.models.blocks import Rows
from recaug.training.models.bsarec import ALPHA, FREQUENCIES, BSARecBlock, low_pass

DIM = 8


def by_fft(x: Tensor, window: int) -> Tensor:
    """The low frequencies of a history (events, dim) at the end of a window of zeros, as published: by FFT."""
    padded = torch.cat([x.new_zeros(window - len(x), x.shape[1]), x])
    spectrum = torch.fft.rfft(padded, dim=0, norm="ortho")
    spectrum[FREQUENCIES:] = 0
    return torch.fft.irfft(spectrum, n=window, dim=0, norm="ortho")[window - len(x) :]


def rows_of(*lengths: int) -> Rows:
    """Rows of these lengths, padded to the longest."""
    n = torch.tensor(lengths)
    return Rows((torch.arange(int(n.max())) < n[:, None]).flatten().nonzero().squeeze(1), n, int(n.max()))


@pytest.mark.parametrize("window", [5, 20, 49])
def test_the_low_pass_is_the_published_one_over_the_padded_window(window: int) -> None:
    torch.manual_seed(0)
    matrix = low_pass(window)
    for n in range(1, window + 1):
        x = torch.randn(n, DIM)
        causal = torch.stack([by_fft(x[: end + 1], window)[-1] for end in range(n)])  # of each event as the last one
        torch.testing.assert_close(matrix[:n, :n] @ x, causal, atol=1e-5, rtol=1e-4)


def test_a_block_is_what_its_equations_say() -> None:
    torch.manual_seed(0)
    block, lengths = BSARecBlock(DIM, heads=1, dropout=0.0, window=6), (2, 5)
    x = torch.randn(sum(lengths), DIM)
    for own, given in zip(block(x, rows_of(*lengths)).split(lengths), x.split(lengths), strict=True):
        low = torch.stack([by_fft(given[: end + 1], 6)[-1] for end in range(len(given))])
        filtered = F.layer_norm(given + low + block.sqrt_beta**2 * (given - low), (DIM,))
        query, key, value = block.attention.query_key_value(given).chunk(3, dim=1)
        later = torch.ones(len(given), len(given)).triu(1).bool()
        chances = torch.softmax((query @ key.T / DIM**0.5).masked_fill(later, -torch.inf), dim=1)
        attended = F.layer_norm(given + block.attention.out(chances @ value), (DIM,))
        mixed = ALPHA * filtered + (1 - ALPHA) * attended
        expected = F.layer_norm(mixed + block.hidden_out(F.gelu(block.hidden_in(mixed))), (DIM,))
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-4)


def test_every_parameter_gets_a_gradient() -> None:
    torch.manual_seed(0)
    block, rows = BSARecBlock(DIM, heads=2, dropout=0.3, window=6, distances=6), rows_of(3, 6, 1)
    block(torch.randn(10, DIM), rows, last=True).sin().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
