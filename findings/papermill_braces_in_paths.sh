#!/usr/bin/env bash
# papermill 2.7.0 fills in braces of the *paths* that it is given, not only of notebooks' parameters.
#
# A checkout in a folder whose name has braces can therefore not run its notebooks: `execute_notebook` takes the path for a
# template and looks for a parameter of that name. Doubled braces mean the folder. The path of `inspect_notebook` is
# treated likewise. siamese_lib.report.notebooks.execute doubles them.
#
# Output seen (Python 3.11, Linux):
#     plain path: PapermillMissingParameterException: Missing parameter 'v2'
#     doubled braces: 3
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q papermill==2.7.0 ipykernel==7.4.0 nbformat==5.10.4
"$folder/venv/bin/python" - "$folder" <<'PY' >"$folder/out"
import pathlib
import sys
import warnings

import nbformat
import papermill

warnings.simplefilter("ignore")
place = pathlib.Path(sys.argv[1]) / "alphabets{v2}"
place.mkdir()
cell = nbformat.v4.new_code_cell("print(1 + 2)")
book = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
nbformat.write(book, place / "in.ipynb")


def run(paths):
    papermill.execute_notebook(*paths, kernel_name="python3", progress_bar=False)
    ran = nbformat.read(place / "out.ipynb", 4)
    return ran.cells[-1].outputs[0]["text"].strip()


paths = [str(place / "in.ipynb"), str(place / "out.ipynb")]
try:
    print("plain path:", run(paths))
except Exception as error:
    print(f"plain path: {type(error).__name__}: {error}")
print("doubled braces:", run([path.replace("{", "{{").replace("}", "}}") for path in paths]))
PY
cat "$folder/out"
grep -q "^plain path: PapermillMissingParameterException: Missing parameter 'v2'" "$folder/out"
grep -q "^doubled braces: 3$" "$folder/out"
