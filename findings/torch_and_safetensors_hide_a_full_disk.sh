#!/usr/bin/env bash
# torch 2.13.0 and safetensors 0.8.0: what they raise on a full disk is no OSError, so `except OSError` does not see it.
#
# A program that writes checkpoints wants to say "the disk is full" and catches OSError with errno ENOSPC, EDQUOT or EFBIG. Open,
# write and close of Python raise it; torch.save raises RuntimeError about a position in its zip writer instead. Given an open Python
# file in place of a path it does so as well: the OSError of that file's write is only the context of the RuntimeError, as the
# writer's end fails a second time. safetensors.torch.save_file raises SafetensorError, which derives from Exception alone and
# carries the number in its text only. What helps is writing into memory (torch.save into BytesIO, safetensors.torch.save) and from
# there into the file: so it is done in siamese_lib (runtime.saved, files.write_bytes).
#
# The disk is full here by a limit on the size of files (RLIMIT_FSIZE), as quotas set it. Output seen (Linux, Python 3.11):
#     torch.save(path): RuntimeError, OSError: False, errno: None, context: RuntimeError
#     torch.save(file): RuntimeError, OSError: False, errno: None, context: OSError
#     safetensors.save_file: SafetensorError, OSError: False, errno: None, context: NoneType
#     from memory: OSError, OSError: True, errno: 27, context: NoneType
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q torch==2.13.0 numpy==2.4.6 safetensors==0.8.0
cat >full.py <<'PY'
import io
import resource

import safetensors.torch
import torch

STATE = {"weights": torch.zeros(10_000)}


def to_a_file():
    with open("file.pt", "wb") as file:
        torch.save(STATE, file)


def from_memory():
    content = io.BytesIO()
    torch.save(STATE, content)
    with open("memory.pt", "wb") as file:
        file.write(content.getvalue())


WAYS = {
    "torch.save(path)": lambda: torch.save(STATE, "path.pt"),
    "torch.save(file)": to_a_file,
    "safetensors.save_file": lambda: safetensors.torch.save_file(STATE, "a.safetensors"),
    "from memory": from_memory,
}
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
for name, write in WAYS.items():
    try:
        write()
    except Exception as error:
        kind, context = type(error).__name__, type(error.__context__).__name__
        number = getattr(error, "errno", None)
        print(f"{name}: {kind}, OSError: {isinstance(error, OSError)}, errno: {number}, context: {context}")
PY
venv/bin/python full.py | cat >seen.txt  # through a pipe, which has no limit
cat seen.txt
cat >expected.txt <<'TXT'
torch.save(path): RuntimeError, OSError: False, errno: None, context: RuntimeError
torch.save(file): RuntimeError, OSError: False, errno: None, context: OSError
safetensors.save_file: SafetensorError, OSError: False, errno: None, context: NoneType
from memory: OSError, OSError: True, errno: 27, context: NoneType
TXT
diff expected.txt seen.txt
echo "as described"
