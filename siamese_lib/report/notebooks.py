"""Running the notebooks with papermill: `execute`, `refresh`, `reproduce`."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from siamese_lib.errors import InputError
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.tables import TABLES
from siamese_lib.files import FOLDERS, absolute, repository_root, runs_folder

MAIN = 4  # notebooks 00 to 03
# Without ipykernel's own log: a warning about sockets at each start, often an error at the end. Warnings of
# Python code, errors of cells and the death of a kernel are not part of it.
QUIET = ["--IPKernelApp.log_level=CRITICAL"]


def notebook_files(everything: bool) -> list[Path]:
    """The numbered notebooks in order: 00 to 03, or all."""
    files = sorted((repository_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return files if everything else files[:MAIN]


def execute(notebook: Path, target: Path, parameters: dict | None = None) -> None:
    """Run a notebook with papermill into `target`; a stale target is removed first.

    Raises:
        InputError: a parameter that the notebook lacks, or a cell or the kernel that failed.
    """
    import nbclient.exceptions
    import papermill

    source, result = (str(path).replace("{", "{{").replace("}", "}}") for path in (notebook, target))
    known = papermill.inspect_notebook(source)  # papermill fills in braces of a path
    unknown = sorted(set(parameters or {}) - set(known))
    if unknown:
        raise InputError(
            f"{notebook.name}: unknown parameter {', '.join(unknown)}; it takes {', '.join(known)}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        papermill.execute_notebook(
            source,
            result,
            parameters,
            kernel_name="python3",
            cwd=str(notebook.parent),
            progress_bar=False,
            log_output=True,
            extra_arguments=QUIET,
        )
    except papermill.PapermillExecutionError as error:
        raise InputError(
            f"{notebook.name} stopped at cell {error.cell_index}: {error.ename}: {error.evalue}; see {target}"
        ) from error
    except nbclient.exceptions.DeadKernelError as error:
        target.unlink(missing_ok=True)  # papermill leaves it with every cell said to be completed
        raise InputError(
            f"{notebook.name}: its kernel died (out of memory?); nothing was kept of it"
        ) from error


def refresh(executed: Path, notebook: Path) -> None:
    """Put the outputs of an executed notebook into the committed one, without times or injected cells."""
    import nbformat

    from siamese_lib.files import atomic_write

    ran, kept = nbformat.read(executed, 4), nbformat.read(notebook, 4)
    outputs = {cell["id"]: cell for cell in ran.cells if cell.cell_type == "code"}
    for cell in kept.cells:
        if cell.cell_type == "code":
            source = outputs[cell["id"]]
            cell.outputs, cell.execution_count = (
                [o for o in source.outputs if not _of_a_session(o)],
                source.execution_count,
            )
            for output in cell.outputs:
                output.get("metadata", {}).pop("papermill", None)
    with atomic_write(notebook) as temporary:
        nbformat.write(kept, temporary)


def _of_a_session(output: dict) -> bool:
    """What means nothing on a page: bars and warnings, and controls, whose state is not in the file."""
    controls = "application/vnd.jupyter.widget-view+json"
    return output.get("name") == "stderr" or controls in output.get("data", {})


def reproduce(everything: bool = False, write_back: bool = False) -> None:
    """Run the notebooks one after the other, then print the paper's, the published and the new numbers.

    Args:
        everything: all notebooks, not only 00 to 03.
        write_back: run all, and write their outputs back into notebooks/.

    Raises:
        InputError: an unknown profile, a notebook that failed, or one whose runs are not found afterwards.
    """
    profile = os.environ.setdefault("SIAMESE_PROFILE", "quick")
    if profile not in PROFILES:
        raise InputError(f"SIAMESE_PROFILE={profile!r} is unknown; choose one of {', '.join(PROFILES)}")
    _make_folders_absolute()
    began = time.monotonic()
    chosen = {
        notebook: runs_folder() / "notebooks" / notebook.name
        for notebook in notebook_files(everything or write_back)
    }
    for notebook, target in chosen.items():
        print(f"== {notebook.stem} ({profile})", flush=True)
        execute(notebook, target)
    if write_back:  # at the end, so that records name a commit without changes
        for notebook, target in chosen.items():
            refresh(target, notebook)
    minutes = (time.monotonic() - began) / 60
    print(f"== done in {minutes:.1f} minutes; executed notebooks: {runs_folder() / 'notebooks'}\n")
    _print_comparison(chosen, profile)


def _make_folders_absolute() -> None:
    """Folders are relative to the repository; kernels work in notebooks/ and must find the same ones."""
    for name in FOLDERS:
        if given := os.environ.get(name):
            parts = given.split(os.pathsep) if name == "SIAMESE_FONTS" else [given]
            os.environ[name] = os.pathsep.join(str(absolute(part, name)) for part in parts if part)


def _print_comparison(notebooks: Iterable[Path], profile: str) -> None:
    """Of each table that a notebook is named after: the lines that this machine ran, then what was not run.

    Raises:
        InputError: a notebook named after a table, and no run of that table.
    """
    from siamese_lib.experiments.records import uses_stopgap, working_records
    from siamese_lib.report.pages import comparison
    from siamese_lib.report.tables import compare

    tables = {table: notebook for notebook in notebooks for table in TABLES if f"_{table}_" in notebook.stem}
    ran = [record for record in working_records() if record["config"]["profile"] == profile]
    for table, notebook in tables.items():
        if not any(record["config"]["table"] == table for record in ran):
            raise InputError(
                f"{notebook.name} ended without an error, but {runs_folder()} has no finished run of "
                f"{table} in profile {profile}; set SIAMESE_RUNS to an absolute path and run again"
            )
        lines = compare(table, profile).dropna(subset="this machine")
        if len(lines):
            print(f"Table {TABLES[table].title}; accuracy in percent, profile {profile}")
            print("(the paper's training and test set are larger: see README.md)")
            print(comparison(lines))
    ran = [record for record in ran if record["config"]["table"] in tables]
    if any(uses_stopgap(record) for record in ran):
        print(
            "Runs with the PyPI typefaces (fonts = 1) compare with nothing and are in no table; `make fonts`"
        )
        print("installs the Debian ones.")
    reasons = {f"{name}: {reason}" for record in ran for name, reason in record["not_run"].items()}
    print("\nNot run:\n  " + "\n  ".join(sorted(reasons)) if reasons else "\nEverything asked for was run.")
