"""Work in a child process that is killed: at a moment, or at one of its own file replacements."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def finishes(work: Callable[[], object], kill_after: float | None = None) -> bool:
    """Do the work in a child process; kill it after so many seconds.

    Returns:
        True where it ended by itself, False where it was killed.
    """
    child = os.fork()
    if not child:
        _work_and_leave(work)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"ended by signal {os.WTERMSIG(status)}"
        return False
    assert os.WEXITSTATUS(status) == 0, "the child failed; its error is above"
    return True


def killed_at_replacement(
    number: int, before: bool
) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Work whose process kills itself at the so-manieth file that takes the place of another, just before or
    just after it does.
    """

    def wrap(work: Callable[[], object]) -> Callable[[], object]:
        def mortal() -> None:
            left, replace = number, os.replace

            def dying(source, target) -> None:
                nonlocal left
                left -= 1
                if not left and before:
                    os.kill(os.getpid(), signal.SIGKILL)
                replace(source, target)
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

            os.replace = dying
            work()

        return mortal

    return wrap


def _work_and_leave(work: Callable[[], object]) -> None:
    """In the child: never come back to pytest."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of all files beneath a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def complaint_of(work: Callable[[], object]) -> str | None:
    """Do the work in a child process; the message of the InputError that ends it, None without one."""
    from siamese_lib.errors import InputError

    there, here = os.pipe()

    def tell() -> None:
        try:
            work()
        except InputError as error:
            os.write(here, str(error).encode())

    finished = finishes(tell)
    os.close(here)
    with open(there, encoding="utf-8") as file:
        message = file.read()
    assert finished
    return message or None
