"""A classifier for other runtimes: ONNX, OpenVINO (float32 or int8) and ncnn, each checked against torch.

What is exported reads framed images: `images`, uint8 (n, 37, 37) with ink = 255 (siamese_lib.data.pictures
frames a picture), gives `embeddings` (n, 25) and `distances` (n, C) to the ideal vectors. The answer is the
class of the smallest distance; the classes are in the file itself (ONNX, OpenVINO), or in one beside it.
"""

import json
import os
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from siamese_lib.data.samples import PIXELS
from siamese_lib.errors import InputError, NotThere
from siamese_lib.export.onnx_graph import onnx_model
from siamese_lib.files import write_bytes
from siamese_lib.model import SIDE
from siamese_lib.pretrained import LOSSES

if TYPE_CHECKING:  # a classifier uses the graph of this package for its own answers
    from siamese_lib.classifier import SiameseClassifier

KINDS = {".onnx": "ONNX", ".xml": "OpenVINO", ".param": "ncnn"}
CALIBRATION = 300  # images at most, from which NNCF takes the ranges of activations
# What stays float32 in an int8 network: with the linear layers in int8 too, 11 % of the answers on clean
# glyphs of the validation typefaces change, with softsign and the distances as well 19 %, so at most 1.3
# (results/benchmarks/latency.csv).
FLOAT = ["MatMul", "Multiply", "Add", "ReduceSum", "Sqrt", "SoftSign", "SoftPlus"]


def softsign(x: Tensor) -> Tensor:
    """Eq. 7 for ncnn: pnnx turns x / (1 + |x|) into a softsign layer, and ncnn has none."""
    return x * (1 / (1 + x.abs()))


class Reader(nn.Module):
    """float32 images (1, 1, 37, 37) in [0, 1] -> embeddings and distances, of operations that ncnn has."""

    def __init__(self, classifier: "SiameseClassifier") -> None:
        super().__init__()
        self.network, self.loss = classifier.network_, LOSSES[classifier.loss_]
        ideal = torch.from_numpy(classifier.centroids_)
        middle = ideal.mean(0)  # products of differences from it are most exact
        self.centred = nn.Linear(*reversed(ideal.shape))
        self.centred.weight = nn.Parameter(ideal - middle, requires_grad=False)
        self.centred.bias = nn.Parameter(-(ideal - middle).square().sum(1) / 2, requires_grad=False)
        self.register_buffer("middle", middle)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        embeddings = self.loss.space(self.network(images, softsign))
        centred = embeddings - self.middle
        squares = centred.square().sum(1, keepdim=True) - 2 * self.centred(centred)
        return embeddings, squares.clamp(min=0).sqrt()


def export(classifier: "SiameseClassifier", path: str | os.PathLike, calibration: object = None) -> Path:
    """Write a classifier as NAME.onnx; as NAME.xml with NAME.bin (OpenVINO); or as NAME.param with
    NAME.ncnn.bin and NAME.json (ncnn). The ending decides.

    Args:
        classifier: a fitted one, of pictures.
        path: the file to write.
        calibration: for OpenVINO: pictures or framed images (some hundreds, unlabelled); the network is then
            quantised to int8.

    Returns:
        The file.

    Raises:
        InputError: another ending, a classifier of tables, or calibration for another runtime.
        NotThere: the runtime's packages are not installed.
    """
    path = Path(path)
    kind = KINDS.get(path.suffix)
    if kind is None:
        ends = ", ".join(f"{end} ({name})" for end, name in KINDS.items())
        raise InputError(f"{path}: the ending says what is written; choose one of {ends}")
    labels = classifier.labels()
    if classifier.n_features_in_ != PIXELS:
        raise InputError(
            f"this classifier reads tables of {classifier.n_features_in_} numbers; images alone are exported"
        )
    if calibration is not None and kind != "OpenVINO":
        raise InputError(f"{path}: int8 is for OpenVINO (.xml); {kind} is written as float32")
    card = {
        "classes": labels,
        "framing": classifier.framing,
        "threshold": None if np.isinf(classifier.threshold_) else classifier.threshold_,
    }
    try:
        if kind == "ONNX":
            files = {".onnx": _onnx(classifier, card)}
        elif kind == "OpenVINO":
            files = _openvino(classifier, card, calibration)
        else:
            files = _ncnn(classifier, card)
    except ImportError as error:
        raise NotThere(f"{kind} needs the package {error.name}; pip install 'siamese_lib[export]'") from error
    for ending in sorted(files, key=path.suffix.__eq__):  # the file that names the others last
        write_bytes(path.with_suffix(ending), files[ending])
    return path


def _onnx(classifier: "SiameseClassifier", card: dict) -> bytes:
    network, ideal = classifier.network_, classifier.centroids_
    return onnx_model(network, classifier.loss_, ideal, card).SerializeToString()


def _openvino(classifier: "SiameseClassifier", card: dict, calibration: object) -> dict[str, bytes]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.onnx", Path(folder) / "model.xml"
        source.write_bytes(_onnx(classifier, card))
        model = openvino.convert_model(source)
        if calibration is not None:
            import nncf

            images = classifier.framed_images(calibration).numpy()[:CALIBRATION, None]
            kept = nncf.IgnoredScope(types=FLOAT, validate=False)  # some graphs have no SoftPlus
            images = nncf.Dataset(list(images))
            model = nncf.quantize(model, images, subset_size=CALIBRATION, ignored_scope=kept)
        for key, value in card.items():
            model.set_rt_info(json.dumps(value, ensure_ascii=False), ["siamese_lib", key])
        openvino.save_model(model, target, compress_to_fp16=False)
        return {ending: target.with_suffix(ending).read_bytes() for ending in (".xml", ".bin")}


def _ncnn(classifier: "SiameseClassifier", card: dict) -> dict[str, bytes]:
    import pnnx

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.pt"
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit is old, and what pnnx reads
            one = torch.zeros(1, 1, SIDE, SIDE)
            torch.jit.trace(Reader(classifier).eval(), one).save(source)
        command = [pnnx.EXEC_PATH, source.name, f"inputshape=[1,1,{SIDE},{SIDE}]", "fp16=0"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        parameters, weights = ((Path(folder) / f"model.ncnn{end}").read_bytes() for end in (".param", ".bin"))
    card = json.dumps(card, ensure_ascii=False).encode()
    # not NAME.bin, which is OpenVINO's
    return {".param": parameters, ".ncnn.bin": weights, ".json": card}
