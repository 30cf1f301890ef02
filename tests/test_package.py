"""What the package promises about itself: thin to import, public names, dependencies in one direction, short
files.
"""

import ast
import subprocess
import sys

import pytest

import siamese_lib
from siamese_lib.files import repository_root

PACKAGE = repository_root() / "siamese_lib"
MODULES = sorted(PACKAGE.rglob("*.py"))

BLOCKED = """
import sys
blocked = "pandas scipy PIL fontTools tqdm platformdirs sklearn matplotlib seaborn IPython".split()
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
import torch, siamese_lib as s
x = s.EmbeddingNet()(torch.rand(6, 1, 37, 37))
s.MetricLoss()(x[:2], x[2:4], x[4:]).backward()
print(s.AutoProbabilistic(5).sample(3, torch.Generator()).shape)
"""


def test_importing_needs_numpy_and_torch_alone():
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, cwd=repository_root()
    )
    assert done.returncode == 0 and "torch.Size([3])" in done.stdout, done.stderr


def test_public_names():
    assert set(siamese_lib.__all__) <= set(dir(siamese_lib)) and len(set(siamese_lib.__all__)) == len(
        siamese_lib.__all__
    )
    for name in siamese_lib.__all__:
        assert getattr(siamese_lib, name).__name__ == name and getattr(
            siamese_lib, name
        ).__module__.startswith("siamese_lib.")
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


# Each layer, from the ground up, with what it may import beside itself.
LAYERS = {
    "ground": ("errors files runtime", ""),
    "method": (
        "model losses statistics nearest mining batches pools index_tuples augment optimiser training "
        "evaluation verification",
        "ground",
    ),
    "data": ("data", "ground model"),
    "use": ("pretrained classifier fitting export", "ground method data"),
    "experiments": ("experiments", "ground method data use"),
    "plots": ("plots", "ground method data experiments"),
    "report": ("report", "ground method data use experiments plots"),
}
# Beyond the layers: mining knows class statistics alone, training no concrete method, and what shows records
# trains nothing.
NEVER = {
    "mining nearest statistics": "model losses augment batches pools training evaluation",
    "batches pools": "training evaluation experiments",
    "training": "mining batches pools verification",
    "plots report": "training experiments.run experiments.datasets",
}


def _module(path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _inside(module: str, names: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names.split())


def _imported(path) -> set[str]:
    """Modules of this package that a file imports, without the package's own name in front."""
    known = {_module(other).removesuffix(".__init__") for other in MODULES}
    found = {name.removeprefix("siamese_lib.") for name in imports(path.read_text(encoding="utf-8"))}
    return {name for name in found if name in known}


def test_every_module_has_a_layer():
    every = " ".join(names for names, _ in LAYERS.values())
    assert [m for m in map(_module, MODULES) if not _inside(m, every)] == ["__init__", "__main__"]


@pytest.mark.parametrize("layer", LAYERS)
def test_no_arrow_against_the_layers(layer):
    names, below = LAYERS[layer]
    allowed = " ".join([names, *(LAYERS[name][0] if name in LAYERS else name for name in below.split())])
    for path in MODULES:
        if _inside(_module(path), names):
            wrong = [m for m in _imported(path) if not _inside(m, allowed)]
            assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(wrong)}"


@pytest.mark.parametrize("names", NEVER)
def test_what_a_module_never_knows(names):
    for path in MODULES:
        if _inside(_module(path), names):
            wrong = [m for m in _imported(path) if _inside(m, NEVER[names])]
            assert not wrong, f"{path.relative_to(PACKAGE)} imports {', '.join(wrong)}"


def test_the_root_stays_small():
    assert len(list(PACKAGE.glob("[!_]*.py"))) <= 19


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


def test_whoever_reads_our_output_may_stop():
    """As `... | head -1` does: no traceback, and what follows ends quietly."""
    command = [sys.executable, "-m", "siamese_lib", "data"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 1
