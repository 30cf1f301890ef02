"""A classifier in other runtimes: the same embeddings, distances and answers as in torch; what is refused."""

import builtins
import json

import numpy as np
import pytest
from made_images import SIDE, bars

from siamese_lib import SiameseClassifier
from siamese_lib.errors import InputError
from siamese_lib.export import export

COUNT = 1_000


@pytest.fixture(scope="module")
def fitted():
    """Trained on images; its classes are words, two of which JSON would escape."""
    images, labels = bars()
    names = np.array(["가", "나", "ա", "b", "five", "6"])
    found = SiameseClassifier(images=6_000).fit(images, names[labels])
    return found.choose_threshold(*(lambda x, y: (x, names[y]))(*bars(seed=3)))


@pytest.fixture(scope="module")
def asked():
    """1,000 images of the classes, and noise among them."""
    images, _ = bars(count=6, samples=150, seed=1)
    noise = np.random.default_rng(2).integers(0, 256, (COUNT - len(images), SIDE, SIDE), dtype=np.uint8)
    return np.concatenate([images, noise])


@pytest.fixture(scope="module")
def onnx_file(fitted, tmp_path_factory):
    return export(fitted, tmp_path_factory.mktemp("export") / "new" / "bars.onnx")


def check(fitted, asked, embeddings, distances, tolerance=1e-4):
    answers, nearest = fitted.predict_top_k(asked, 1)
    scale = np.abs(fitted.transform(asked)).max()
    assert np.abs(embeddings - fitted.transform(asked)).max() < tolerance * max(1, scale)
    assert (fitted.classes_[distances.argmin(1)] == answers[:, 0]).all()
    assert np.allclose(distances.min(1), nearest[:, 0], atol=1e-2)


def test_onnx_answers_as_torch_does(fitted, asked, onnx_file):
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_file)
    check(fitted, asked, *session.run(["embeddings", "distances"], {"images": asked}))
    one = session.run(None, {"images": asked[:1]})  # any number of images
    assert one[0].shape == (1, 25) and one[1].shape == (1, 6)


def test_onnx_is_one_file_that_knows_its_classes(fitted, onnx_file):
    import onnxruntime

    assert [path.name for path in onnx_file.parent.iterdir()] == ["bars.onnx"]
    told = onnxruntime.InferenceSession(onnx_file).get_modelmeta().custom_metadata_map
    told = {key: json.loads(value) for key, value in told.items()}
    assert told == {
        "classes": fitted.classes_.tolist(),
        "framing": "square",
        "threshold": fitted.threshold_,
    }


@pytest.mark.parametrize("loss", ["metric", "contrastive"])
def test_onnx_distances_are_those_of_the_loss(fitted, asked, tmp_path, loss):
    import copy

    import onnxruntime

    other = copy.deepcopy(fitted)
    other.loss_ = loss  # metric: softplus of the outputs
    session = onnxruntime.InferenceSession(export(other, tmp_path / "a.onnx"))
    check(other, asked, *session.run(["embeddings", "distances"], {"images": asked}))


def test_openvino_answers_as_torch_does(fitted, asked, tmp_path):
    import openvino

    model = openvino.Core().read_model(export(fitted, tmp_path / "bars.xml"))
    found = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(asked)
    check(fitted, asked, found["embeddings"], found["distances"])
    assert json.loads(model.get_rt_info(["siamese_lib", "classes"]).value) == fitted.classes_.tolist()


def test_openvino_int8_keeps_the_answers(fitted, asked, tmp_path):
    import openvino

    images, _ = bars()
    plain, small = export(fitted, tmp_path / "a.xml"), export(fitted, tmp_path / "b.xml", calibration=images)
    assert small.with_suffix(".bin").stat().st_size < 0.8 * plain.with_suffix(".bin").stat().st_size
    glyphs, _ = bars(count=6, samples=150, seed=1)
    found = openvino.Core().compile_model(small, "CPU")(glyphs)["distances"].argmin(1)
    assert (fitted.classes_[found] == fitted.predict(glyphs)).mean() > 0.98


def test_ncnn_answers_as_torch_does(fitted, asked, tmp_path):
    import ncnn

    path = export(fitted, tmp_path / "bars.param")
    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.num_threads = 1
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".ncnn.bin")))
    outputs = []
    for image in asked.astype(np.float32) / 255:
        pixels = ncnn.Mat(image)  # does not own `image`, which must live as long
        extractor = net.create_extractor()
        extractor.input("in0", pixels)
        outputs.append([np.array(extractor.extract(name)[1]).ravel() for name in ("out0", "out1")])
    check(fitted, asked, *(np.stack(found) for found in zip(*outputs, strict=True)), tolerance=2e-4)
    told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert told["classes"] == fitted.classes_.tolist()


def test_all_kinds_lie_beside_one_another(fitted, tmp_path):
    files = {}
    for ending in (".xml", ".param", ".onnx"):
        export(fitted, tmp_path / f"bars{ending}")
        files |= {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name not in files}
    assert sorted(files) == ["bars.bin", "bars.json", "bars.ncnn.bin", "bars.onnx", "bars.param", "bars.xml"]
    assert all((tmp_path / name).read_bytes() == content for name, content in files.items())


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("a.tflite", {}, "the ending says what is written; choose one of .onnx"),
        ("a.onnx", {"calibration": np.zeros((2, SIDE, SIDE), np.uint8)}, "int8 is for OpenVINO"),
    ],
)
def test_what_cannot_be_exported(fitted, tmp_path, name, more, message):
    with pytest.raises(InputError, match=message):
        export(fitted, tmp_path / name, **more)
    assert not list(tmp_path.iterdir())


def test_tables_cannot_be_exported(tmp_path):
    rows = np.random.default_rng(0).random((8, 5))
    tables = SiameseClassifier(images=300).fit(rows, np.arange(8) % 2)
    with pytest.raises(InputError, match="reads tables of 5 numbers; images alone"):
        export(tables, tmp_path / "a.onnx")


def test_a_package_that_is_missing_is_named(fitted, tmp_path, monkeypatch):
    there = builtins.__import__

    def without(name, *more, **named):
        if name == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")
        return there(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"ONNX needs the package onnx; pip install 'siamese_lib\["):
        export(fitted, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_the_command_exports_pretrained_networks_and_files(fitted, asked, tmp_path, capsys):
    import onnxruntime

    from siamese_lib.__main__ import main

    fitted.save(tmp_path / "bars.safetensors")
    for network, classes in (("hangul-2350", 2350), (str(tmp_path / "bars.safetensors"), 6)):
        target = tmp_path / f"{classes}.onnx"
        assert main(["export", network, str(target)]) == 0
        assert capsys.readouterr().out.strip() == str(target)
        distances = onnxruntime.InferenceSession(target).run(["distances"], {"images": asked[:3]})[0]
        assert distances.shape == (3, classes)
    assert main(["export", "nothing", str(tmp_path / "a.onnx")]) == 2
    assert "nothing is not there" in capsys.readouterr().err
