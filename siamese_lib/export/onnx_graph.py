"""The network as an ONNX graph, node by node: made in milliseconds, where tracing takes seconds, so that a
classifier can use it for its own answers.
"""

import json
from collections.abc import Mapping

import numpy as np

from siamese_lib.model import EMBEDDING_SIZE, SIDE, EmbeddingNet

OPSET, IR = 17, 8  # of 2021: what runtimes of the last years read


def onnx_model(
    network: EmbeddingNet, loss: str, centroids: np.ndarray | None = None, card: Mapping | None = None
):
    """Images uint8 (n, 37, 37), ink = 255 -> `embeddings` (n, 25), and `distances` (n, C) to ideal vectors.

    Args:
        network: the trained one.
        loss: in whose space embeddings are: the metric loss takes Eq. 5 of the outputs.
        centroids: (C, 25) ideal vectors; None: embeddings alone.
        card: what the file tells beside, JSON's types by name.

    Returns:
        onnx.ModelProto.

    Raises:
        ImportError: onnx is not installed.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, constants, last = [], [], "images"

    def constant(name: str, value) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def then(kind: str, output: str, *more: str, **attributes) -> None:
        nonlocal last
        nodes.append(helper.make_node(kind, [last, *more], [output], name=output, **attributes))
        last = output

    then("Cast", "levels", to=TensorProto.FLOAT)
    then("Mul", "ink", constant("scale", np.float32(1 / 255)))
    then("Unsqueeze", "channel", constant("first", np.array([1], np.int64)))
    for name, layer in network.named_children():
        weights = [
            constant(f"{name}.{key}", value.detach().numpy()) for key, value in layer.named_parameters()
        ]
        if name == "linear":
            then("Flatten", "features")
            then("Gemm", "embeddings" if loss != "metric" else "outputs", *weights, transB=1)
        else:
            then("Conv", name, *weights, strides=list(layer.stride), pads=[*layer.padding, *layer.padding])
            then("Softsign", f"{name}.softsign")
    if loss == "metric":
        then("Softplus", "embeddings")
    outputs = [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", EMBEDDING_SIZE])]
    if centroids is not None:
        middle = centroids.mean(0)  # products of differences from it are most exact
        ideal = centroids - middle
        then("Sub", "centred", constant("middle", middle))
        norms = constant("ideal.squares", np.square(ideal).sum(1))
        nodes.append(helper.make_node("Mul", ["centred", "centred"], ["squared"], name="squared"))
        axis = constant("last", np.array([1], np.int64))
        nodes.append(helper.make_node("ReduceSum", ["squared", axis], ["squares"], name="squares"))
        then("Gemm", "products", constant("ideal", ideal), norms, alpha=-2.0, transB=1)
        then("Add", "differences", "squares")
        then("Relu", "positive")  # a rounded distance of zero
        then("Sqrt", "distances")
        outputs.append(helper.make_tensor_value_info("distances", TensorProto.FLOAT, ["n", len(centroids)]))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIDE, SIDE])
    graph = helper.make_graph(nodes, "siamese_lib", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    for key, value in (card or {}).items():
        model.metadata_props.add(key=key, value=json.dumps(value, ensure_ascii=False))
    checker.check_model(model)
    return model


def session_of(network: EmbeddingNet, loss: str):
    """The network in onnxruntime, on one thread of the CPU: images -> embeddings; None where it, or onnx, is
    not installed.
    """
    try:
        import onnxruntime

        model = onnx_model(network, loss)
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
