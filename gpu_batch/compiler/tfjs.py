"""Translates the operations of a TFJS graph model to ONNX, on demand, from the tensors that are asked for.

TensorFlow convolves NHWC, ONNX NCHW. No tensor is turned around until someone needs it: a tensor carries its
`order`, the TensorFlow axis that lies at each place of the ONNX tensor. A TensorFlow `Transpose` then only
relabels, and a network that is NCHW within (as exports from PyTorch are) comes out without a single Transpose node.
Nor is a tensor padded until someone needs it: a convolution pads what it slides over by itself, and without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.package import Node, Package

Order: TypeAlias = tuple[int, ...]

NHWC: Order = (0, 1, 2, 3)
"""A tensor that lies as TensorFlow says."""
NCHW: Order = (0, 3, 1, 2)
"""A tensor that TensorFlow calls NHWC, laid out as ONNX convolves."""

_AUTO_PAD_BY_PADDING = {"SAME": "SAME_UPPER", "VALID": "VALID"}


@dataclass(frozen=True, slots=True)
class Padding:
    """What lies around a tensor in TensorFlow, and is not in the ONNX tensor yet."""

    before_after: tuple[tuple[int, int], ...]
    """Elements before and after, at each place of the ONNX tensor."""
    value: float


@dataclass(frozen=True, slots=True)
class Tensor:
    """An ONNX tensor of four axes that stands for a TensorFlow tensor."""

    name: str
    order: Order
    padding: Padding | None = None


class Translator:
    """Adds to `builder` what is needed to compute the tensors of `package` that `tensor` is asked for.

    `given` are the tensors where the translation starts. `resize_scale_by_node` replaces the fixed sizes of resize
    operations by ratios, so that a network exported at one size works at any.
    """

    def __init__(
        self,
        builder: GraphBuilder,
        package: Package,
        given: dict[str, Tensor],
        resize_scale_by_node: dict[str, float] | None = None,
    ) -> None:
        self._builder = builder
        self._package = package
        self._tensor_by_name = dict(given)
        self._resize_scale_by_node = resize_scale_by_node or {}

    def tensor(self, name: str, order: Order) -> str:
        """The ONNX tensor of the TensorFlow tensor `name`, laid out in `order`."""
        return self._lay_out(self._tensor(name), order)

    def _tensor(self, name: str) -> Tensor:
        """The tensor with all that belongs to it."""
        tensor = self._unpadded(name)
        if tensor.padding is not None:
            tensor = self._tensor_by_name[name] = self._pad(tensor, tensor.padding)
        return tensor

    def _unpadded(self, name: str) -> Tensor:
        """The tensor, for whoever can do its padding."""
        # With a list of its own, not by recursion: networks are deeper than Python's stack.
        wanted = [name]
        while wanted:
            if wanted[-1] in self._tensor_by_name:
                wanted.pop()
                continue
            node = self._package.node_by_name[wanted[-1]]
            missing = [source for source in node.inputs if not self._is_at_hand(source)]
            wanted += missing
            if not missing:
                self._tensor_by_name[node.name] = self._translate(node)
        return self._tensor_by_name[name]

    def _is_at_hand(self, name: str) -> bool:
        return name in self._tensor_by_name or name in self._package.weights_by_name

    def _lay_out(self, tensor: Tensor, order: Order) -> str:
        if tensor.order == order:
            return tensor.name
        return self._builder.node("Transpose", tensor.name, perm=[tensor.order.index(axis) for axis in order])

    def _weights(self, name: str) -> npt.NDArray[Any]:
        return self._package.weights_by_name[name]

    def _translate(self, node: Node) -> Tensor:
        match node.op:
            case "Conv2D":
                return self._convolve(node, np.transpose(self._weights(node.inputs[1]), (3, 2, 0, 1)), groups=1)
            case "DepthwiseConv2dNative":
                return self._convolve_depthwise(node)
            case "FusedBatchNorm":
                return self._normalise(node)
            case "Add" | "AddV2" | "BiasAdd":
                return self._combine("Add", node)
            case "Mul":
                return self._combine("Mul", node)
            case "AddN":
                return self._combine("Sum", node)
            case "Relu6":
                return self._relu6(node)
            case "LeakyRelu":
                return self._map("LeakyRelu", node, alpha=node.number("alpha"))
            case "Transpose":
                return self._relabel(node)
            case "ConcatV2":
                return self._concatenate(node)
            case "Pad" | "PadV2":
                return self._note_padding(node)
            case "MaxPool":
                return self._max_pool(node)
            case "ResizeBilinear":
                return self._resize(node)
        raise NotImplementedError(f"the TensorFlow operation {node.op} ({node.name}) has no translation")

    def _convolve(self, node: Node, kernel: npt.NDArray[np.float32], groups: int) -> Tensor:
        source, padding = self._slid_over(node, kernel.shape[2:], outside=0)
        name = self._builder.node(
            "Conv",
            source,
            self._builder.weights(kernel),
            **padding,
            strides=node.integers("strides")[1:3],
            dilations=node.integers("dilations")[1:3],
            group=groups,
        )
        return Tensor(name, NCHW)

    def _convolve_depthwise(self, node: Node) -> Tensor:
        height, width, channels, multiplier = self._weights(node.inputs[1]).shape
        kernel = np.transpose(self._weights(node.inputs[1]), (2, 3, 0, 1))
        return self._convolve(node, kernel.reshape(channels * multiplier, 1, height, width), groups=channels)

    def _normalise(self, node: Node) -> Tensor:
        parameters = [self._builder.constant(self._weights(name), np.float32) for name in node.inputs[1:5]]
        source = self.tensor(node.inputs[0], NCHW)
        return Tensor(
            self._builder.node("BatchNormalization", source, *parameters, epsilon=node.number("epsilon")), NCHW
        )

    def _combine(self, op_type: str, node: Node) -> Tensor:
        order = next(self._tensor_by_name[name].order for name in node.inputs if name in self._tensor_by_name)
        operands = [self._operand(name, order) for name in node.inputs]
        return Tensor(self._builder.node(op_type, *operands), order)

    def _operand(self, name: str, order: Order) -> str:
        if name not in self._package.weights_by_name:
            return self.tensor(name, order)
        # A bias has fewer axes; TensorFlow lines them up from the right, before any relabelling.
        weights = self._weights(name)
        aligned = weights.reshape((1,) * (len(order) - weights.ndim) + weights.shape)
        return self._builder.constant(np.transpose(aligned, order), np.float32)

    def _map(self, op_type: str, node: Node, **attributes: Any) -> Tensor:
        source = self._tensor(node.inputs[0])
        return Tensor(self._builder.node(op_type, source.name, **attributes), source.order)

    def _relu6(self, node: Node) -> Tensor:
        source = self._tensor(node.inputs[0])
        bounds = (self._builder.constant(0, np.float32), self._builder.constant(6, np.float32))
        return Tensor(self._builder.node("Clip", source.name, *bounds), source.order)

    def _relabel(self, node: Node) -> Tensor:
        source = self._unpadded(node.inputs[0])
        permutation = self._weights(node.inputs[1]).tolist()
        return replace(source, order=tuple(permutation.index(axis) for axis in source.order))

    def _concatenate(self, node: Node) -> Tensor:
        *names, axis_name = node.inputs
        order = self._tensor(names[0]).order
        axis = order.index(int(self._weights(axis_name)))
        return Tensor(self._builder.node("Concat", *(self.tensor(name, order) for name in names), axis=axis), order)

    def _note_padding(self, node: Node) -> Tensor:
        source = self._tensor(node.inputs[0])
        before_after = self._weights(node.inputs[1])[list(source.order)].tolist()
        value = float(self._weights(node.inputs[2])) if node.op == "PadV2" else 0.0
        return replace(source, padding=Padding(tuple((before, after) for before, after in before_after), value))

    def _pad(self, tensor: Tensor, padding: Padding) -> Tensor:
        befores, afters = zip(*padding.before_after, strict=True)
        pads = self._builder.constant([*befores, *afters], np.int64)
        value = self._builder.constant(padding.value, np.float32)
        return Tensor(self._builder.node("Pad", tensor.name, pads, value), tensor.order)

    def _max_pool(self, node: Node) -> Tensor:
        kernel = node.integers("ksize")[1:3]
        source, padding = self._slid_over(node, kernel, outside=-np.inf)
        name = self._builder.node(
            "MaxPool", source, **padding, kernel_shape=kernel, strides=node.integers("strides")[1:3]
        )
        return Tensor(name, NCHW)

    def _slid_over(self, node: Node, kernel: Sequence[int], outside: float) -> tuple[str, dict[str, Any]]:
        """What a kernel slides over, NCHW, and the attributes that say how it is padded.

        `outside` is what ONNX takes to lie around it; padding with anything else has to be done before.
        """
        source, padding_type = self._unpadded(node.inputs[0]), node.text("padding")
        if source.padding is not None and source.padding.value == outside and padding_type == "VALID":
            images, channels, *sides = (source.padding.before_after[source.order.index(axis)] for axis in NCHW)
            # A pooling that is padded by more is none that onnxruntime takes.
            is_inside_kernel = all(max(side) < length for side, length in zip(sides, kernel, strict=True))
            if images == channels == (0, 0) and is_inside_kernel:
                (top, bottom), (left, right) = sides
                return self._lay_out(replace(source, padding=None), NCHW), {"pads": [top, left, bottom, right]}
        return self.tensor(node.inputs[0], NCHW), {"auto_pad": _AUTO_PAD_BY_PADDING[padding_type]}

    def _resize(self, node: Node) -> Tensor:
        if not node.flag("half_pixel_centers") or node.flag("align_corners"):
            raise NotImplementedError(f"{node.name} must resize with half-pixel centres")
        scale = self._resize_scale_by_node[node.name]
        scales = self._builder.constant([1, 1, scale, scale], np.float32)
        source = self.tensor(node.inputs[0], NCHW)
        name = self._builder.node(
            "Resize", source, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
        )
        return Tensor(name, NCHW)
