"""Reads a network as an exporter wrote it, and makes it fit to be embedded in a canonical graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnx.compose
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, helper, version_converter
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import IR_VERSION, OPSET
from gpu_batch.compiler.heads import RawOutput
from gpu_batch.compiler.refusal import ModelRefused
from gpu_batch.errors import BadOrder
from gpu_batch.models.onnx_safety import check_onnx

MAX_MODEL_BYTES = 512 * 1024 * 1024
"""A worker holds the file and what onnxruntime makes of it in memory."""
MAX_NODES = 20_000
"""Subgraphs included. The largest detectors that are in use have some thousands."""
MIN_OPSET = 11
"""Below, resizing and suppression meant something else. Source: the changelog of the ONNX operators."""

ORT_ERRORS = (
    ort_state.Fail,
    ort_state.InvalidArgument,
    ort_state.InvalidGraph,
    ort_state.InvalidProtobuf,
    ort_state.NotImplemented,
    ort_state.RuntimeException,
    ValueError,
)
"""What a bad model makes onnxruntime raise: a class per status, with no base in common."""

_PREFIX = "network/"
"""Before every name of the network, so that none is ours."""
_LAYOUTS_BY_TASK = {
    ModelTask.DETECTION: ("NCHW", "NHWC"),
    ModelTask.CLASSIFICATION: ("NCHW", "NHWC"),
    ModelTask.CLIP_CLASSIFICATION: ("NTCHW", "NCTHW", "NTHWC"),
}


@dataclass(frozen=True, slots=True)
class Network:
    """A network with one float32 input, whose names all start with our prefix."""

    model: onnx.ModelProto
    input: str
    layout: str
    """The axes of the input, such as NCHW or NCTHW."""
    size_by_axis: dict[str, int | None]
    """The sizes of N, T, H and W; None where the network takes any."""

    @property
    def opset(self) -> int:
        """The version of the standard operators."""
        return opset_of(self.model)

    def run(self, size_by_axis: dict[str, int], wanted: tuple[str, ...]) -> tuple[RawOutput, ...]:
        """The outputs of one run on zeros of this size, all or the wanted ones.

        Raises:
            ModelRefused: onnxruntime does not run it.
        """
        names = [f"{_PREFIX}{name}" for name in wanted] or [output.name for output in self.model.graph.output]
        zeros = np.zeros([3 if axis == "C" else size_by_axis[axis] for axis in self.layout], np.float32)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            values = session.run(names, {self.input: zeros})
        except ORT_ERRORS as error:
            raise ModelRefused("the network", [f"onnxruntime does not run it on {zeros.shape}: {error}"]) from error
        return tuple(
            RawOutput(name, name.removeprefix(_PREFIX), tuple(np.shape(value)))
            for name, value in zip(names, values, strict=True)
        )


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def read_network(content: bytes, task: ModelTask, outputs: tuple[str, ...]) -> Network:
    """Read the file and bring it to an opset that our own nodes can stand in.

    Raises:
        ModelRefused: with every reason that the file gives.
    """
    if len(content) > MAX_MODEL_BYTES:
        raise ModelRefused("the network", [f"a model must have at most {MAX_MODEL_BYTES} bytes but has {len(content)}"])
    reasons = []
    try:
        check_onnx(content)
    except BadOrder as error:
        reasons.append(error.failure.detail)
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelRefused("the network", reasons or [f"the model is not an ONNX file: {error}"]) from error
    if opset_of(model) < MIN_OPSET:
        reasons.append(f"the network must be exported with opset {MIN_OPSET} or later but has {opset_of(model)}")
    if opset_of(model) > onnx.defs.onnx_opset_version():
        known = onnx.defs.onnx_opset_version()
        reasons.append(f"the network must be exported with opset {known} or earlier but has {opset_of(model)}")
    if (nodes := _count_nodes(model.graph)) > MAX_NODES:
        reasons.append(f"the network must have at most {MAX_NODES} nodes but has {nodes}")
    if model.functions:
        reasons.append("the network must have no functions of its own: export it with them inlined")
    found = {output.name for output in model.graph.output}
    if not found:
        reasons.append("the network must have outputs but has none")
    reasons += [f"the network has no output {name!r}: it has {sorted(found)}" for name in outputs if name not in found]
    inputs = _inputs(model)
    reasons += _find_input_reasons(inputs, task)
    if reasons:
        raise ModelRefused("the network", reasons)
    (only,) = inputs
    layout, sizes = _read_layout(only, task)
    return Network(_prepare(model), _PREFIX + only.name, layout, sizes)


def _count_nodes(graph: onnx.GraphProto) -> int:
    """Nodes of a graph and of the graphs in it."""
    inner = (
        subgraph
        for node in graph.node
        for attribute in node.attribute
        for subgraph in ([attribute.g] if attribute.HasField("g") else attribute.graphs)
    )
    return len(graph.node) + sum(map(_count_nodes, inner))


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    # Up to IR version 3, constants were listed among the inputs.
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _find_input_reasons(inputs: list[onnx.ValueInfoProto], task: ModelTask) -> list[str]:
    if len(inputs) != 1:
        return [f"the network must have one input but has {len(inputs)}: {', '.join(value.name for value in inputs)}"]
    tensor_type = inputs[0].type.tensor_type
    reasons = []
    if tensor_type.elem_type != TensorProto.FLOAT:
        name = TensorProto.DataType.Name(tensor_type.elem_type).lower()
        reasons.append(f"input {inputs[0].name} must be float32 but is {name}: export it in single precision")
    layout, sizes = _read_layout(inputs[0], task)
    if not layout:
        dimensions = [entry.dim_value or entry.dim_param or "?" for entry in tensor_type.shape.dim]
        reasons.append(
            f"input {inputs[0].name} must be {' or '.join(_LAYOUTS_BY_TASK[task])} with 3 channels but is {dimensions}"
        )
    elif sizes["N"] not in (None, 1):
        reasons.append(f"the batch of input {inputs[0].name} must be free or 1 but is {sizes['N']}")
    return reasons


def _read_layout(value: onnx.ValueInfoProto, task: ModelTask) -> tuple[str, dict[str, int | None]]:
    """The first layout of which the channels are 3, and the sizes of the other axes; an empty word if there is none."""
    sides = [entry.dim_value or None for entry in value.type.tensor_type.shape.dim]
    for layout in _LAYOUTS_BY_TASK[task]:
        if len(sides) == len(layout) and sides[layout.index("C")] == 3:
            sizes = dict(zip(layout, sides, strict=True))
            return layout, {axis: size for axis, size in sizes.items() if axis != "C"}
    return "", {}


def _prepare(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        if opset_of(model) < OPSET:
            model = version_converter.convert_version(model, OPSET)
    except (RuntimeError, version_converter.ConvertError) as error:
        raise ModelRefused("the network", [f"it cannot be brought to opset {OPSET}: {error}; export it so"]) from error
    model = onnx.compose.add_prefix(model, _PREFIX)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    # Shapes that the exporter noted: onnxruntime finds them again, for the sizes that we state.
    del model.graph.value_info[:]
    del model.metadata_props[:]
    opset = opset_of(model)
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", opset))
    model.ir_version = max(model.ir_version, IR_VERSION)
    return model
