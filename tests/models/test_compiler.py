"""The converter, operation by operation, against numpy; and whole, where the packages are at hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto

from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.default_nanodet import compile_nanodet
from gpu_batch.compiler.default_ssd import compile_ssd
from gpu_batch.compiler.package import read_package
from gpu_batch.compiler.tfjs import NHWC, Tensor, Translator
from tests.models.paths import DEFAULT_MODELS, ROOT

Array = npt.NDArray[Any]
RANDOM = np.random.default_rng(7)
IMAGE = RANDOM.random((2, 6, 8, 3), np.float32)
PACKAGES = ROOT / ".cache" / "packages"


def a_package(folder: Path, nodes: list[dict[str, Any]], weights: dict[str, Array]) -> Path:
    """Write a TFJS graph model in two shards; float32 weights are stored as they are."""
    content = b"".join(value.tobytes() for value in weights.values())
    (folder / "shard1").write_bytes(content[:5])
    (folder / "shard2").write_bytes(content[5:])
    entries = [{"name": name, "shape": list(v.shape), "dtype": v.dtype.name} for name, v in weights.items()]
    document = {
        "modelTopology": {"node": nodes},
        "weightsManifest": [{"paths": ["shard1", "shard2"], "weights": entries}],
    }
    (folder / "model.json").write_text(json.dumps(document))
    return folder / "model.json"


def a_node(op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"op": op, "name": "result", "input": list(inputs), "attr": attributes}


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def integers(*values: int) -> dict[str, Any]:
    return {"list": {"i": [str(value) for value in values]}}


def graph_of(folder: Path, nodes: list[dict[str, Any]], weights: dict[str, Array], shape: Sequence[int]) -> ModelProto:
    """A graph from `image` to what the node called result gives, in TensorFlow's layout."""
    builder = GraphBuilder()
    image = builder.input("image", TensorProto.FLOAT, [*shape])
    translator = Translator(
        builder,
        read_package(a_package(folder, nodes, weights)),
        {"image": Tensor(image, NHWC)},
        resize_scale_by_node={"result": 0.5},
    )
    builder.output(translator.tensor("result", NHWC), "out", TensorProto.FLOAT, ["n", "h", "w", "c"])
    return builder.model("test")


def operations(graph: ModelProto) -> list[str]:
    return [node.op_type for node in graph.graph.node]


def run_on_image(graph: ModelProto) -> Array:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    (result,) = session.run(["out"], {"image": IMAGE})
    return np.asarray(result)


def translate(folder: Path, node: dict[str, Any], **weights: Array) -> Array:
    """What `node` makes of IMAGE, in TensorFlow's layout."""
    return run_on_image(graph_of(folder, [node], weights, IMAGE.shape))


def test_a_convolution_sums_over_channels(tmp_path: Path) -> None:
    kernel = RANDOM.random((1, 1, 3, 5), np.float32)
    node = a_node(
        "Conv2D", "image", "k", padding=text("VALID"), strides=integers(1, 2, 2, 1), dilations=integers(1, 1, 1, 1)
    )
    np.testing.assert_allclose(translate(tmp_path, node, k=kernel), IMAGE[:, ::2, ::2] @ kernel[0, 0], rtol=1e-5)


def test_same_padding_puts_the_odd_pixel_at_the_end(tmp_path: Path) -> None:
    kernel = np.zeros((3, 3, 3, 1), np.float32)
    kernel[0, 0, 0, 0] = 1
    node = a_node(
        "Conv2D", "image", "k", padding=text("SAME"), strides=integers(1, 2, 2, 1), dilations=integers(1, 1, 1, 1)
    )
    np.testing.assert_allclose(translate(tmp_path, node, k=kernel)[..., 0], IMAGE[:, ::2, ::2, 0])


def test_a_depthwise_convolution_keeps_channels_apart(tmp_path: Path) -> None:
    kernel = RANDOM.random((1, 1, 3, 1), np.float32)
    ones = integers(1, 1, 1, 1)
    node = a_node("DepthwiseConv2dNative", "image", "k", padding=text("SAME"), strides=ones, dilations=ones)
    np.testing.assert_allclose(translate(tmp_path, node, k=kernel), IMAGE * kernel[0, 0, :, 0], rtol=1e-5)


