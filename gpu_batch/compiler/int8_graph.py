"""Int8 forms of one model: which nodes are quantised, how, and in what order they are written.

Only the convolutional network is quantised: convolutions, and what lies between two of them. What comes before
(pixels) and after (decoding of boxes, suppression) stays as it is: it costs little, and eight bits are too few for it.

Weights have seven bits: products of eight overflow the 16-bit sums of processors without VNNI, which would find
something else than those with it. Source: onnxruntime, "Quantize ONNX models", on reduce_range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from gpu_batch.compiler.refusal import QuantizationRefused
from gpu_batch.compiler.sample_frames import Clip

INT8_OPS = ("Add", "Clip", "Conv", "Relu")
"""What onnxruntime computes in int8, or joins to a convolution that it does."""


class Int8Candidates:
    """Makes int8 forms of one model, from one calibration."""

    def __init__(self, source: Path, work: Path, calibration: Sequence[Clip]) -> None:
        self._folded, self._target, self._ranges = work / "folded.onnx", work / "int8.onnx", work / "ranges.json"
        self._calibration = calibration
        graph = _write_folded(source, self._folded).graph
        self._nodes = _nodes_between_convolutions(graph)
        self.convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
        if not self.convolutions:
            raise QuantizationRefused("int8", ["the model must have convolutions but has none"])

    def make(self, *, without: Sequence[str]) -> onnx.ModelProto:
        """Everything in int8 but the convolutions `without`."""
        return self._quantize([name for name in self._nodes if name not in without])

    def make_only(self, convolution: str) -> onnx.ModelProto:
        """One convolution in int8."""
        return self._quantize([convolution])

    def _quantize(self, nodes: list[str]) -> onnx.ModelProto:
        quantize_static(
            self._folded,
            self._target,
            # Ranges are those of the fp32 model, whatever is quantised: they are found once.
            None if self._ranges.exists() else _Inputs(self._calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(INT8_OPS),
            nodes_to_quantize=nodes,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibration_cache_path=self._ranges,
        )
        return _clean(onnx.load(self._target))


def _write_folded(source: Path, target: Path) -> onnx.ModelProto:
    """Write weights as they are computed with, and nodes named by what they make.

    A default model keeps weights in half precision, behind a Cast, where the quantiser would not see them.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    model = onnx.load(target)
    for node in model.graph.node:
        node.name = node.output[0]
    # Else the quantiser asks, at every turn, that this be done.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    onnx.save(model, target)
    return model


def _nodes_between_convolutions(graph: onnx.GraphProto) -> list[str]:
    """The convolutions, and what lies on a way from one to another, of the kinds that there are in int8."""
    after: set[str] = set()
    for node in graph.node:
        if node.op_type == "Conv" or after.intersection(node.input):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or before.intersection(node.output):
            before.update(node.input)
    return [
        node.name
        for node in graph.node
        if node.op_type in INT8_OPS and (node.op_type == "Conv" or (node.output[0] in after & before))
    ]


def _clean(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the quantiser leaves lying, and in one order whatever order its sets had.

    onnxruntime declares every domain that it knows: the worker refuses all but the standard one.
    """
    used = {node.domain for node in model.graph.node}
    declared = [one for one in model.opset_import if one.domain in used]
    constants = sorted(model.graph.initializer, key=lambda tensor: tensor.name)
    nodes = list(_in_order(model.graph))
    for field in (model.opset_import, model.graph.initializer, model.graph.node):
        del field[:]
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.opset_import.extend(declared)
    model.graph.initializer.extend(constants)
    model.graph.node.extend(nodes)
    model.graph.name = "int8"
    return model


def _in_order(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes, each after what it needs, and otherwise by name."""
    node_by_tensor = {tensor: node for node in graph.node for tensor in node.output}
    sorter = TopologicalSorter(
        {
            node.output[0]: {node_by_tensor[one].output[0] for one in _needed(node) if one in node_by_tensor}
            for node in graph.node
        }
    )
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from (node_by_tensor[tensor] for tensor in ready)
        sorter.done(*ready)


def _needed(node: onnx.NodeProto) -> Iterator[str]:
    """Tensors that the node reads, those in its subgraphs included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _needed(inner)
            yield from (output.name for output in graph.output)


class _Inputs(CalibrationDataReader):  # type: ignore[misc]
    """Frames of clips, one after the other."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._frames = iter([frame.pixels for clip in clips for frame in clip.frames])

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """The next input, None after the last."""
        pixels = next(self._frames, None)
        return None if pixels is None else {"frames": pixels}
