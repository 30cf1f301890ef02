"""`make reproduce`: run the notebooks, then print the paper's, the published and this machine's numbers.

`--refresh` also writes the outputs back into notebooks/ (`make notebooks`).
"""

import argparse
import os
import sys
import time
from pathlib import Path

from siamese_lib.errors import InputError
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.tables import TABLES
from siamese_lib.files import repository_root, runs_folder

MAIN = 4  # notebooks 00 to 03


def notebook_files(everything: bool) -> list[Path]:
    """The numbered notebooks in order: 00 to 03, or all."""
    files = sorted((repository_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return files if everything else files[:MAIN]


def execute(notebook: Path, target: Path, parameters: dict | None = None) -> None:
    """Run a notebook with papermill into `target`; a stale target is removed first, and only a finished run counts.

    Raises:
        InputError: a parameter that the notebook does not have, or a cell or the kernel that failed (its message is passed on).
    """
    import nbclient.exceptions
    import papermill

    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(parameters or {}) - set(known))
    if unknown:
        raise InputError(
            f"{notebook.name}: unknown parameter {', '.join(unknown)}; it takes {', '.join(known)}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    os.environ["PYTHONWARNINGS"] = "default"
    try:
        papermill.execute_notebook(
            str(notebook),
            str(target),
            parameters,
            kernel_name="python3",
            cwd=str(notebook.parent),
            progress_bar=False,
            log_output=True,
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
    """Put the outputs of an executed notebook into the committed one, without times, paths or injected cells."""
    import nbformat

    from siamese_lib.files import atomic_write

    ran, kept = nbformat.read(executed, 4), nbformat.read(notebook, 4)
    outputs = {cell["id"]: cell for cell in ran.cells if cell.cell_type == "code"}
    for cell in kept.cells:
        if cell.cell_type == "code":
            source = outputs[cell["id"]]
            cell.outputs, cell.execution_count = (
                [o for o in source.outputs if o.get("name") != "stderr"],
                source.execution_count,
            )
            for output in cell.outputs:
                output.get("metadata", {}).pop("papermill", None)
    with atomic_write(notebook) as temporary:
        nbformat.write(kept, temporary)


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks one after the other; 2 and one line where one fails."""
    parser = argparse.ArgumentParser(prog="python -m siamese_lib.report.notebooks", description=__doc__)
    parser.add_argument("--all", action="store_true", help="all notebooks, not only 00 to 03")
    parser.add_argument("--refresh", action="store_true", help="write the outputs back into notebooks/")
    options = parser.parse_args(arguments)
    profile = os.environ.setdefault("SIAMESE_PROFILE", "quick")
    try:
        if profile not in PROFILES:
            raise InputError(f"SIAMESE_PROFILE={profile!r} is unknown; choose one of {', '.join(PROFILES)}")
        began = time.monotonic()
        chosen = {
            notebook: runs_folder() / "notebooks" / notebook.name
            for notebook in notebook_files(options.all or options.refresh)
        }
        for notebook, target in chosen.items():
            print(f"== {notebook.stem} ({profile})", flush=True)
            execute(notebook, target)
        if options.refresh:  # at the end, so that records name a commit without changes
            for notebook, target in chosen.items():
                refresh(target, notebook)
        minutes = (time.monotonic() - began) / 60
        print(f"== done in {minutes:.1f} minutes; executed notebooks: {runs_folder() / 'notebooks'}\n")
        _print_comparison(profile)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _print_comparison(profile: str) -> None:
    from siamese_lib.experiments.records import uses_stopgap, working_records
    from siamese_lib.report.tables import compare

    for table in TABLES:
        if len(lines := compare(table, profile)):
            print(
                f"{table.capitalize()}, accuracy in percent, profile {profile} (the paper's budget and test set are larger: see README.md)"
            )
            print(lines.to_string(index=False, float_format="%.1f", na_rep=""), end="\n\n")
    fallback = any(uses_stopgap(record) for record in working_records())
    if fallback:
        print(
            "Runs with the PyPI faces (fonts = 1) are not comparable and not in the table; `make fonts` installs the Debian ones."
        )
    reasons = {
        f"{name}: {reason}"
        for record in working_records()
        for name, reason in record["not_run"].items()
        if record["config"]["profile"] == profile
    }
    print("\nNot run:\n  " + "\n  ".join(sorted(reasons)) if reasons else "\nEverything asked for was run.")


if __name__ == "__main__":
    sys.exit(main())
