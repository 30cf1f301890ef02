"""What the package promises about itself: thin to import, public names, dependencies in one direction, short files."""

import ast
import subprocess
import sys

import pytest

import siamese_lib
from siamese_lib.paths import repository_root

PACKAGE = repository_root() / "siamese_lib"
MODULES = sorted(PACKAGE.rglob("*.py"))

BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "scipy", "PIL", "fontTools", "tqdm", "platformdirs", "sklearn", "matplotlib", "seaborn", "IPython"}:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
import torch, siamese_lib as s
x = s.EmbeddingNet()(torch.rand(6, 1, 37, 37))
s.MetricLoss()(x[:2], x[2:4], x[4:]).backward()
print(s.AutoProbabilistic(5).sample(3, torch.Generator()).shape)
"""


def test_importing_needs_numpy_and_torch_alone():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, cwd=repository_root())
    assert done.returncode == 0 and "torch.Size([3])" in done.stdout, done.stderr


def test_public_names():
    assert set(siamese_lib.__all__) <= set(dir(siamese_lib)) and len(set(siamese_lib.__all__)) == len(siamese_lib.__all__)
    for name in siamese_lib.__all__:
        assert getattr(siamese_lib, name).__name__ == name and getattr(siamese_lib, name).__module__.startswith("siamese_lib.")
    with pytest.raises(AttributeError, match="nothing_like_it"):
        siamese_lib.nothing_like_it  # noqa: B018


def imports(source: str) -> set[str]:
    """All of this package that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide from this test"
            if node.module.partition(".")[0] == "siamese_lib":
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("siamese_lib.")}
    return found


def test_imports_are_found_wherever_they_stand():
    assert imports("from siamese_lib import mining\ndef f():\n    import siamese_lib.data.bank as b") == {
        "siamese_lib",
        "siamese_lib.mining",
        "siamese_lib.data.bank",
    }


@pytest.mark.parametrize(
    "modules, never",
    [
        ("data/ model.py losses.py augment.py", "mining batches training experiments records report plots"),
        ("mining.py neighbours.py statistics.py", "data model losses augment batches training experiments records report plots"),
        ("batches.py evaluation.py", "training experiments records report plots"),
        ("training.py", "mining batches experiments data records report plots"),
        ("records.py report.py", "training experiments batches mining model losses"),
        ("plots/", "training experiments batches records report"),
        ("plots/curves.py plots/glyphs.py plots/published.py plots/style.py", "mining model losses"),  # drawings.py draws the method
        ("paths.py storage.py errors.py config.py", "data model mining training experiments records report plots"),
    ],
)
def test_dependencies_flow_one_way(modules, never):
    chosen = [path for path in MODULES if path.relative_to(PACKAGE).as_posix().startswith(tuple(modules.split()))]
    assert len(chosen) >= len(modules.split())
    wrong = tuple(f"siamese_lib.{name}" for name in never.split())
    for path in chosen:
        found = [name for name in imports(path.read_text(encoding="utf-8")) if name in wrong or name.startswith(tuple(w + "." for w in wrong))]
        assert not found, f"{path.relative_to(PACKAGE)} imports {', '.join(found)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350
