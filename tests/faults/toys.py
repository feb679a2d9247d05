"""The smallest things that a whole job can be made of: a clip of two seconds, and a model that looks at its pixels."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import av
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from chalicelib.domain.models import Manifest, ModelInput, ResizePolicy
from tests.models.makers import a_manifest

WIDTH, HEIGHT = 64, 48
FRAMES = 24
GOP = 8
SEGMENTS = 3
ROWS_PER_FRAME = 2


@cache
def toy_clip() -> bytes:
    """An MP4 of 24 frames, each of another brightness, with a keyframe every 8: three segments."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        params = f"scenecut=0:bframes=2:threads=1:keyint={GOP}:min-keyint={GOP}"
        stream.options = {"preset": "ultrafast", "x264-params": params}
        for index in range(FRAMES):
            picture = np.full((HEIGHT, WIDTH, 3), 10 * index, np.uint8)
            picture[8:24, 8 + index : 24 + index] = 255 - 10 * index
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
        output.mux(stream.encode(None))
    return target.getvalue()


@cache
def toy_model() -> tuple[bytes, Manifest]:
    """A canonical detector of two rows, whose boxes move and whose scores fall with the brightness of the frame."""
    constants: dict[str, np.ndarray[Any, Any]] = {
        "base_boxes": np.array([[[4, 4, 20, 20], [30, 10, 50, 30]]], np.float32),
        "box_step": np.array([[[0.05, 0, 0.05, 0], [0, 0.02, 0, 0.02]]], np.float32),
        "base_scores": np.array([[0.9, 0.6]], np.float32),
        "score_step": np.array([[-0.001, -0.0005]], np.float32),
        "all_labels": np.array([[1, 0]], np.int64),
        "one": np.array([1, 1, 1], np.int64),
        "flat": np.array([1, 1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "one"], ["mean3"]),
        helper.make_node("Reshape", ["mean", "flat"], ["mean2"]),
        helper.make_node("Mul", ["mean3", "box_step"], ["moved"]),
        helper.make_node("Add", ["base_boxes", "moved"], ["boxes"]),
        helper.make_node("Mul", ["mean2", "score_step"], ["dimmed"]),
        helper.make_node("Add", ["base_scores", "dimmed"], ["scores"]),
        helper.make_node("Identity", ["all_labels"], ["labels"]),
    ]
    outputs = {
        "boxes": (TensorProto.FLOAT, [1, 2, 4]),
        "scores": (TensorProto.FLOAT, [1, 2]),
        "labels": (TensorProto.INT64, [1, 2]),
    }
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    content: bytes = model.SerializeToString()
    size = ModelInput(ResizePolicy.STRETCH, WIDTH, HEIGHT, 1)
    return content, a_manifest(content, name="toy", input=size)
