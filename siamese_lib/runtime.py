"""The machine under a run: device, processes (torchrun), settings that change no number, compilation."""

import contextlib
import ctypes
import datetime
import functools
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from siamese_lib.errors import InputError
from siamese_lib.files import private_folder


def saved(state: dict) -> bytes:
    """What torch.save writes. Into a file on a full disk it raises RuntimeError, which names neither the file
    nor the disk (torch 2.13.0).
    """
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


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
            f"device={name!r} asked for, but this machine has {torch.cuda.device_count()} CUDA devices; "
            "use --device cpu"
        )
    if device.type not in ("cpu", "cuda") or (device.type == "cpu" and device.index is not None):
        raise InputError(f"device={name!r} is not supported; use cpu or cuda")
    return device


def local_device(name: str | None) -> str | None:
    """The CUDA device of a process under torchrun: `cuda` or None becomes `cuda:LOCAL_RANK`.

    Raises:
        InputError: this machine has fewer CUDA devices than processes.
    """
    if "LOCAL_RANK" not in os.environ or not torch.cuda.is_available() or name not in (None, "cuda"):
        return name
    rank, count = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if rank >= count:
        raise InputError(
            f"process {rank} has no CUDA device of its own (this machine has {count}); "
            f"start torchrun with --nproc-per-node {count}"
        )
    return f"cuda:{rank}"


def _number(name: str, default: str, least: int, most: int = 1_000_000) -> int:
    """The whole number in an environment variable of torchrun."""
    given = os.environ.get(name) or default
    if not (given.isascii() and given.isdigit() and least <= int(given) <= most):
        raise InputError(
            f"{name}={given}: a whole number from {least} to {most} wanted; "
            "start with torchrun, or unset WORLD_SIZE"
        )
    return int(given)


class Processes:
    """The processes of one run; they share the seed, so all of them draw the same batches.

    A step's embeddings are gathered, so that the loss sees the whole batch, its triplets across processes
    included: the gradient is that of one process with the same batch, up to the order of float additions.

    Attributes:
        rank, count: which of how many.
        first: whether this is the one that writes files.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count, self.first = rank, count, rank == 0

    @classmethod
    def start(cls, device: torch.device) -> "Processes":
        """Join the others where torchrun, or whatever sets WORLD_SIZE, started several; else one alone.

        Raises:
            InputError: WORLD_SIZE without the other variables of torchrun, or one that is not a number or out
                of its range.
        """
        count = _number("WORLD_SIZE", "1", 1)
        if count == 1:
            return cls()
        names = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
        if missing := [name for name in names if not os.environ.get(name)]:
            raise InputError(
                f"WORLD_SIZE={count}, but {', '.join(missing)} are not set; "
                "start with torchrun, or unset WORLD_SIZE"
            )
        for name, most in (("RANK", count - 1), ("LOCAL_RANK", count - 1), ("MASTER_PORT", 65_535)):
            _number(name, "", 0, most)
        from torch import distributed

        if not distributed.is_initialized():
            if device.type == "cuda":
                torch.cuda.set_device(device)
            backend = "nccl" if device.type == "cuda" else "gloo"
            distributed.init_process_group(backend, timeout=datetime.timedelta(days=1))
        return cls(distributed.get_rank(), count)

    def share(self, images: Tensor) -> Tensor:
        """This process's share of images (n, ...): consecutive ones, of equal number but for the last."""
        size = -(-len(images) // self.count)
        return images[self.rank * size : (self.rank + 1) * size]

    def gather(self, outputs: Tensor, n: int) -> Tensor:
        """Outputs of this share (share, D) -> of all n images, in order; gradients flow into its own rows."""
        if self.count == 1:
            return outputs
        from torch import distributed

        size = -(-n // self.count)
        mine = outputs.detach().new_zeros(size, *outputs.shape[1:])
        mine[: len(outputs)] = outputs.detach()
        everyone = [torch.empty_like(mine) for _ in range(self.count)]
        distributed.all_gather(everyone, mine)
        rows = [share[: max(0, min(size, n - rank * size))] for rank, share in enumerate(everyone)]
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
    """Ask glibc to keep freed memory for the next step, rather than return it and fault it in again.

    The largest block of a step of 256 images, the output of the first layer, has 20 MB.

    Returns:
        Whether it does (on Linux with glibc).
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
    # By default this mode also fills every new tensor, which is lost time: none is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Same bits from the same seed, and afterwards torch's own settings as they were."""
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        deterministic(device)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before, warn_only=warned)
            torch.utils.deterministic.fill_uninitialized_memory = filled


def compiled(model: nn.Module, try_it: Callable[[nn.Module], object]) -> nn.Module:
    """The model under torch.compile; where that fails, a warning and the plain model.

    Args:
        model: the network.
        try_it: calls the compiled network with every shape to come, so that it is compiled now.
    """
    # torch's own default is a folder of a fixed name that others may have made
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(private_folder("inductor")))
    network = torch.compile(model, dynamic=False)
    try:
        try_it(network)
    except Exception as error:  # whatever compiler and C++ tool chain raise: the plain one gives the same
        cause = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
        warnings.warn(
            f"torch.compile failed ({type(error).__name__}: {cause[:200]}); going on without, half as fast",
            stacklevel=3,
        )
        return model
    return network
