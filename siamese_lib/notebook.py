"""What every notebook does first: refuse parameters it does not know, choose a drawing style."""

import os
import tempfile
import types
from collections.abc import Iterable, Mapping

from siamese_lib.errors import InputError

_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def check_parameters(namespace: Mapping[str, object], known: Iterable[str]) -> None:
    """Refuse what papermill injected under a name the notebook does not use; papermill itself only logs a warning.

    Args:
        namespace: `globals()` of the notebook, before it has defined anything but its parameters.
        known: the names of its parameters.

    Raises:
        InputError: any other name, with the list of the known ones.
    """
    known = list(known)
    given = {name for name, value in namespace.items() if not name.startswith("_") and not isinstance(value, types.ModuleType)}
    unknown = sorted(given - set(known) - _IPYTHON - {"start"})
    if unknown:
        raise InputError(f"unknown parameter {', '.join(unknown)}; this notebook takes {', '.join(known)}")


def start(namespace: Mapping[str, object], known: Iterable[str]) -> None:
    """First call of a notebook: `check_parameters`, then the package's drawing style and a writable cache for umap's compiler."""
    check_parameters(namespace, known)
    os.environ.setdefault("NUMBA_CACHE_DIR", os.path.join(tempfile.gettempdir(), "siamese_lib-numba"))
    from siamese_lib.plots import use_style

    use_style()
