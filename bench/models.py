"""The models that the benchmarks run beside the default ones; made once."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from bench.paths import CLIPS, DEFAULT_MODELS, MODELS, ULTRALYTICS_PYTHON
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import Suppression, frames_input, keep_best, normalise
from gpu_batch.compiler.quantize import write_quantized

NANO = DEFAULT_MODELS / "nanodet-g"
LIGHT = MODELS / "ssdlite-mobilenet-v2-int8"
YOLO_RAW = MODELS / "yolov8n_raw.onnx"
"""Random weights: nothing is found, and that costs as much as finding something."""
YOLO = MODELS / "yolov8n"
LIGHT_AIM = 0.05
"""AP50 against fp32 that is given for speed. `quantization.json` beside the model has what is lost on other frames."""


def make_models() -> None:
    """Make what is missing; the yolov8n pair only where ultralytics is installed."""
    MODELS.mkdir(parents=True, exist_ok=True)
    if not (LIGHT / "model.onnx").exists():
        source = DEFAULT_MODELS / LIGHT.name.removesuffix("-int8")
        write_quantized(source, [CLIPS / "h264_720p.mp4"], [], MODELS, max_ap_loss=1, aim=LIGHT_AIM)
    if ULTRALYTICS_PYTHON.exists() and not YOLO_RAW.exists():
        command = [str(ULTRALYTICS_PYTHON), "-m", "bench.variant", "peers.export_yolov8n", f"target={YOLO_RAW}"]
        subprocess.run(command, check=True, capture_output=True)
    if YOLO_RAW.exists() and not (YOLO / "model.onnx").exists():
        make_canonical_yolov8(YOLO_RAW, YOLO)


def make_canonical_yolov8(raw: Path, target: Path) -> None:
    """Put the canonical ends around a raw yolov8 export: `images` f32 [1, 3, 384, 640] in, `output0` [1, 84, A] out."""
    builder = GraphBuilder()
    planes = normalise(builder, frames_input(builder, 384, 640), (0.0,) * 3, (255.0,) * 3)
    heads = builder.input("output0", TensorProto.FLOAT, [1, 84, "A"])
    boxes, scores = builder.nodes("Split", heads, builder.constant([4, 80], np.int64), outputs=2, axis=1)
    centres, sizes = builder.nodes("Split", builder.node("Transpose", boxes, perm=[0, 2, 1]), outputs=2, axis=2)
    halves = builder.node("Mul", sizes, builder.constant(0.5, np.float32))
    corners = builder.node("Sub", centres, halves), builder.node("Add", centres, halves)
    keep_best(builder, builder.node("Concat", *corners, axis=2), scores, Suppression(0.25, 0.7, 100))
    model = _splice(builder.model("yolov8n"), onnx.load(raw), planes, "output0")
    target.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target / "model.onnx")
    manifest = json.loads((NANO / "manifest.json").read_text()) | {
        "name": "yolov8n-random",
        "input": {"policy": "letterbox", "width": 640, "height": 384, "multiple": 32},
        "score_floor": 0.25,
        "nms_iou": 0.7,
        "licence": "AGPL-3.0 architecture, random weights: for benchmarks only",
        "source": "ultralytics, yolov8n.yaml",
    }
    _write_manifest(manifest, target)


def _splice(ends: onnx.ModelProto, middle: onnx.ModelProto, planes: str, heads: str) -> onnx.ModelProto:
    """`ends` with its input `heads` computed by `middle` from the tensor `planes`."""
    nodes = list(ends.graph.node)
    after = 1 + next(index for index, node in enumerate(nodes) if planes in node.output)
    for node in middle.graph.node:
        node.input[:] = [planes if name == middle.graph.input[0].name else name for name in node.input]
        node.output[:] = [heads if name == middle.graph.output[0].name else name for name in node.output]
    del ends.graph.node[:]
    ends.graph.node.extend([*nodes[:after], *middle.graph.node, *nodes[after:]])
    ends.graph.initializer.extend(middle.graph.initializer)
    inputs = [one for one in ends.graph.input if one.name != heads]
    del ends.graph.input[:]
    ends.graph.input.extend(inputs)
    onnx.checker.check_model(ends)
    return ends


def _write_manifest(manifest: dict[str, Any], target: Path) -> None:
    manifest["sha256"] = hashlib.sha256((target / "model.onnx").read_bytes()).hexdigest()
    (target / "manifest.json").write_text(json.dumps(manifest, indent=2))


if __name__ == "__main__":
    make_models()
