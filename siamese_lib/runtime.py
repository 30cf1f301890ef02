"""The machine under a run: its device, its processes (torchrun), settings that cost nothing in exactness, compilation."""

import ctypes
import datetime
import functools
import os
import sys
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError


def seeded_generator(seed: int, device: torch.device) -> torch.Generator:
    """The one source of chance of a run, on the device where the batches are made."""
    return torch.Generator(device).manual_seed(seed)


def choose_device(name: str | None) -> torch.device:
    """`cpu`, `cuda`, `cuda:1` ...; None: CUDA where it is, else the CPU.

    Raises:
        InputError: CUDA is asked for and absent, or the name is unknown.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"device={name!r} is unknown; use cpu or cuda") from error
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise InputError(
            f"device={name!r} asked for, but this machine has {torch.cuda.device_count()} CUDA devices; use --device cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"device={name!r} is not supported; use cpu or cuda")
    return device


def local_device(name: str | None) -> str | None:
    """Under torchrun, which of this machine's CUDA devices the process takes: `cuda` or None becomes `cuda:LOCAL_RANK`."""
    if "LOCAL_RANK" not in os.environ or not torch.cuda.is_available() or name not in (None, "cuda"):
        return name
    rank, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if rank >= count:
        raise InputError(
            f"process {rank} has no CUDA device of its own (this machine has {count}); start torchrun with --nproc-per-node {count}"
        )
    return f"cuda:{rank}"


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
            distributed.init_process_group(
                "nccl" if device.type == "cuda" else "gloo", timeout=datetime.timedelta(days=1)
            )
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


# glibc's names: malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


@functools.cache
def keep_memory() -> bool:
    """Ask glibc to keep freed memory for the next step, rather than to return it and fault it in again, page by page (Linux; True if it does).

    The largest block of a step of 256 images, the output of the first layer, has 20 MB.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # absent in musl
    return mallopt is not None and bool(
        mallopt(M_MMAP_THRESHOLD, 32 << 20) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    )


def deterministic(device: torch.device) -> None:
    """Same bits from the same seed; on CUDA a warning where an operation has no such version."""
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    # By default this mode also fills every new tensor, a pass over memory for nothing: no tensor here is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False


def compiled(model: nn.Module, try_it: Callable[[nn.Module], object]) -> nn.Module:
    """torch.compile; `try_it` calls it with every shape to come, so that it is compiled now. The plain model, with a warning, where that fails."""
    network = torch.compile(model, dynamic=False)
    try:
        try_it(network)
    except Exception as error:  # whatever the compiler or the C++ tool chain raises: the plain network gives the same numbers
        warnings.warn(
            f"torch.compile failed ({type(error).__name__}); going on without it, about half as fast",
            stacklevel=3,
        )
        return model
    return network
