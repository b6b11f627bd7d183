"""What the training loop sees of the ranks it runs on: their number, its device, and how they average."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from recaug.training.sparse import numbers

SHARED = 1 << 28  # bytes in one broadcast: Horovod counts in int32


class Worker:
    """One rank among `size`; here the only one. launchers/ has the ranks of each launcher, with its primitives.

    device: where this rank computes, a GPU by local rank where there is one. reader: of its rows, see readers.reader.
    """

    reader: str | None = None

    def __init__(self, rank: int = 0, size: int = 1, local_rank: int = 0) -> None:
        self.rank, self.size = rank, size
        gpus = torch.cuda.device_count()
        self.device = torch.device(f"cuda:{local_rank % gpus}") if gpus else torch.device("cpu")

    def all_reduce(self, flat: Tensor) -> Tensor:
        """Sum a flat tensor over the ranks; the tensor given may be overwritten."""
        return flat

    def broadcast_from_first(self, flat: Tensor) -> Tensor:
        """Give every rank what rank 0 has."""
        return flat

    def share(self, content: bytes) -> bytes:
        """Give every rank rank 0's bytes, whatever its own are."""
        if self.size == 1:
            return content
        length = int(self.broadcast_from_first(torch.tensor([len(content)], device=self.device))[0])
        parts = []
        for start in range(0, length, SHARED):
            size = min(SHARED, length - start)
            part = torch.zeros(size, dtype=torch.uint8)
            if self.rank == 0:
                part = torch.frombuffer(bytearray(content[start : start + size]), dtype=torch.uint8)
            parts.append(self.broadcast_from_first(part.to(self.device)).cpu().numpy().tobytes())
        return b"".join(parts)

    def agree(self, digest: str) -> bool:
        """Say whether every rank gives the same hexadecimal digest; the same answer on every rank."""
        own = list(bytes.fromhex(digest))
        table = torch.zeros(self.size, len(own), dtype=torch.int64, device=self.device)
        table[self.rank] = torch.tensor(own)
        gathered = self.all_reduce(table.flatten()).view_as(table)
        return bool((gathered == gathered[0]).all())

    def broadcast(self, module: nn.Module) -> None:
        """Start all ranks from rank 0's weights; buffers are the same by construction."""
        if self.size == 1:
            return
        parameters = [parameter.data for parameter in module.parameters()]
        _scatter(self.broadcast_from_first(_flatten(parameters)), parameters)

    def average_gradients(self, parameters: Iterable[nn.Parameter], weight: Tensor) -> Tensor:
        """Turn each rank's gradient of a summed loss into the gradient of the mean over all ranks' weight.

        One fused all-reduce carries gradients and weight, so the result equals that of one process with the whole
        batch. Of sparse gradients the ranks exchange the rows that they have. weight: scalar, what this rank's loss was
        summed over. Returns the weight over all ranks.
        """
        gradients, dense = [], []
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad.is_sparse:
                parameter.grad = self._sum_rows(parameter.grad.coalesce())
            else:
                dense.append(parameter.grad)
            gradients.append(numbers(parameter.grad))
        total = weight.detach().reshape(1).float()
        if self.size > 1:
            flat = self.all_reduce(torch.cat([_flatten(dense), total]))
            _scatter(flat[:-1], dense)
            total = flat[-1:]
        torch._foreach_mul_(gradients, 1.0 / total.clamp(min=1e-9).item())
        return total[0]

    def _sum_rows(self, gradient: Tensor) -> Tensor:
        """Sum a coalesced sparse gradient over the ranks, each of which has a part of a table to fill."""
        if self.size == 1:
            return gradient
        rows, values = gradient.indices()[0], gradient.values()
        counts = torch.zeros(self.size, dtype=torch.int64, device=rows.device)
        counts[self.rank] = len(rows)
        counts = self.all_reduce(counts)
        most = int(counts.max())
        places = torch.zeros((self.size, most), dtype=torch.int64, device=rows.device)
        table = values.new_zeros(self.size, most, *values.shape[1:])
        places[self.rank, : len(rows)], table[self.rank, : len(rows)] = rows, values
        places, table = (self.all_reduce(own.flatten()).view_as(own) for own in (places, table))
        there = torch.arange(most, device=rows.device) < counts[:, None]
        return torch.sparse_coo_tensor(
            places[there][None], table[there], gradient.shape, check_invariants=False
        ).coalesce()

    def mean(self, sums: Mapping[str, float], weight: float) -> dict[str, float]:
        """Divide sums by the weight, both over all ranks."""
        flat = torch.tensor([*sums.values(), weight], dtype=torch.float64, device=self.device)
        *totals, total = self.all_reduce(flat).tolist()
        return {name: value / max(total, 1e-9) for name, value in zip(sums, totals, strict=True)}


def _flatten(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _scatter(flat: Tensor, tensors: list[Tensor]) -> None:
    """Copy slices of a flat tensor back into the tensors that it was made of."""
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
