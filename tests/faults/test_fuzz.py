"""Damaged files and made-up configurations: every reader gives a result or an InputError, and does no more.

`watched` looks at what Python does meanwhile: no file outside the test's folder is opened for writing, no
program is started, nothing is unpickled. A reader that takes longer than the deadline fails.
"""

import contextlib
import io
import json
import os
import re
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_images import bars
from made_records import record
from PIL import Image

from siamese_lib import SiameseClassifier
from siamese_lib.data import omniglot_one_shot
from siamese_lib.data.bank import ImageBank
from siamese_lib.data.font_files import code_points, designation
from siamese_lib.data.omniglot_one_shot import load_one_shot
from siamese_lib.data.omniglot_parts import open_part
from siamese_lib.data.phd08_records import parse_file, write_phd08
from siamese_lib.data.pictures import read_glyph
from siamese_lib.errors import InputError
from siamese_lib.experiments.build import build_trainer
from siamese_lib.experiments.config import RunConfig, make_config
from siamese_lib.experiments.datasets import TrainingData
from siamese_lib.experiments.profiles import PROFILES
from siamese_lib.experiments.records import load_record
from siamese_lib.experiments.run import trained_network
from siamese_lib.experiments.tables import TABLES
from siamese_lib.files import load_arrays
from siamese_lib.model import EmbeddingNet
from siamese_lib.pretrained import write_card

CPU = torch.device("cpu")
EVERY = os.environ.get("SIAMESE_FAULTS") == "all"
MILLION = 1_000_000 // 12  # of each of twelve readers
MEMORY = 300_000_000  # bytes that a reader may add to the process, whatever it is given
TOGETHER = 600_000_000  # and what all readers together may leave behind
fuzzed = settings(
    max_examples=MILLION if EVERY else 60,
    deadline=5_000,
    derandomize=not EVERY,
    database=None,
    suppress_health_check=list(HealthCheck),
)

