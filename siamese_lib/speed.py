"""Settings of the process that cost nothing in exactness."""

import ctypes
import functools
import sys
import warnings
from collections.abc import Callable

import torch
from torch import nn

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
    return mallopt is not None and bool(mallopt(M_MMAP_THRESHOLD, 32 << 20) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


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
        warnings.warn(f"torch.compile failed ({type(error).__name__}); going on without it, about half as fast", stacklevel=3)
        return model
    return network
