"""Set-up: lists of packages agree, the lock is complete, the parts of the Makefile do what they say."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA_NAMES = {"pytorch": "torch", "python-build": "build"}
FONTS = (
    "fonts-nanum fonts-nanum-extra fonts-baekmuk fonts-unfonts-core fonts-unfonts-extra "
    "fonts-alee fonts-woowa-bm fonts-lexi-gulim fonts-lexi-saebom fonts-noto-cjk"
).split()
TARGETS = (
    "setup fonts reproduce test lint tables figures notebooks publish bench faults lab wheel-check clean help"
).split()


def parsed(requirements, names=None):
    """{canonical name: bounds} of a list of requirements."""
    pairs = [(Requirement(text).name, Requirement(text).specifier) for text in requirements]
    return {canonicalize_name((names or {}).get(name, name)): str(bounds) for name, bounds in pairs}


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def run(*command, **more):
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, **more
    )


def make_environment():
    """Ours, without what an outer make hands down."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


# --- lists of packages


def test_conda_environment_equals_pyproject():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    conda = [entry for entry in listed if isinstance(entry, str) and entry != "pip"]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    assert pip[-1] == "-e ."
    found = parsed([*conda, *pip[:-1]], CONDA_NAMES)
    assert found.pop("python") == PROJECT["requires-python"]
    extras = [text for extra in ("notebooks", "export", "test") for text in EXTRAS[extra]]
    assert found == parsed([*PROJECT["dependencies"], *extras])


def test_every_pin_is_one_public_version():
    for pin in pins():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin), f"constraints.txt: {pin}"
    names = [canonicalize_name(pin.split("==")[0]) for pin in pins()]
    assert len(set(names)) == len(names)