edits = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "double", "cut"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=4,
)
numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.booleans())
anything = st.recursive(
    st.one_of(st.none(), numbers, st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def damaged(content: bytes, made: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, some in made:
        at = int(place * len(content))
        after = {
            "replace": some + content[at + len(some) :],
            "insert": some + content[at:],
            "delete": content[at + len(some) :],
            "double": content[max(0, at - 50) :],
            "cut": b"",
        }[kind]
        content = content[:at] + after
    return content


def changed(value, place: float, new):
    """JSON with one of its parts, somewhere, replaced or, for None, left out."""
    if not isinstance(value, (dict, list)) or not value or place < 0.1:
        return new
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[int(place * 997) % len(keys)]
    value = value.copy()
    if new is None and place > 0.5:
        del value[key]
    else:
        value[key] = changed(value[key], (place * 31) % 1, new)
    return value


class Watch:
    """What Python's audit hook reports while `on`."""

    def __init__(self) -> None:
        self.on, self.folder, self.seen = False, "", []
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if arguments[2] else 0
            if writes and not os.path.realpath(os.fsdecode(arguments[0])).startswith(self.folder):
                self.seen.append((event, arguments))
        elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class"):
            self.seen.append((event, arguments))


WATCH = Watch()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def held(field: str) -> int:
    """Bytes of memory of this process: VmRSS now, VmHWM at most since that was forgotten."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[1])


@pytest.fixture(scope="module", autouse=True)
def memory_stays():
    """With a million inputs it would measure hypothesis, which keeps 250 MB a test of what it has tried."""
    before = held("VmRSS")
    yield
    left = held("VmRSS") - before
    assert EVERY or left < TOGETHER, f"the readers left {left:,} bytes"


@contextlib.contextmanager
def watched(folder):
    """Nothing but an InputError comes out; nothing is written elsewhere, started or executed, and not much
    memory is taken at any time.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget the peak before
    before = held("VmHWM")
    WATCH.folder, WATCH.seen, WATCH.on = os.path.realpath(folder), [], True
    try:
        with warnings.catch_warnings(), contextlib.suppress(InputError):
            warnings.simplefilter("ignore")
            yield
    finally:
        WATCH.on = False
    assert not WATCH.seen
    taken = held("VmHWM") - before
    assert taken < MEMORY, f"the reader took {taken:,} bytes"


def png() -> bytes:
    file = io.BytesIO()
    picture = np.full((105, 105), 255, np.uint8)
    picture[20:60, 30:40] = 0
    Image.fromarray(picture).convert("1").save(file, "PNG")
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def font() -> bytes:
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    builder, pen = FontBuilder(1000, isTTF=True), TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((500, 0))
    pen.lineTo((250, 700))
    pen.closePath()
    builder.setupGlyphOrder([".notdef", "A"])
    builder.setupCharacterMap({65: "A"})
    builder.setupGlyf(dict.fromkeys([".notdef", "A"], pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", "A"], (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Made up"})
    builder.setupOS2()
    builder.setupPost()
    file = io.BytesIO()
    builder.save(file)
    return file.getvalue()


def phd08(folder) -> bytes:
    bits = np.ones((3, 4), np.uint8)
    write_phd08(folder / "가.txt", [("S", (0, 0, 0, 0, k), bits) for k in range(3)])
    return (folder / "가.txt").read_bytes()


def arrays() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, images=np.zeros((3, 37, 37), np.uint8), labels=np.arange(3))
    return file.getvalue()


def torch_file(state) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def read_part(path):
    part = open_part("background", path)
    return [part.ink(key) for key in part.drawings]


def read_font(path):
    return code_points(path), designation(path)


def read_network(path):
    return trained_network(CONFIG, path.parent, CPU)


def read_arrays(path):
    return load_arrays(path, ["images", "labels"], lambda found: found["images"].shape == (3, 37, 37))


CONFIG = make_config("table3", "random", "smoke")
RUN = {
    "run01/training/class01.png": png(),
    "run01/test/item01.png": png(),
    "run01/class_labels.txt": b"run01/test/item01.png run01/training/class01.png",
}
FILES = {  # name of the file -> its content, and who reads it
    "가.txt": (phd08, lambda path: list(parse_file(path))),
    "images_background.zip": (
        lambda _: zipped({f"images_background/Alphabet/character01/0001_0{k}.png": png() for k in (1, 2)}),
        read_part,
    ),
    "all_runs.zip": (
        lambda _: zipped(RUN),
        load_one_shot,
    ),
    "font.ttf": (lambda _: font(), read_font),
    "glyph.png": (lambda _: png(), read_glyph),
    "model.pt": (
        lambda _: torch_file({"model": EmbeddingNet().state_dict(), "centroids": torch.zeros(40, 25)}),
        read_network,
    ),
    "cached.npz": (lambda _: arrays(), read_arrays),
}


def withstands_damage(path, read) -> None:
    """Read the file again and again, each time with other damage to what it holds now."""
    content = path.read_bytes()

    @fuzzed
    @given(edits)
    def damage(made):
        path.write_bytes(damaged(content, made))
        with watched(path.parent):
            read(path)

    damage()


@pytest.mark.parametrize("name", FILES)
def test_fuzz_files_with_damage(name, folder, monkeypatch):
    monkeypatch.setattr(omniglot_one_shot, "RUNS", 1)
    monkeypatch.setattr(omniglot_one_shot, "WAYS", 1)
    make, read = FILES[name]
    (folder / name).write_bytes(make(folder))
    (folder / "arrays.npz").write_bytes(arrays())  # which a run has beside its network
    assert read(folder / name) is not None

    withstands_damage(folder / name, read)


def test_fuzz_checkpoint(folder):
    images, labels = bars()
    meta = pd.DataFrame({"face": ["a"] * len(labels)})
    bank = ImageBank(images.reshape(-1, 37, 37), labels, list("abcdef"), meta)
    config = make_config("table3", "random", "smoke", num_classes=6, images=64, updates=2, pool_classes=2)
    path = folder / "checkpoint.pt"
    trainer = build_trainer(config, 0, CPU, TrainingData(bank, bank, {}), path)
    next(trainer.periods())
    withstands_damage(path, lambda _: trainer.checkpoint.load(CPU))


def test_fuzz_records(folder):
    whole = json.loads(json.dumps(record() | {"history": [], "not_run": {}}))

    (folder / "record.json").write_text(json.dumps(whole), encoding="utf-8")
    assert load_record(folder / "record.json")["seed"] == 0

    @fuzzed
    @given(st.floats(0, 1), anything)
    def change(place, new):
        (folder / "record.json").write_text(json.dumps(changed(whole, place, new)), encoding="utf-8")
        with watched(folder):
            load_record(folder / "record.json")

    change()


def test_fuzz_classifiers(folder):
    path = folder / "reader.safetensors"
    SiameseClassifier(images=200).fit(*bars()).save(path)
    content = path.read_bytes()
    withstands_damage(path, SiameseClassifier.load)

    @fuzzed
    @given(st.floats(0, 1), anything)
    def another_card(place, new):
        from safetensors.torch import load

        length = int.from_bytes(content[:8], "little")
        card = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["card"])
        card.pop("sha256")
        made = changed(card, place, new)
        with watched(folder):
            write_card(path, load(content), made if isinstance(made, dict) else {"classes": made})
            SiameseClassifier.load(path)

    another_card()


def mostly(valid, other) -> st.SearchStrategy:
    """Names that exist, and one in ten that may not."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(list(valid)) if n else other)


def test_fuzz_configurations(folder):
    fields = sorted(RunConfig.__dataclass_fields__.keys() - {"table", "row", "profile"})
    rows = mostly(["random", "triplet/hard", "auto-clustering", "prototype/random"], st.text(max_size=9))
    good = 0

    @fuzzed
    @given(
        mostly(TABLES, st.text(max_size=9)),
        rows,
        mostly(PROFILES, st.text(max_size=9)),
        st.dictionaries(st.sampled_from(fields), anything, max_size=2),
    )
    def make(table, row, profile, changes):
        nonlocal good
        with watched(folder):
            make_config(table, row, profile, **changes)
            good += 1

    make()
    assert good  # some are good: so all names can be, and the changes are looked at
