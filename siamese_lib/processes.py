"""Data parallelism under torchrun: each process embeds its share of a step's images and computes the loss of all of them."""

import datetime
import os

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError


class Processes:
    """The processes of one run; every one of them draws the same batches, as they share the seed.

    A step's embeddings are gathered, so that the loss sees the whole batch, its triplets across processes included: the gradient is that of
    one process with the same batch, up to the order of float additions. Attributes: `rank`, `count`; `first` for the one that writes files.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count, self.first = rank, count, rank == 0

    @classmethod
    def start(cls, device: torch.device) -> "Processes":
        """Join the others where torchrun (or anything that sets WORLD_SIZE) has started several; else one alone."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        from torch import distributed

        if not distributed.is_initialized():
            if device.type == "cuda":
                torch.cuda.set_device(device)
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=datetime.timedelta(days=1))
        return cls(distributed.get_rank(), count)

    def share(self, images: Tensor) -> Tensor:
        """This process's share of images (n, ...): consecutive ones, as many as any other's or fewer at the end."""
        size = -(-len(images) // self.count)
        return images[self.rank * size : (self.rank + 1) * size]

    def gather(self, outputs: Tensor, n: int) -> Tensor:
        """The outputs of all shares of n images, in order: (share, D) -> (n, D). Gradients flow into this process's own rows alone."""
        if self.count == 1:
            return outputs
        from torch import distributed

        size = -(-n // self.count)
        mine = outputs.detach().new_zeros(size, *outputs.shape[1:])
        mine[: len(outputs)] = outputs.detach()
        everyone = [torch.empty_like(mine) for _ in range(self.count)]
        distributed.all_gather(everyone, mine)
        rows = [each[: max(0, min(size, n - rank * size))] for rank, each in enumerate(everyone)]
        rows[self.rank] = outputs
        return torch.cat(rows)

    def add_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by the sum over processes, which is the gradient of the whole batch."""
        if self.count == 1:
            return
        from torch import distributed

        gradients = [p.grad for p in model.parameters()]
        flat = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(flat)
        for gradient, total in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            from torch import distributed

            distributed.barrier()


def local_device(name: str | None) -> str | None:
    """Under torchrun, which of this machine's CUDA devices the process takes: `cuda` or None becomes `cuda:LOCAL_RANK`."""
    if "LOCAL_RANK" not in os.environ or not torch.cuda.is_available() or name not in (None, "cuda"):
        return name
    rank, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if rank >= count:
        raise InputError(f"process {rank} has no CUDA device of its own (this machine has {count}); start torchrun with --nproc-per-node {count}")
    return f"cuda:{rank}"
