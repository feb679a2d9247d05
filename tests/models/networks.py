"""Small networks with random weights, whose outputs are shaped as each exporter's."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

LABELS = 3
WIDTH, HEIGHT = 128, 64


class NetworkWriter:
    """Writes a network around convolutions of random weights; the same seed gives the same network."""

    def __init__(self, shape: list[int | str], seed: int = 5, opset: int = 17, dtype: int = TensorProto.FLOAT) -> None:
        self._random = np.random.default_rng(seed)
        self._opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.inputs = [helper.make_tensor_value_info("images", dtype, shape)]

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], **attributes))
        return name

    def constant(self, value: npt.ArrayLike, dtype: Any = np.int64) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def conv(self, tensor: str, channels_in: int, channels_out: int, stride: int, gain: float = 1.0) -> str:
        """A convolution that sees `stride` pixels and steps as far; sides are rounded up."""
        spread = gain / np.sqrt(channels_in * stride * stride)
        weights = self._random.normal(0, spread, (channels_out, channels_in, stride, stride))
        bias = self._random.normal(0, 0.3, channels_out)
        kernel, biases = self.constant(weights, np.float32), self.constant(bias, np.float32)
        return self.node("Conv", tensor, kernel, biases, strides=[stride, stride], auto_pad="SAME_UPPER")

    def level(self, stride: int, columns: int, levels: float = 1.0) -> str:
        """[N, columns, H / stride, W / stride] from a picture of numbers up to `levels`."""
        inner = self.node("Relu", self.conv("images", 3, 8, stride, 3.0 / levels))
        return self.conv(inner, 8, columns, 1, 2.0)

    def flat(self, tensor: str) -> str:
        """[N, C, h, w] as [N, C, h * w]."""
        return self.node("Reshape", tensor, self.constant([0, 0, -1]))

    def split(self, tensor: str, sizes: list[int], axis: int) -> list[str]:
        names = [f"s{len(self.nodes)}_{index}" for index in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [tensor, self.constant(sizes)], names, axis=axis))
        return names

    def output(self, tensor: str, name: str, shape: list[int | str]) -> None:
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def model(self) -> bytes:
        graph = helper.make_graph(self.nodes, "network", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def image_input(batch: int | str = "batch", height: int | str = HEIGHT, width: int | str = WIDTH) -> list[int | str]:
    return [batch, 3, height, width]


def yolox(
    strides: tuple[int, ...] = (8, 16, 32),
    shape: list[int | str] | None = None,
    opset: int = 17,
    *,
    decoded: bool = False,
) -> bytes:
    """[N, A, 5 + C]: sigmoid on objectness and labels; boxes raw, or of pixels anywhere in the picture."""
    net = NetworkWriter(shape or image_input(), opset=opset)
    levels = []
    for stride in strides:
        box, rest = net.split(net.level(stride, 5 + LABELS, levels=255), [4, 1 + LABELS], axis=1)
        if decoded:
            sides = net.constant(np.array([WIDTH, HEIGHT, WIDTH / 3, HEIGHT / 3]).reshape(1, 4, 1, 1), np.float32)
            box = net.node("Mul", net.node("Sigmoid", box), sides)
        levels.append(net.flat(net.node("Concat", box, net.node("Sigmoid", rest), axis=1)))
    stacked = net.node("Concat", *levels, axis=2)
    net.output(net.node("Transpose", stacked, perm=[0, 2, 1]), "output", ["batch", "cells", 5 + LABELS])
    return net.model()


def yolov8(shape: list[int | str] | None = None) -> bytes:
    """[N, 4 + C, A]: boxes cx, cy, w, h in pixels, labels behind a sigmoid."""
    net = NetworkWriter(shape or image_input())
    heads = net.node("Concat", *(net.flat(net.level(stride, 4 + LABELS)) for stride in (8, 16, 32)), axis=2)
    box, labels = net.split(heads, [4, LABELS], axis=1)
    # Anything positive and of the size of the picture will do for a box.
    sides = net.constant(np.array([WIDTH, HEIGHT, WIDTH / 3, HEIGHT / 3]).reshape(1, 4, 1), np.float32)
    box = net.node("Mul", net.node("Sigmoid", box), sides)
    net.output(
        net.node("Concat", box, net.node("Sigmoid", labels), axis=1), "output0", ["batch", 4 + LABELS, "anchors"]
    )
    return net.model()


def nanodet(strides: tuple[int, ...], steps: int = 8, shape: list[int | str] | None = None) -> bytes:
    """[N, A, C + 4 * steps]: labels behind a sigmoid, distances as logits."""
    net = NetworkWriter(shape or image_input())
    levels = []
    for stride in strides:
        labels, distances = net.split(net.level(stride, LABELS + 4 * steps), [LABELS, 4 * steps], axis=1)
        levels.append(net.flat(net.node("Concat", net.node("Sigmoid", labels), distances, axis=1)))
    stacked = net.node("Concat", *levels, axis=2)
    net.output(net.node("Transpose", stacked, perm=[0, 2, 1]), "output", ["batch", "cells", LABELS + 4 * steps])
    return net.model()


def detr(columns: int, shape: list[int | str] | None = None) -> bytes:
    """logits [N, Q, columns] and pred_boxes [N, Q, 4]; each cell of 16 pixels stands for a query."""
    net = NetworkWriter(shape or image_input())
    queries = net.node("Transpose", net.flat(net.level(16, columns + 4)), perm=[0, 2, 1])
    logits, boxes = net.split(queries, [columns, 4], axis=2)
    net.output(logits, "logits", ["batch", "queries", columns])
    net.output(net.node("Sigmoid", boxes), "pred_boxes", ["batch", "queries", 4])
    return net.model()


def ssd(finished: bool, shape: list[int | str] | None = None) -> bytes:
    """scores [N, A, 1 + C] behind a softmax, and boxes [N, A, 4]: xyxy in 0..1, or codes."""
    net = NetworkWriter(shape or image_input())
    anchors = net.node("Transpose", net.flat(net.level(16, 5 + LABELS)), perm=[0, 2, 1])
    boxes, scores = net.split(anchors, [4, 1 + LABELS], axis=2)
    if finished:
        low, size = net.split(net.node("Sigmoid", boxes), [2, 2], axis=2)
        boxes = net.node("Concat", low, net.node("Add", low, size), axis=2)
    net.output(net.node("Softmax", scores, axis=2), "scores", ["batch", "anchors", 1 + LABELS])
    net.output(boxes, "boxes", ["batch", "anchors", 4])
    return net.model()


def classifier(shape: list[int | str] | None = None) -> bytes:
    """[N, C] logits."""
    net = NetworkWriter(shape or image_input())
    pooled = net.node("GlobalAveragePool", net.level(8, LABELS))
    net.output(net.node("Flatten", pooled, axis=1), "logits", ["batch", LABELS])
    return net.model()


def clip_classifier(layout: str, frames: int = 4) -> bytes:
    """[N, C] logits of clips in `layout`: the mean picture is looked at, each frame weighed by its place."""
    sides: dict[str, int | str] = {"N": "batch", "T": frames, "C": 3, "H": HEIGHT, "W": WIDTH}
    net = NetworkWriter([sides[axis] for axis in layout])
    turned = net.node("Transpose", "images", perm=[layout.index(axis) for axis in "NTCHW"])
    places = np.linspace(0.2, 1, frames).reshape(1, frames, 1, 1, 1)
    weighed = net.node("Mul", turned, net.constant(places, np.float32))
    mean = net.node("ReduceMean", weighed, axes=[1], keepdims=0)
    inner = net.node("Relu", net.conv(mean, 3, 8, 8, 3.0))
    pooled = net.node("GlobalAveragePool", net.conv(inner, 8, LABELS, 1, 3.0))
    net.output(net.node("Flatten", pooled, axis=1), "logits", ["batch", LABELS])
    return net.model()
