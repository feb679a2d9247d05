"""Models that must be refused, made here, each with the words that its refusal must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from chalicelib.domain.errors import ErrorCode
from gpu_batch.compiler.network import MAX_NODES
from tests.models import networks
from tests.models.makers import an_external_tensor, an_if_with
from tests.models.networks import LABELS, NetworkWriter


@dataclass(frozen=True)
class BadModel:
    """One of the corpus."""

    make: Callable[[], bytes]
    reason: str
    """Part of one of its reasons."""
    adapter: str = "yolox"
    code: ErrorCode = ErrorCode.MODEL_INVALID
    recipe: dict[str, Any] = field(default_factory=dict)


def changed(change: Callable[[onnx.ModelProto], object], network: Callable[[], bytes] = networks.yolox) -> bytes:
    """A good network with a change that no exporter would make."""
    model = onnx.load_model_from_string(network())
    change(model)
    return bytes(model.SerializeToString())


def with_node(node: onnx.NodeProto, *tensors: onnx.TensorProto) -> bytes:
    """A good network with another node in front, whose result nobody needs."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.node.insert(0, node)
        model.graph.initializer.extend(tensors)

    return changed(change)


def scores(make: Callable[[NetworkWriter], str], shape: list[int | str] | None = None, **options: Any) -> bytes:
    """A classifier whose output is what `make` makes of a picture."""
    net = NetworkWriter(networks.image_input() if shape is None else shape, **options)
    net.output(make(net), "logits", ["batch", LABELS])
    model = helper.make_model(
        helper.make_graph(net.nodes, "network", net.inputs, net.outputs, net.constants),
        opset_imports=[helper.make_opsetid("", options.get("opset", 17))],
    )
    model.ir_version = 8
    return bytes(model.SerializeToString())


def logits(net: NetworkWriter) -> str:
    """[N, LABELS] of a picture."""
    pooled = net.node("GlobalAveragePool", net.level(8, LABELS))
    return net.node("Flatten", pooled, axis=1)


def plus(net: NetworkWriter, number: str) -> str:
    return net.node("Add", logits(net), number)


