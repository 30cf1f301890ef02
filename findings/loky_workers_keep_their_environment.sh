#!/usr/bin/env bash
# joblib 1.6.0: workers of the default backend (loky) keep the environment that they were started with.
#
# A grid that hands its folder to workers through an environment variable writes into the first call's folder for ever: the
# executor is reused between calls, and `os.environ` of a worker is a copy made when it was started. No error is raised.
# siamese_lib.experiments.grid sends the variables along with each run and sets them in the worker.
#
# Output seen (Python 3.11, Linux):
#     first call: runs-a
#     second call: runs-a
#     sent along: runs-b
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q joblib==1.6.0
cat >"$folder/grid.py" <<'PY'
import os

from joblib import Parallel, delayed


def place(sent=None):
    if sent:
        os.environ["RUNS"] = sent
    return os.environ["RUNS"]


if __name__ == "__main__":
    os.environ["RUNS"] = "runs-a"
    print("first call:", *set(Parallel(n_jobs=2)(delayed(place)() for _ in range(8))))
    os.environ["RUNS"] = "runs-b"
    print("second call:", *set(Parallel(n_jobs=2)(delayed(place)() for _ in range(8))))
    print("sent along:", *set(Parallel(n_jobs=2)(delayed(place)("runs-b") for _ in range(8))))
PY
"$folder/venv/bin/python" "$folder/grid.py" >"$folder/out"
cat "$folder/out"
printf 'first call: runs-a\nsecond call: runs-a\nsent along: runs-b\n' | diff - "$folder/out"
