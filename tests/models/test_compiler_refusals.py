"""What the compiler refuses, and that it says everything at once; and the command as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from chalicelib.domain.models import ModelTask, manifest_from_json
from gpu_batch.compiler.__main__ import main
from gpu_batch.compiler.add import compile_network
from gpu_batch.compiler.label_file import read_columns
from gpu_batch.compiler.network import MAX_MODEL_BYTES
from gpu_batch.compiler.recipe import HeadOptions
from gpu_batch.compiler.refusal import ModelRefused
from gpu_batch.compiler.trial import find_output_reasons, try_model
from gpu_batch.models.loader import load_folder
from tests.models import networks
from tests.models.makers import a_manifest
from tests.models.networks import LABELS, NetworkWriter
from tests.models.paths import DEFAULT_MODELS
from tests.models.test_compiler_adapters import a_recipe, some_frames


def reasons_for(network: bytes, adapter: str, **changes: Any) -> str:
    with pytest.raises(ModelRefused) as refusal:
        compile_network(network, a_recipe(adapter, **changes))
    assert refusal.value.exit_code == 66
    return "\n".join(refusal.value.reasons)


@pytest.mark.parametrize("adapter", ["yolox", "yolov8", "detr", "ssd", "nanodet", "logits"])
def test_the_heads_of_another_family_are_named(adapter: str) -> None:
    other = networks.classifier() if adapter != "logits" else networks.yolox()
    assert f"{adapter} needs" in reasons_for(other, adapter)


def test_the_wrong_number_of_labels_is_told_with_the_shape_that_came() -> None:
    found = reasons_for(networks.yolox(), "yolox", columns=("person",))
    assert "[N, cells, 6]" in found
    assert "output [1, 168, 8]" in found


def test_rows_of_an_export_with_nms_are_recognised() -> None:
    net = NetworkWriter(networks.image_input())
    rows = net.node("Transpose", net.flat(net.level(16, 6)), perm=[0, 2, 1])
    net.output(rows, "output0", ["batch", "rows", 6])
    assert "nms=False" in reasons_for(net.model(), "yolov8")


def test_cells_that_do_not_fit_the_strides_are_told() -> None:
    assert "--strides" in reasons_for(networks.yolox((8, 16, 32, 64)), "yolox")


def test_every_reason_is_given_at_once() -> None:
    net = NetworkWriter(["batch", 1, 64, 128], opset=10, dtype=TensorProto.FLOAT16)
    net.inputs.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [2]))
    net.output(net.node("Cast", "images", to=TensorProto.FLOAT), "out", ["batch", 1, 64, 128])
    found = reasons_for(net.model(), "yolov8", head=HeadOptions(decoded=True), clip_frames=3, outputs=("other",))
    for part in (
        "--decoded means nothing",
        "--clip-frames means nothing",
        "opset 11",
        "one input",
        "no output 'other'",
    ):
        assert part in found


@pytest.mark.parametrize(
    ("shape", "dtype", "reason"),
    [
        (["batch", 3, 64, 128], TensorProto.FLOAT16, "must be float32 but is float16"),
        (["batch", 3, 64, 128], TensorProto.UINT8, "must be float32 but is uint8"),
        (["batch", 4, 64, 128], TensorProto.FLOAT, "must be NCHW or NHWC with 3 channels"),
        ([8, 3, 64, 128], TensorProto.FLOAT, "must be free or 1 but is 8"),
    ],
)
def test_inputs_that_are_not_taken_are_named(shape: list[int | str], dtype: int, reason: str) -> None:
    net = NetworkWriter(shape, dtype=dtype)
    net.output(net.node("Cast", "images", to=TensorProto.FLOAT), "out", list(shape))
    assert reason in reasons_for(net.model(), "logits")


def test_a_network_of_any_size_asks_for_one() -> None:
    network = networks.yolox(shape=networks.image_input(height="h", width="w"))
    assert "say --input-size" in reasons_for(network, "yolox")


def test_another_size_than_the_network_has_is_refused() -> None:
    assert "takes frames of 128 x 64" in reasons_for(networks.yolox(), "yolox", sizes=((64, 64),))


def test_external_data_and_custom_operators_are_refused() -> None:
    model = onnx.load_model_from_string(networks.classifier())
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    assert "'com.example'" in reasons_for(model.SerializeToString(), "logits")
    model = onnx.load_model_from_string(networks.classifier())
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    assert "external files" in reasons_for(model.SerializeToString(), "logits")


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(MAX_MODEL_BYTES + 1)], ids=["empty", "text", "huge"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    assert reasons_for(content, "logits")


def test_scores_that_are_no_scores_point_to_the_activation() -> None:
    manifest = a_manifest(task=ModelTask.CLASSIFICATION, max_detections=None, nms_iou=None)
    (reason,) = find_output_reasons(manifest, {"scores": np.array([[-3, 7]], np.float32)}, 1)
    assert "--activation" in reason


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(networks.yolox())
    (tmp_path / "labels.txt").write_text("person\n\ndog\n")
    return path


def add(network: Path, *more: str) -> int:
    labels, out = str(network.with_name("labels.txt")), str(network.with_name("models"))
    return main(["add", str(network), "--adapter", "yolox", "--name", "tiny", "--labels", labels, "--out", out, *more])


def test_one_command_makes_a_model_that_the_worker_opens(
    network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(network_file, "--score-floor", "0.3") == 0
    folder = network_file.with_name("models") / "tiny"
    model = load_folder(folder)
    assert model.manifest == manifest_from_json(json.loads((folder / "manifest.json").read_text()))
    assert (model.manifest.labels, model.manifest.input.shapes) == (("person", "dog"), ((128, 64),))
    assert (model.run(some_frames(1))[1] > 0.3).any()
    printed = capsys.readouterr().out
    assert "ms CPU" in printed
    assert "MB" in printed


def test_a_refusal_writes_nothing_and_gives_its_exit_code(
    network_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(network_file, "--activation", "softmax", "--box-form", "xyxy") == 66
    assert not network_file.with_name("models").exists()
    refusal = capsys.readouterr().err
    assert "--activation must be one of" in refusal
    assert "--box-form means nothing" in refusal


def test_a_model_that_is_not_canonical_fails_its_trial(network_file: Path) -> None:
    assert add(network_file) == 0
    folder = network_file.with_name("models") / "tiny"
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(document | {"max_detections": 7}))
    with pytest.raises(ModelRefused, match="must give"):
        try_model(folder)


def test_coco_numbers_have_their_labels() -> None:
    columns = read_columns("coco-91")
    assert (len(columns), columns[0], columns[1], columns[12], columns[90]) == (91, None, "person", None, "toothbrush")
    assert len([label for label in columns if label]) == 80
    assert LABELS == 3


NANODET = str(DEFAULT_MODELS / "nanodet-g")
QUANTIZE = ["--frames", __file__, "--out", "models"]
ADD = ["--adapter", "yolox", "--name", "mine", "--out", "models"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quantize", "no-such-model", *QUANTIZE], "no-such-model must be the folder of a model but there is none"),
        (["quantize", str(Path(__file__).parent), *QUANTIZE], "but lacks manifest.json and model.onnx"),
        (["quantize", NANODET, "--frames", "no.mp4", "--out", "models"], "no.mp4 must be a file"),
        (["quantize", NANODET, *QUANTIZE, "--holdout", "no.mp4"], "no.mp4 must be a file"),
        (["quantize", NANODET, *QUANTIZE, "--max-ap-loss", "1.5"], "must be of 0 to 1 but is 1.5"),
        (["quantize", NANODET, *QUANTIZE, "--max-ap-loss", "-0.1"], "must be of 0 to 1 but is -0.1"),
        (["quantize", NANODET, *QUANTIZE, "--max-ap-loss", "nan"], "must be of 0 to 1 but is nan"),
        (["quantize", NANODET, *QUANTIZE, "--max-ap-loss", "much"], "invalid share value: 'much'"),
        (["add", "no.onnx", *ADD, "--labels", "coco"], "no.onnx must be a file but there is none"),
        (["add", __file__, *ADD, "--labels", "no.txt"], "no.txt must be a file but there is none"),
        (["add", __file__, *ADD, "--labels", "coco", "--anchors", "no.npy"], "no.npy must be a file"),
    ],
)
def test_an_argument_that_cannot_be_ends_with_2_and_says_why(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
