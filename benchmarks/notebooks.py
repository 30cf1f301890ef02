"""Minutes of each notebook, in order and from no runs at all, as `make reproduce ALL=1` has them.

    python -m benchmarks.notebooks [--profile quick cpu]

Glyphs are rendered already, as they are from the second time on; a notebook finds the runs of earlier ones.
README.md shows these minutes.
"""

import os
import tempfile
import time
from pathlib import Path

from benchmarks.common import command_line, load, publish
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.report.notebooks import execute, notebook_files
from siamese_lib.runtime import choose_device


def measure(profile: str) -> dict[str, float]:
    """Notebook -> minutes."""
    minutes = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"SIAMESE_RUNS": folder, "SIAMESE_PROFILE": profile}
        for notebook in notebook_files(everything=True):
            began = time.monotonic()
            execute(notebook, Path(folder) / "notebooks" / notebook.name)
            minutes[notebook.stem] = (time.monotonic() - began) / 60
    return minutes


def main() -> None:
    parser = command_line("benchmarks.notebooks", __doc__)
    parser.add_argument("--profile", nargs="+", choices=PROFILES, default=["quick"])
    options = parser.parse_args()
    before, device, lines = load(), choose_device(options.device), []
    for profile in options.profile:
        for notebook, minutes in measure(profile).items():
            lines.append(
                {"device": device.type, "notebook": notebook, "profile": profile, "minutes": minutes}
            )
    publish("notebooks", lines, device, load=before)


if __name__ == "__main__":
    main()
