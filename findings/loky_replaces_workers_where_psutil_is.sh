#!/usr/bin/env bash
# joblib 1.6.0 (loky 3.6.0 inside): a worker that has grown is replaced, but only where psutil happens to be installed.
#
# A worker of the default backend lives on between tasks, so what it has compiled or loaded can be used again. Where psutil is
# installed, as Jupyter's kernel does, a worker that holds 300 MB more than after its first task is stopped after the next
# one and another is started; the warning speaks of a short timeout or a memory leak. So the same grid of torch.compile runs
# compiles once in a bare environment and again and again beside JupyterLab. Upstream: joblib issues 869 and 883.
# benchmarks/common.py uses concurrent.futures for its grids; results do not depend on it.
#
# Output seen (Python 3.11, Linux):
#     without psutil: 1 process for 4 tasks
#     with psutil: more than 1 process for 4 tasks
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q joblib==1.6.0
cat >"$folder/grid.py" <<'PY'
import builtins
import os
import sys
import time
import warnings

from joblib.externals.loky import get_reusable_executor


def task(number):
    if number == 1:
        builtins.kept = b"x" * 500_000_000  # as a compiler's cache would be
    time.sleep(1.2)  # memory is looked at once a second at most
    return os.getpid()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    executor = get_reusable_executor(max_workers=1)
    seen = [executor.submit(task, number).result() for number in range(4)]
    count = len(set(seen))
    print(f"{sys.argv[1]}: {'1 process' if count == 1 else 'more than 1 process'} for 4 tasks")
PY
"$folder/venv/bin/python" "$folder/grid.py" "without psutil" >"$folder/out"
"$folder/venv/bin/pip" install -q psutil==7.1.0
"$folder/venv/bin/python" "$folder/grid.py" "with psutil" >>"$folder/out"
cat "$folder/out"
printf 'without psutil: 1 process for 4 tasks\nwith psutil: more than 1 process for 4 tasks\n' | diff - "$folder/out"