def test_lock_covers_the_dependencies_of_dependencies():
    pinned = parsed(pins())
    todo = [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    unpinned, seen = set(), set()
    while todo:
        requirement = Requirement(todo.pop())
        name = canonicalize_name(requirement.name)
        extras = requirement.extras or {""}
        if name in seen and not requirement.extras:
            continue
        seen.add(name)
        if name not in pinned and not re.match(
            r"nvidia-|cuda-|triton$", name
        ):  # what a CUDA build of torch pins itself
            unpinned.add(name)
        try:
            depends = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        for text in depends:
            marker = Requirement(text).marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(text)
    assert len(seen) > 50
    assert not unpinned


# --- Makefile


def test_make_installs_the_declared_fonts():
    line = re.search(
        r"^FONT_PACKAGES := ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    ).group(1)
    assert line.replace("\\\n", " ").split() == FONTS


def test_every_debian_face_comes_from_an_installed_package():
    from siamese_lib.data.faces import TEST_FACES, TRAIN_FACES, VALIDATION_FACES

    assert {face.package for face in [*TRAIN_FACES, *VALIDATION_FACES, *TEST_FACES.values()]} <= set(FONTS)


def test_help_lists_every_target():
    listed = run("make", "help", env=make_environment()).stdout
    assert sorted(re.findall(r"^ +([a-z-]+) ", listed, re.MULTILINE)) == sorted(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_made(target):
    done = run("make", "-n", target, "RUN=x", env=make_environment())
    assert done.returncode == 0, done.stderr


def test_all_is_passed_on():
    from siamese_lib.__main__ import _parser

    for target, more, options in (
        ("reproduce", [], {"all": False, "refresh": False}),
        ("reproduce", ["ALL=1"], {"all": True, "refresh": False}),
        ("notebooks", [], {"all": False, "refresh": True}),
    ):
        made = run("make", "-n", target, *more, env=make_environment()).stdout
        (command,) = re.findall(r"-m siamese_lib (reproduce.*)", made)
        assert vars(_parser().parse_args(command.split())).items() >= options.items()


def test_git_ignores_what_the_targets_write():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    written = [
        ".venv/x",
        "runs/x",
        "data/x",
        "build/x",
        "dist/x",
        "siamese_lib.egg-info/x",
        ".ruff_cache/x",
        "notebooks/.ipynb_checkpoints/x",
    ]
    kept = [
        "siamese_lib/data/faces.py",
        "results/runs/x.json",
        "results/table3.csv",
        "tests/data/test_faces.py",
        "notebooks/00_quickstart.ipynb",
    ]
    ignored = run("git", "check-ignore", "--no-index", *written, *kept).stdout.split()
    assert ignored == written


def test_a_terminal_without_utf_8(tmp_path):
    """Names with Hangul were a UnicodeEncodeError; they are shown as escapes."""
    variables = os.environ | {"PYTHONIOENCODING": "ascii", "SIAMESE_DATA": str(tmp_path)}
    done = run(sys.executable, "-m", "siamese_lib", "data", env=variables)
    assert done.returncode == 0 and "\\uac00.txt" in done.stdout, done.stderr


# --- scripts, with a PATH that holds only what a test puts there


@pytest.fixture
def tools(tmp_path):
    """`tools(name="shell script")`: an environment with these commands alone; None for the real command."""

    def build(**commands):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, script in commands.items():
            if script is None:
                (folder / name).symlink_to(shutil.which(name))
                continue
            (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (folder / name).chmod(0o755)
        return {"PATH": str(folder), "LOG": str(tmp_path / "log")}

    return build


def log(environment):
    path = Path(environment["LOG"])
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


# "$LOG.have" lists the installed packages; apt-get refuses until its lists were updated
DPKG = 'while read -r have; do [ "$have" = "$4" ] && printf "install ok installed"; done <"$LOG.have"'
APT = """echo "$*" >>"$LOG"
case "$*" in
*update*) : >"$LOG.updated" ;;
*) [ -e "$LOG.updated" ] && for word in "$@"; do echo "$word" >>"$LOG.have"; done ;;
esac"""


def test_fonts_are_left_alone_when_installed(tools):
    environment = tools(**{"dpkg-query": DPKG, "apt-get": APT})
    Path(environment["LOG"] + ".have").write_text("fonts-a\nfonts-b\n", encoding="utf-8")
    done = run("/bin/sh", "scripts/fonts.sh", "fonts-a", "fonts-b", env=environment)
    assert done.returncode == 0 and "installed" in done.stdout and not log(environment)


def test_fonts_as_root_update_only_after_a_failure(tools):
    environment = tools(**{"dpkg-query": DPKG, "apt-get": APT, "id": "echo 0", "env": None})
    Path(environment["LOG"] + ".have").write_text("fonts-a\n", encoding="utf-8")
    done = run("/bin/sh", "scripts/fonts.sh", "fonts-a", "fonts-b", env=environment)
    assert done.returncode == 0 and "NOTICE" not in done.stdout
    assert [line.split()[-1] for line in log(environment)] == ["fonts-b", "update", "fonts-b"]


def test_fonts_without_rights_are_named_and_nothing_is_asked(tools):
    environment = tools(
        **{"dpkg-query": DPKG, "apt-get": APT, "id": "echo 1000", "sudo": 'echo "sudo $*" >>"$LOG"; exit 1'}
    )
    Path(environment["LOG"] + ".have").write_text("fonts-a\n", encoding="utf-8")
    done = run("/bin/sh", "scripts/fonts.sh", "fonts-a", "fonts-b", env=environment)
    assert done.returncode == 0 and "not installed: fonts-b." in done.stdout and "PyPI" in done.stdout
    assert log(environment) == ["sudo -n true"]


def test_fonts_without_apt(tools):
    done = run("/bin/sh", "scripts/fonts.sh", "fonts-a", env=tools())
    assert done.returncode == 0 and "not installed: fonts-a." in done.stdout


def test_missing_prerequisites_are_named_in_one_message(tools):
    environment = tools(git="", make="", python3=f'exec "{sys.executable}" "$@"')
    done = run("/bin/sh", "scripts/prerequisites.sh", env=environment)
    assert done.returncode == 1 and "not found: g++" in done.stderr
    assert "apt-get install git make python3-venv python3-dev g++" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_old_python_is_refused(tools):
    environment = tools(
        **{"git": "", "make": "", "g++": "", "python3": '[ "$1" = -V ] && echo Python 3.9.2; exit 1'}
    )
    done = run("/bin/sh", "scripts/prerequisites.sh", env=environment)
    assert done.returncode == 1 and "Python 3.9.2, siamese_lib needs 3.11" in done.stderr