def test_a_bias_lines_up_with_the_last_axis(tmp_path: Path) -> None:
    bias = np.array([1, 2, 3], np.float32)
    np.testing.assert_allclose(translate(tmp_path, a_node("BiasAdd", "image", "b"), b=bias), IMAGE + bias)


def test_batch_normalisation_uses_the_moving_moments(tmp_path: Path) -> None:
    gamma, beta, mean, variance = RANDOM.random((4, 3), np.float32)
    node = a_node("FusedBatchNorm", "image", "g", "b", "m", "v", epsilon={"f": 0.001})
    expected = (IMAGE - mean) / np.sqrt(variance + 0.001) * gamma + beta
    np.testing.assert_allclose(
        translate(tmp_path, node, g=gamma, b=beta, m=mean, v=variance), expected, rtol=1e-4, atol=1e-5
    )


def test_a_transpose_only_relabels(tmp_path: Path) -> None:
    permutation = np.array([0, 3, 1, 2], np.int32)
    result = translate(tmp_path, a_node("Transpose", "image", "p"), p=permutation)
    np.testing.assert_array_equal(result, IMAGE.transpose(0, 3, 1, 2))


def test_padding_goes_by_tensorflow_axes(tmp_path: Path) -> None:
    pads = np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32)
    node = a_node("PadV2", "image", "p", "value")
    expected = np.pad(IMAGE, pads, constant_values=-9)
    np.testing.assert_array_equal(translate(tmp_path, node, p=pads, value=np.array(-9, np.float32)), expected)


def test_halving_takes_the_mean_of_four_pixels(tmp_path: Path) -> None:
    node = a_node("ResizeBilinear", "image", "size", half_pixel_centers={"b": True})
    expected = IMAGE.reshape(2, 3, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(translate(tmp_path, node, size=np.array([3, 4], np.int32)), expected, rtol=1e-5)


def test_concatenation_goes_by_tensorflow_axes(tmp_path: Path) -> None:
    node = a_node("ConcatV2", "image", "image", "axis")
    np.testing.assert_array_equal(
        translate(tmp_path, node, axis=np.array(3, np.int32)), np.concatenate([IMAGE, IMAGE], axis=3)
    )


def test_an_unknown_operation_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="Softsign"):
        translate(tmp_path, a_node("Softsign", "image"))


def test_a_network_that_is_nchw_within_needs_no_transpose(tmp_path: Path) -> None:
    ones = integers(1, 1, 1, 1)
    to_nhwc, to_nchw = np.array([0, 2, 3, 1], np.int32), np.array([0, 3, 1, 2], np.int32)
    nodes = [
        a_node("Transpose", "image", "to_nhwc") | {"name": "nhwc"},
        a_node("Conv2D", "nhwc", "k", padding=text("VALID"), strides=ones, dilations=ones) | {"name": "conv"},
        a_node("Transpose", "conv", "to_nchw") | {"name": "nchw"},
        a_node("LeakyRelu", "nchw", alpha={"f": 0.1}),
    ]
    weights = {"k": RANDOM.random((1, 1, 3, 2), np.float32), "to_nhwc": to_nhwc, "to_nchw": to_nchw}
    assert operations(graph_of(tmp_path, nodes, weights, (2, 3, 6, 8))) == ["Conv", "LeakyRelu", "Identity"]


AROUND = ((0, 0), (1, 0), (2, 1), (0, 0))
"""Of images, lines, columns, channels."""


