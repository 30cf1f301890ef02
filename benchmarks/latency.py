"""How long an answer takes in each runtime, one thread: one glyph, and 256.

    python -m benchmarks.latency            writes results/benchmarks/latency.csv

The network is the committed `hangul-2350`. Runtimes get framed uint8 images and give embeddings and
distances to 2,350 ideal vectors; `network alone` gives embeddings. `SiameseClassifier` is given a grey
picture of 60 x 50 pixels, which it frames, and names the class. The runtimes take turns; medians are
reported. `changed`: percent of 2,000 clean glyphs of the validation typefaces that are read otherwise than by
torch; `accuracy`: of the same. int8: OpenVINO's by NNCF (convolutions alone), and onnxruntime's own static
quantisation, which is measured to say why it is not offered. LiteRT is not among them: its converter wants
another version of torch.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.common import command_line, load, publish
from siamese_lib import SiameseClassifier, load_hangul
from siamese_lib.evaluation import nearest
from siamese_lib.export import export
from siamese_lib.export.onnx_graph import session_of
from siamese_lib.model import to_float

GLYPHS, BATCH = 2_000, 256
SECONDS, ROUNDS = 0.05, 20  # a runtime's turn, and how many it has
CALIBRATION = 300
Answer = Callable[[np.ndarray], np.ndarray]  # images (n, 37, 37) -> distances or embeddings


def torch_eager(reader: SiameseClassifier, network: torch.nn.Module) -> Answer:
    """Embeddings and distances by torch."""
    centroids = torch.from_numpy(reader.centroids_)

    def answer(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            x = network(to_float(torch.from_numpy(images)))
            return torch.cdist(x, centroids, compute_mode="use_mm_for_euclid_dist").numpy()

    return answer


def onnx(path: Path) -> Answer:
    """onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["distances"], {"images": images})[0]


def openvino(path: Path) -> Answer:
    """OpenVINO on the CPU."""
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    model = ov.Core().compile_model(path, "CPU", settings)
    return lambda images: model(images)["distances"]


def ncnn(path: Path) -> Answer:
    """ncnn, one image after the other: it has no batches."""
    import ncnn as library

    net = library.Net()
    net.opt.num_threads = 1
    net.load_param(str(path))
    net.load_model(str(path.with_suffix(".ncnn.bin")))

    def answer(images: np.ndarray) -> np.ndarray:
        found = []
        for image in images.astype(np.float32) / 255:
            pixels, extractor = library.Mat(image), net.create_extractor()
            extractor.input("in0", pixels)
            found.append(np.array(extractor.extract("out1")[1]).ravel())
        return np.stack(found)

    return answer


def onnx_int8(source: Path, target: Path, images: np.ndarray) -> Path:
    """onnxruntime's static quantisation of what is given, calibrated on images."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter({"images": image[None]} for image in images)

        def get_next(self) -> dict | None:
            return next(self.left, None)

    quantize_static(source, target, Images())
    return target


def runtimes(
    reader: SiameseClassifier, folder: Path, glyphs: np.ndarray
) -> dict[str, tuple[Answer, Path | None]]:
    """Name -> what answers, and its file."""
    files = {name: export(reader, folder / name) for name in ("a.onnx", "a.xml", "a.param")}
    int8 = export(reader, folder / "int8.xml", calibration=glyphs[:CALIBRATION])
    own = onnx_int8(files["a.onnx"], folder / "int8.onnx", glyphs[:CALIBRATION])
    network = reader.network_
    return {
        "torch": (torch_eager(reader, network), None),
        "torch, compiled": (torch_eager(reader, torch.compile(network, dynamic=False)), None),
        "onnxruntime": (onnx(files["a.onnx"]), files["a.onnx"]),
        "onnxruntime, int8": (onnx(own), own),
        "OpenVINO": (openvino(files["a.xml"]), files["a.xml"]),
        "OpenVINO, int8": (openvino(int8), int8),
        "ncnn": (ncnn(files["a.param"]), files["a.param"]),
    }


def milliseconds(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each call, by turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()  # once unseen
    for _ in range(ROUNDS):
        for name, call in calls.items():
            end = time.perf_counter() + SECONDS
            while True:
                began = time.perf_counter()
                call()
                taken[name].append(1e3 * (time.perf_counter() - began))
                if time.perf_counter() > end:
                    break
    return {name: median(times) for name, times in taken.items()}


def size(path: Path | None) -> float | None:
    """Kilobytes of a file, with the weights that lie beside some."""
    if path is None:
        return None
    beside = {".xml": [path.with_suffix(".bin")], ".param": [path.with_suffix(".ncnn.bin")]}.get(
        path.suffix, []
    )
    return sum(file.stat().st_size for file in (path, *beside)) / 1e3


def measure(folder: Path) -> list[dict]:
    """A line for each runtime, in the order in which they are named."""
    reader = SiameseClassifier.from_pretrained("hangul-2350")
    bank = load_hangul(split="validation", framing="square")
    chosen = np.random.default_rng(0).choice(len(bank), GLYPHS, replace=False)
    asked, names = bank.images[chosen], bank.names[chosen]
    training = load_hangul(split="train", framing="square").images[:: 8 * 7]
    found = runtimes(reader, folder, training)
    session = session_of(reader.network_, reader.loss_)
    picture = np.pad(asked[0], 12)[:60, :50]
    one, many = asked[:1], asked[:BATCH]
    calls = {
        name: {1: lambda a=answer: a(one), BATCH: lambda a=answer: a(many)}
        for name, (answer, _) in found.items()
    }
    calls["onnxruntime, network alone"] = {
        1: lambda: session.run(None, {"images": one}),
        BATCH: lambda: session.run(None, {"images": many}),
    }
    calls["SiameseClassifier"] = {
        1: lambda: reader.predict([picture]),
        BATCH: lambda: reader.predict([picture] * BATCH),
    }
    times = {n: milliseconds({name: call[n] for name, call in calls.items()}) for n in (1, BATCH)}
    plain = nearest(torch.from_numpy(reader.transform(asked)), torch.from_numpy(reader.centroids_), 1)[0][
        :, 0
    ]
    lines = []
    for name in calls:
        answer, path = found.get(name, (None, None))
        line = {"runtime": name, "one_ms": times[1][name], "batch_ms": times[BATCH][name]}
        line["ratio"] = times[1][name] / times[1]["onnxruntime, network alone"]
        line["kb"] = size(path)
        if answer is not None:
            read = np.concatenate([answer(part) for part in np.array_split(asked, GLYPHS // 100)]).argmin(1)
            line["changed"] = 100 * float((read != plain.numpy()).mean())
            line["accuracy"] = 100 * float((reader.classes_[read] == names).mean())
        lines.append(line)
    return lines


def main() -> None:
    parser = command_line("benchmarks.latency", __doc__)
    parser.parse_args()
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    before = load()
    with TemporaryDirectory() as folder:
        publish("latency", measure(Path(folder)), torch.device("cpu"), load=before)


if __name__ == "__main__":
    main()
