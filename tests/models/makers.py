"""Small models and manifests, with every value that a test does not care about filled in."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from chalicelib.domain.models import Manifest, ModelInput, ModelTask, ResizePolicy

LETTERBOX_416 = ModelInput(ResizePolicy.LETTERBOX, width=416, height=None, multiple=32)
STRETCH_300 = ModelInput(ResizePolicy.STRETCH, width=300, height=300, multiple=1)


def a_manifest(model_bytes: bytes = b"", **changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "sha256": hashlib.sha256(model_bytes).hexdigest(),
        "task": ModelTask.DETECTION,
        "labels": ("person", "traffic light"),
        "input": STRETCH_300,
        "score_floor": 0.1,
        "score_default": 0.4,
        "max_detections": 2,
        "nms_iou": 0.5,
        "licence": "Apache-2.0",
        "source": "made by a test",
        "adapter": "none",
    }
    return Manifest(**(fields | changes))


def a_detector(
    *, boxes: onnx.TensorProto | None = None, extra_nodes: tuple[onnx.NodeProto, ...] = (), domain: str = ""
) -> onnx.ModelProto:
    """A canonical detector of two rows that finds the same in any one frame."""
    outputs = {
        "boxes": boxes or numpy_helper.from_array(np.zeros((1, 2, 4), np.float32), "all_boxes"),
        "scores": numpy_helper.from_array(np.zeros((1, 2), np.float32), "all_scores"),
        "labels": numpy_helper.from_array(np.zeros((1, 2), np.int64), "all_labels"),
    }
    nodes = [helper.make_node("Identity", [tensor.name], [name]) for name, tensor in outputs.items()]
    graph = helper.make_graph(
        [*nodes, *extra_nodes],
        "tiny",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)) for name, tensor in outputs.items()],
        list(outputs.values()),
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    return model


def an_external_tensor() -> onnx.TensorProto:
    """A tensor that says its bytes lie in a file of the worker."""
    tensor = onnx.TensorProto(name="all_boxes", data_type=TensorProto.FLOAT, dims=[1, 2, 4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    return tensor


def an_if_with(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = ()) -> onnx.NodeProto:
    """An `If` with `nodes` and `tensors` in its subgraphs."""
    branch = helper.make_graph(list(nodes), "branch", [], [], list(tensors))
    return helper.make_node("If", ["condition"], ["unused"], then_branch=branch, else_branch=branch)


def a_classifier(labels: int = 3, *, output: str = "scores") -> onnx.ModelProto:
    """A canonical classifier of the mean colour: the scores of the first three labels are red, green and blue."""
    reduced = [
        helper.make_node("Cast", ["frames"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["mean", "most"], ["colours"]),
        helper.make_node("Pad", ["colours", "pads"], [output]),
    ]
    graph = helper.make_graph(
        reduced,
        "colours",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", labels])],
        [
            numpy_helper.from_array(np.array(255, np.float32), "most"),
            numpy_helper.from_array(np.array([0, 0, 0, labels - 3], np.int64), "pads"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def a_classifier_manifest(model_bytes: bytes = b"", **changes: Any) -> Manifest:
    """Of `a_classifier`."""
    fields: dict[str, Any] = {"name": "colours", "labels": ("red", "green", "blue"), "task": ModelTask.CLASSIFICATION}
    return a_manifest(model_bytes, **(fields | {"max_detections": None, "nms_iou": None} | changes))
