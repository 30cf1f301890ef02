#!/usr/bin/env bash
# umap-learn 0.5.12, numba 0.68.1 and torch 2.13.0: drawing a UMAP map sets torch's number of threads to that of all cores.
#
# torch.set_num_threads(1) makes training repeat to the bit on machines with other numbers of cores, since the number of threads
# decides in which order sums are added. UMAP runs on numba, whose parallel loops use OpenMP where no TBB is installed, and it
# starts them with the number of threads of its own (NUMBA_NUM_THREADS: all cores). Both libraries are served by one OpenMP runtime
# in the process, so torch computes with that number from then on, also with n_jobs=1, and a training after the map ends with other
# bits than one before it. siamese_lib.plots.maps puts torch's number back; a test holds it to that.
#
# Output seen (Linux, Python 3.11, 2 cores):
#     torch's threads before the map: 1, after it: as many as numba has
#     with torch's number put back: 1
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q llvmlite==0.50.0 numba==0.68.1 numpy==2.4.6 pynndescent==0.7.0 scikit-learn==1.9.1 scipy==1.17.1 torch==2.13.0 umap-learn==0.5.12
cat >threads.py <<'PY'
import warnings

warnings.simplefilter("ignore")
import numba
import numpy as np
import torch
import umap

assert numba.config.NUMBA_NUM_THREADS > 1, "this machine has one core, so there is nothing to see"
torch.set_num_threads(1)
points = np.random.default_rng(0).normal(size=(40, 25)).astype(np.float32)
before = torch.get_num_threads()
umap.UMAP(n_neighbors=10, random_state=0, n_jobs=1).fit_transform(points)
after = torch.get_num_threads()
said = "as many as numba has" if after == numba.config.NUMBA_NUM_THREADS else after
print(f"torch's threads before the map: {before}, after it: {said}")
torch.set_num_threads(before)
print(f"with torch's number put back: {torch.get_num_threads()}")
PY
venv/bin/python threads.py | tee seen.txt
cat >expected.txt <<'TXT'
torch's threads before the map: 1, after it: as many as numba has
with torch's number put back: 1
TXT
diff expected.txt seen.txt
echo "as described"