def a_convolution_of_padded(
    folder: Path, before_after: Sequence[tuple[int, int]], value: float = 0, padding: str = "VALID"
) -> tuple[ModelProto, Array]:
    """A padded image that is convolved by a kernel that takes one corner of each 3 x 3; and what comes of it."""
    kernel = np.zeros((3, 3, 3 + sum(before_after[3]), 1), np.float32)
    kernel[0, 2, 0, 0] = 1
    ones = integers(1, 1, 1, 1)
    nodes = [
        a_node("PadV2", "image", "around", "value") | {"name": "padded"},
        a_node("Conv2D", "padded", "k", padding=text(padding), strides=ones, dilations=ones),
    ]
    weights = {"k": kernel, "around": np.array(before_after, np.int32), "value": np.array(value, np.float32)}
    padded = np.pad(IMAGE, before_after, constant_values=value)
    if padding == "SAME":
        padded = np.pad(padded, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return graph_of(folder, nodes, weights, IMAGE.shape), padded[:, :-2, 2:, :1]


def test_a_convolution_pads_by_itself(tmp_path: Path) -> None:
    graph, expected = a_convolution_of_padded(tmp_path, AROUND)
    assert "Pad" not in operations(graph)
    np.testing.assert_array_equal(run_on_image(graph), expected)


@pytest.mark.parametrize(
    ("before_after", "value", "padding"),
    [
        (AROUND, 7.0, "VALID"),
        (AROUND, 0.0, "SAME"),
        (((0, 0), (0, 0), (0, 0), (1, 0)), 0.0, "VALID"),
        (((1, 0), (0, 0), (0, 0), (0, 0)), 0.0, "VALID"),
        (((0, 0), (3, 0), (0, 0), (0, 0)), 0.0, "VALID"),
    ],
    ids=["not by nought", "twice", "channels", "images", "by more than the kernel"],
)
def test_padding_that_a_convolution_cannot_do_is_done_before(
    tmp_path: Path, before_after: Sequence[tuple[int, int]], value: float, padding: str
) -> None:
    graph, expected = a_convolution_of_padded(tmp_path, before_after, value, padding)
    assert operations(graph).count("Pad") == 1
    np.testing.assert_array_equal(run_on_image(graph), expected)


@pytest.mark.parametrize(("value", "pads"), [(-np.inf, 0), (0.0, 1)], ids=["by the least", "by nought"])
def test_a_pooling_pads_by_itself_where_what_it_adds_never_is_the_largest(
    tmp_path: Path, value: float, pads: int
) -> None:
    nodes = [
        a_node("PadV2", "image", "around", "value") | {"name": "padded"},
        a_node("Transpose", "padded", "turn") | {"name": "turned"},
        a_node("Transpose", "turned", "turn_back") | {"name": "as_before"},
        a_node("MaxPool", "as_before", padding=text("VALID"), ksize=integers(1, 2, 3, 1), strides=integers(1, 1, 1, 1)),
    ]
    weights = {
        "around": np.array(AROUND, np.int32),
        "value": np.array(value, np.float32),
        "turn": np.array([0, 3, 1, 2], np.int32),
        "turn_back": np.array([0, 2, 3, 1], np.int32),
    }
    graph = graph_of(tmp_path, nodes, weights, IMAGE.shape)
    assert operations(graph).count("Pad") == pads
    padded = np.pad(IMAGE, AROUND, constant_values=value)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2, 3), axis=(1, 2))
    np.testing.assert_array_equal(run_on_image(graph), windows.max(axis=(-2, -1)))


def test_what_is_padded_is_so_for_everyone(tmp_path: Path) -> None:
    ones = integers(1, 1, 1, 1)
    nodes = [
        a_node("Pad", "image", "around") | {"name": "padded"},
        a_node("Conv2D", "padded", "k", padding=text("VALID"), strides=ones, dilations=ones) | {"name": "convolved"},
        a_node("LeakyRelu", "padded", alpha={"f": 0.5}) | {"name": "activated"},
        a_node("Conv2D", "activated", "k", padding=text("VALID"), strides=ones, dilations=ones) | {"name": "other"},
        a_node("Add", "convolved", "other"),
    ]
    kernel = np.zeros((3, 3, 3, 1), np.float32)
    kernel[0, 2, 0, 0] = 1
    graph = graph_of(tmp_path, nodes, {"k": kernel, "around": np.array(AROUND, np.int32)}, IMAGE.shape)
    # Nothing of the image is below nought.
    np.testing.assert_array_equal(run_on_image(graph), 2 * np.pad(IMAGE, AROUND)[:, :-2, 2:, :1])


@pytest.mark.skipif(not PACKAGES.exists(), reason="the npm packages are not at .cache/packages (docs/models.md)")
@pytest.mark.parametrize(
    ("compile_model", "package", "name"),
    [
        (compile_nanodet, PACKAGES / "human" / "package" / "models", "nanodet-g"),
        (compile_ssd, PACKAGES / "ssd" / "package" / "models" / "coco-ssd", "ssdlite-mobilenet-v2"),
    ],
    ids=["nanodet", "ssd"],
)
def test_the_packages_give_the_shipped_bytes(compile_model: Any, package: Path, name: str) -> None:
    made = compile_model(package).SerializeToString(deterministic=True)
    assert made == (DEFAULT_MODELS / name / "model.onnx").read_bytes()
