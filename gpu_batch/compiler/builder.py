"""Writes an ONNX graph node by node.

Names come from the order of the calls, so the same calls give the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
"""The IR version that came with opset 17. Source: ONNX `docs/Versioning.md`."""

_SMALLEST_HALF_STORED = 65
"""Weights with fewer elements stay float32: halving them saves nothing, and biases keep their precision."""


class GraphBuilder:
    """Collects nodes and constants; a tensor is its name.

    Nodes that are added must mean the same from opset 17 on: a network from outside keeps the opset it came with.
    """

    def __init__(self, opset: int = OPSET, ir_version: int = IR_VERSION) -> None:
        self._opset = opset
        self._ir_version = ir_version
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._sparse_initializers: list[onnx.SparseTensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, element_type: int, shape: list[int | str]) -> str:
        """Declare an input of the graph; a string in `shape` is a dimension that is free."""
        self._inputs.append(helper.make_tensor_value_info(name, element_type, shape))
        return name

    def fixed_size(self, name: str, axis: int) -> int | None:
        """The size of an axis of an input; None where it is free."""
        value = next(value for value in self._inputs if value.name == name)
        return value.type.tensor_type.shape.dim[axis].dim_value or None

    def output(self, tensor: str, name: str, element_type: int, shape: list[int | str]) -> None:
        """Make `tensor` an output of the graph, called `name`."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, element_type, shape))

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike) -> str:
        """Store a constant as it is; a number has no axes, and some operations take no other."""
        name = f"constant_{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.asarray(value, dtype, order="C"), name))
        return name

    def weights(self, value: npt.NDArray[np.float32]) -> str:
        """Store a float32 constant in half the bytes; onnxruntime folds the Cast when it loads the graph."""
        if value.size < _SMALLEST_HALF_STORED or np.abs(value).max() > np.finfo(np.float16).max:
            return self.constant(value, np.float32)
        return self.node("Cast", self.constant(value, np.float16), to=TensorProto.FLOAT)

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; an empty input name stands for an optional input that is left out."""
        return self.nodes(op_type, *inputs, outputs=1, **attributes)[0]

    def nodes(self, op_type: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add a node with several outputs."""
        names = [f"{op_type.lower()}_{len(self._nodes)}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(op_type, list(inputs), names, **attributes))
        return names

    def split_evenly(self, tensor: str, *, parts: int, axis: int) -> list[str]:
        """Cut a tensor into equal parts."""
        # From opset 18 on, the number of outputs has to be said.
        attributes = {"num_outputs": parts} if self._opset >= 18 else {}
        return self.nodes("Split", tensor, outputs=parts, axis=axis, **attributes)

    def embed(self, graph: onnx.GraphProto, value_by_input: dict[str, str]) -> None:
        """Add a whole graph, whose names must not be ours; its inputs get the tensors of `value_by_input`."""
        self._nodes += [helper.make_node("Identity", [value], [name]) for name, value in value_by_input.items()]
        self._nodes += graph.node
        self._initializers += graph.initializer
        self._sparse_initializers += graph.sparse_initializer

    def model(self, name: str) -> onnx.ModelProto:
        """The finished model, checked by onnx."""
        graph = helper.make_graph(
            self._nodes,
            name,
            self._inputs,
            self._outputs,
            self._initializers,
            sparse_initializer=self._sparse_initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self._opset)], producer_name="reelscan")
        model.ir_version = self._ir_version
        onnx.checker.check_model(model, full_check=True)
        return model