def endless(net: NetworkWriter) -> str:
    """A loop that never ends adds to its result."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("Identity", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1]),
        ],
    )
    turns, go_on, start = net.constant(2**62), net.constant(True, np.bool_), net.constant([0], np.float32)
    return plus(net, net.node("Loop", turns, go_on, start, body=body))


def bomb(net: NetworkWriter) -> str:
    """A few bytes that become 4 TB."""
    ones = net.node("ConstantOfShape", net.constant([1 << 20, 1 << 20]))
    return plus(net, net.node("ReduceMax", net.node("Add", ones, net.constant([1], np.float32)), keepdims=0))


def growing_bomb(net: NetworkWriter) -> str:
    """Each step doubles, so that no single shape in the file is large."""
    value = net.node("Mul", net.node("ReduceMax", "images", keepdims=0), net.constant([1.0], np.float32))
    for _ in range(40):
        value = net.node("Concat", value, value, axis=0)
    return plus(net, net.node("ReduceMax", value, keepdims=0))


def slow(net: NetworkWriter) -> str:
    """Sound, but a minute of multiplications."""
    side = net.constant(np.eye(1500) * 0.5, np.float32)
    value = net.node("Mul", side, net.node("ReduceMax", "images", keepdims=0))
    for _ in range(500):
        value = net.node("MatMul", value, side)
    return plus(net, net.node("ReduceMax", value, keepdims=0))


def random(net: NetworkWriter) -> str:
    return plus(net, net.node("RandomNormal", shape=[1], scale=1.0))


def whole_batch(net: NetworkWriter) -> str:
    """What a frame gets depends on its neighbours."""
    return net.node("Sub", logits(net), net.node("ReduceMean", logits(net), axes=[0], keepdims=1))


def not_a_number(net: NetworkWriter) -> str:
    zero = net.node("Mul", net.node("ReduceMax", "images", keepdims=0), net.constant(0, np.float32))
    return plus(net, net.node("Div", zero, zero))


def only_on_black(net: NetworkWriter) -> str:
    """Infinite for a black picture, and sound for all others."""
    # Without normalisation, so that black is zero.
    return plus(net, net.node("Reciprocal", net.node("ReduceMax", "images", keepdims=0)))


def deep(levels: int) -> onnx.NodeProto:
    """An `If` in an `If`, again and again."""
    node, shallow = helper.make_node("Identity", ["images"], ["innermost"]), helper.make_graph([], "shallow", [], [])
    for _ in range(levels):
        branch = helper.make_graph([node], "branch", [], [])
        node = helper.make_node("If", ["condition"], ["unused"], then_branch=branch, else_branch=shallow)
    return node


def a_tensor_of(*dims: int) -> bytes:
    """Four numbers that say that they are of some shape."""
    tensor = onnx.TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=dims, raw_data=bytes(16))
    return with_node(helper.make_node("Relu", ["weights"], ["x"]), tensor)


def rows_after_suppression() -> bytes:
    net = NetworkWriter(networks.image_input())
    rows = net.node("Transpose", net.flat(net.level(16, 6)), perm=[0, 2, 1])
    net.output(rows, "output0", ["batch", "rows", 6])
    return net.model()


def inside_out() -> bytes:
    """Finished boxes whose corners are the wrong way round."""
    net = NetworkWriter(networks.image_input())
    anchors = net.node("Transpose", net.flat(net.level(16, 5 + LABELS)), perm=[0, 2, 1])
    boxes, rest = net.split(anchors, [4, 1 + LABELS], axis=2)
    low, size = net.split(net.node("Sigmoid", boxes), [2, 2], axis=2)
    boxes = net.node("Concat", net.node("Add", low, size), low, axis=2)
    net.output(net.node("Softmax", rest, axis=2), "scores", ["batch", "anchors", 1 + LABELS])
    net.output(boxes, "boxes", ["batch", "anchors", 4])
    return net.model()


def inputs_of(*shape: int | str, dtype: int = TensorProto.FLOAT) -> bytes:
    return scores(lambda net: net.node("Cast", "images", to=TensorProto.FLOAT), list(shape), dtype=dtype)


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [2]))


def with_function(model: onnx.ModelProto) -> None:
    opset = helper.make_opsetid("", 17)
    model.functions.append(
        helper.make_function("", "Own", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], [opset])
    )


def cyclic(model: onnx.ModelProto) -> None:
    first, last = model.graph.node[0], model.graph.node[-2]
    first.input[0] = last.output[0]


def set_opset(version: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = version

    return change


LOGITS: dict[str, Any] = {"adapter": "logits"}
SCORES_AS_THEY_ARE: dict[str, Any] = {"adapter": "logits", "recipe": {"activation": "none"}}
TOO_LONG: dict[str, Any] = {"adapter": "logits", "code": ErrorCode.MODEL_TIMEOUT}
TOO_LARGE: dict[str, Any] = {"adapter": "logits", "code": ErrorCode.RESOURCE_LIMIT}

BAD_MODELS: dict[str, BadModel] = {
    # --- what is no model ---
    "text": BadModel(lambda: b"this is no model", "is not an ONNX file"),
    "a picture": BadModel(lambda: b"\x89PNG\r\n\x1a\n" + bytes(1000), "is not an ONNX file"),
    "zeros": BadModel(lambda: bytes(5000), "is not an ONNX file"),
    "noise": BadModel(lambda: np.random.default_rng(3).bytes(20_000), "is not an ONNX file"),
    "half a file": BadModel(lambda: networks.yolox()[: len(networks.yolox()) // 2], "is not an ONNX file"),
    "a tail of noise": BadModel(lambda: networks.yolox() + bytes([0x9A, 0xFF, 0xFF, 0xFF, 0x0F, 1]), "is not an ONNX"),
    "no graph": BadModel(lambda: onnx.ModelProto(ir_version=8).SerializeToString(), "must have one input but has 0"),
    # --- what reaches outside ---
    "external data": BadModel(
        lambda: changed(lambda model: model.graph.initializer.append(an_external_tensor())), "external files"
    ),
    "external data in a branch": BadModel(lambda: with_node(an_if_with(tensors=(an_external_tensor(),))), "external"),
    "an operator of a custom domain": BadModel(
        lambda: with_node(helper.make_node("Shell", ["images"], ["x"], domain="com.example")), "'com.example'"
    ),
    "a custom domain in a branch": BadModel(
        lambda: with_node(an_if_with(helper.make_node("Shell", ["images"], ["x"], domain="evil"))), "'evil'"
    ),
    "operators of onnxruntime": BadModel(
        lambda: with_node(helper.make_node("Gelu", ["images"], ["x"], domain="com.microsoft")), "'com.microsoft'"
    ),
    "functions": BadModel(lambda: changed(with_function), "no functions of its own"),
    # --- versions, sizes, counts ---
    "an old opset": BadModel(lambda: changed(set_opset(9)), "opset 11 or later but has 9"),
    "an opset to come": BadModel(lambda: changed(set_opset(999)), "or earlier but has 999"),
    "too many nodes": BadModel(
        lambda: changed(
            lambda model: model.graph.node.extend(
                helper.make_node("Identity", ["images"], [f"more{number}"]) for number in range(MAX_NODES)
            )
        ),
        f"at most {MAX_NODES} nodes",
    ),
    "branches in branches": BadModel(lambda: with_node(deep(20)), "more than 32 deep"),
    # --- inputs ---
    "two inputs": BadModel(lambda: changed(second_input), "must have one input but has 2: images, sizes"),
    "half precision": BadModel(lambda: inputs_of("batch", 3, 64, 128, dtype=TensorProto.FLOAT16), "float16", **LOGITS),
    "bytes": BadModel(lambda: inputs_of("batch", 3, 64, 128, dtype=TensorProto.UINT8), "but is uint8", **LOGITS),
    "four channels": BadModel(lambda: inputs_of("batch", 4, 64, 128), "with 3 channels", **LOGITS),
    "a batch of 8": BadModel(lambda: inputs_of(8, 3, 64, 128), "must be free or 1 but is 8", **LOGITS),
    "an input without axes": BadModel(lambda: inputs_of(), "with 3 channels but is []", **LOGITS),
    "any size": BadModel(lambda: networks.yolox(shape=networks.image_input(height="h", width="w")), "say input.shapes"),
    "another size": BadModel(networks.yolox, "takes frames of 128 x 64", recipe={"shapes": ((64, 64),)}),
    # --- outputs ---
    "no outputs": BadModel(lambda: changed(lambda model: model.graph.ClearField("output")), "must have outputs"),
    "heads of another family": BadModel(networks.yolox, "yolov8 needs", adapter="yolov8"),
    "too many labels": BadModel(networks.yolox, "[N, cells, 9]", recipe={"labels": ("a", "b", "c", "d")}),
    "boxes after suppression": BadModel(rows_after_suppression, "nms=False", adapter="yolov8"),
    "an output that is not there": BadModel(networks.yolox, "no output 'boxes'", recipe={"outputs": ("boxes",)}),
    "an activation of another kind": BadModel(
        networks.yolox, "head.activation must be one of", recipe={"activation": "softmax"}
    ),
    # --- graphs that are none ---
    "an operator that there is not": BadModel(
        lambda: with_node(helper.make_node("Frobnicate", ["images"], ["x"])), "Frobnicate"
    ),
    "a tensor that there is not": BadModel(lambda: with_node(helper.make_node("Relu", ["nothing"], ["x"])), "nothing"),
    "a circle": BadModel(lambda: changed(cyclic), "graph"),
    "a name twice": BadModel(lambda: with_node(helper.make_node("Relu", ["images"], ["t0"])), "t0"),
    "weights that are too short": BadModel(lambda: a_tensor_of(64, 64), "weights"),
    "weights of 4 TB": BadModel(lambda: a_tensor_of(1 << 20, 1 << 20), "weights"),
    "weights of less than nothing": BadModel(lambda: a_tensor_of(-1, 4), "dimensions"),
    "text for pixels": BadModel(
        lambda: with_node(
            helper.make_node("Add", ["images", "words"], ["x"]),
            numpy_helper.from_array(np.array(["a"], object), "words"),
        ),
        "onnxruntime does not run it",
    ),
    # --- golden frames that fail ---
    "not a number": BadModel(lambda: scores(not_a_number), "must be finite", **LOGITS),
    "infinite on black": BadModel(
        lambda: scores(only_on_black),
        "must be finite",
        "logits",
        recipe={"activation": "none", "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    ),
    "scores of more than one": BadModel(lambda: scores(logits), "scores must be 0..1", **SCORES_AS_THEY_ARE),
    "random": BadModel(lambda: scores(random), "must give the same bytes", **LOGITS),
    "a frame depends on its batch": BadModel(lambda: scores(whole_batch), "export it with a batch of 1", **LOGITS),
    "boxes inside out": BadModel(inside_out, "x1 < x2 and y1 < y2", adapter="ssd", recipe={"score_floor": 0.01}),
    # --- what never ends, or takes all ---
    "endless": BadModel(lambda: scores(endless), "seconds of CPU time", **TOO_LONG),
    "slow": BadModel(lambda: scores(slow), "CPU time", **TOO_LONG),
    "a bomb": BadModel(lambda: scores(bomb), "GiB of memory", **TOO_LARGE),
    "a bomb that grows": BadModel(lambda: scores(growing_bomb), "GiB of memory", **TOO_LARGE),
}
