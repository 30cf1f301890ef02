#!/usr/bin/env bash
# safetensors 0.8.0: the same arrays with the same metadata give other bytes at each call, once there are two keys of metadata.
#
# A file of weights looks reproducible: no time stamp, no pickled objects, arrays sorted by their size and name. So one expects equal
# content to have equal bytes, and a checksum in a model card or under version control to stay. Tensors are sorted, but keys of
# `metadata` are written in the order of a hash map that is seeded anew for each call, in one process already; a dictionary in
# sorted order does not help. One key of metadata, or none, gives the same bytes always. What helps is one key with a JSON text in
# it: so it is done in siamese_lib (networks to take away, SiameseClassifier.save).
#
# Output seen (Linux, Python 3.11):
#     no metadata: 1 different files of 40
#     one key: 1 different files of 40
#     four keys: more than 5 different files of 40
#     four keys in one JSON text: 1 different files of 40
#     read back: the same metadata 40 times
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q safetensors==0.8.0 numpy==2.4.6
cat >write.py <<'PY'
import json

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save, save_file

ARRAYS = {"weight": np.arange(12, dtype=np.float32), "bias": np.ones(3, np.float32)}
META = {"classes": "2350", "framing": "square", "loss": "metric", "seed": "0"}
for name, metadata in {
    "no metadata": None,
    "one key": {"seed": "0"},
    "four keys": META,
    "four keys in one JSON text": {"json": json.dumps(META, sort_keys=True)},
}.items():
    files = {save(ARRAYS, metadata) for _ in range(40)}
    assert len({len(file) for file in files}) == 1  # the same length: only the order differs
    print(f"{name}: {len(files) if len(files) <= 5 else 'more than 5'} different files of 40")
same = 0
for number in range(40):
    save_file(ARRAYS, f"{number}.safetensors", META)
    with safe_open(f"{number}.safetensors", "np") as file:
        same += file.metadata() == META
print(f"read back: the same metadata {same} times")
PY
venv/bin/python write.py | tee seen.txt
cat >expected.txt <<'TXT'
no metadata: 1 different files of 40
one key: 1 different files of 40
four keys: more than 5 different files of 40
four keys in one JSON text: 1 different files of 40
read back: the same metadata 40 times
TXT
diff expected.txt seen.txt
echo "as described"
