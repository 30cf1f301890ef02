"""What the package promises about itself: thin to import, dependencies in one direction, short files, paths that do not move."""

import ast
import subprocess
import sys
import warnings

import pytest

import siamese_lib
from siamese_lib import paths
from siamese_lib.errors import InputError

MODULES = sorted((paths.repository_root() / "siamese_lib").rglob("*.py"))

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
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, cwd=paths.repository_root())
    assert done.returncode == 0 and "torch.Size([3])" in done.stdout, done.stderr


def test_public_names():
    assert all(getattr(siamese_lib, name) is not None for name in siamese_lib.__all__) and set(siamese_lib.__all__) <= set(dir(siamese_lib))
    with pytest.raises(AttributeError, match="nothing_like_it"):
        siamese_lib.nothing_like_it  # noqa: B018


def imports(path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("siamese_lib"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize(
    "modules, never",
    [
        (["data/", "model.py", "losses.py", "augment.py"], ["mining", "batches", "training", "experiments", "report", "plots"]),
        (["mining.py", "neighbours.py", "statistics.py"], ["data", "model", "losses", "batches", "training", "experiments"]),
        (["training.py"], ["mining", "batches", "experiments", "data"]),
        (["report.py", "plots/curves.py", "plots/glyphs.py", "plots/published.py", "plots/style.py"], ["training", "experiments", "batches"]),
    ],
)
def test_dependencies_flow_one_way(modules, never):
    chosen = [path for path in MODULES if any(str(path.relative_to(paths.repository_root() / "siamese_lib")).startswith(m) for m in modules)]
    assert len(chosen) >= len(modules)
    for path in chosen:
        for name in never:
            assert not [i for i in imports(path) if i == f"siamese_lib.{name}" or i.startswith(f"siamese_lib.{name}.")], (path, name)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_files_are_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


def test_defaults_are_relative_to_the_repository(monkeypatch, tmp_path):
    for name in ("SIAMESE_DATA", "SIAMESE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    root = paths.repository_root()
    assert (root / "pyproject.toml").is_file()
    assert (paths.data_folder(), paths.runs_folder(), paths.results_folder()) == (root / "data", root / "runs", root / "results")


def test_data_folder_must_be_one(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIAMESE_DATA", str(tmp_path / "file"))
    with pytest.raises(InputError, match="SIAMESE_DATA=.*file is not a folder"):
        paths.data_folder()


def test_a_cache_that_cannot_be_written_becomes_temporary_with_a_notice(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SIAMESE_CACHE", str(tmp_path / "file" / "cache"))
    paths._temporary_cache.cache_clear()
    with pytest.warns(UserWarning, match="set SIAMESE_CACHE"):
        folder = paths.cache_folder()
    assert folder.is_dir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert paths.cache_folder() == folder  # said once
