#!/usr/bin/env bash
# pnnx 20261020 and ncnn 1.0.20261020: a division that ncnn could compute becomes a softsign layer that ncnn does not have.
#
# x / (1 + |x|) is made of operations that ncnn has: absolute value, addition, division. pnnx recognises the pattern as
# torch's softsign, writes a layer F.softsign into the .param file, and ends with status 0; ncnn then refuses the file
# ("layer F.softsign not exists or registered"). Whoever writes the function out by hand, because the softsign layer is
# missing, gets the softsign layer. The same function as x * (1 / (1 + |x|)) is left alone and loads.
# siamese_lib.export traces the network in that form; tests/test_export.py loads the result in ncnn.
#
# Output seen (Python 3.11, Linux):
#     x / (1 + |x|): pnnx ends with 0, layers Input F.softsign, ncnn loads: False
#     softsign(x): pnnx ends with 0, layers Input F.softsign, ncnn loads: False
#     x * (1 / (1 + |x|)): pnnx ends with 0, layers Input Split UnaryOp BinaryOp UnaryOp BinaryOp, ncnn loads: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy==2.4.6 pnnx==20261020 ncnn==1.0.20261020
cat >"$folder/forms.py" <<'PY'
import subprocess
import warnings

import ncnn
import pnnx
import torch

warnings.simplefilter("ignore")  # torch.jit, which pnnx reads, is deprecated


class Form(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


forms = {
    "x / (1 + |x|)": lambda x: x / (1 + x.abs()),
    "softsign(x)": torch.nn.functional.softsign,
    "x * (1 / (1 + |x|))": lambda x: x * (1 / (1 + x.abs())),
}
for number, (name, function) in enumerate(forms.items()):
    torch.jit.trace(Form(function).eval(), torch.zeros(1, 4, 5, 5)).save(f"form{number}.pt")
    command = [pnnx.EXEC_PATH, f"form{number}.pt", "inputshape=[1,4,5,5]"]
    status = subprocess.run(command, capture_output=True).returncode
    parameters = f"form{number}.ncnn.param"
    layers = [line.split()[0] for line in open(parameters).read().splitlines()[2:]]
    loads = ncnn.Net().load_param(parameters) == 0
    print(f"{name}: pnnx ends with {status}, layers {' '.join(layers)}, ncnn loads: {loads}")
PY
(cd "$folder" && "$folder/venv/bin/python" forms.py 2>"$folder/errors") | tee "$folder/out"
grep -q "layer F.softsign not exists or registered" "$folder/errors"
diff - "$folder/out" <<'END'
x / (1 + |x|): pnnx ends with 0, layers Input F.softsign, ncnn loads: False
softsign(x): pnnx ends with 0, layers Input F.softsign, ncnn loads: False
x * (1 / (1 + |x|)): pnnx ends with 0, layers Input Split UnaryOp BinaryOp UnaryOp BinaryOp, ncnn loads: True
END
