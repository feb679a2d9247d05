"""The int8 form of a model: same bytes every time, judged on other frames, refused when it loses too much."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import onnx
import pytest

from gpu_batch.compiler.__main__ import main
from gpu_batch.compiler.accuracy import Agreement, Found, as_found, average_precision_50, compare_found
from gpu_batch.compiler.add import compile_network
from gpu_batch.compiler.int8_graph import INT8_OPS
from gpu_batch.compiler.model_folder import write_model_folder
from gpu_batch.compiler.sample_frames import MAX_FRAMES, read_clips
from gpu_batch.errors import BadInput
from gpu_batch.models.detect import detect
from gpu_batch.models.loader import load_folder
from tests.models import networks
from tests.models.makers import a_manifest
from tests.models.networks import HEIGHT, WIDTH
from tests.models.paths import ROOT
from tests.models.test_compiler_adapters import a_recipe, some_frames


def rows(*scored: tuple[float, float, int]) -> Found:
    """Boxes of 10 x 10 pixels: left edge, score, label."""
    lefts, scores, labels = (np.array(column) for column in zip(*scored, strict=True)) if scored else [np.zeros(0)] * 3
    boxes = np.stack([lefts, lefts * 0, lefts + 10, lefts * 0 + 10], axis=1)
    return Found(boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int64))


def test_the_same_rows_agree_in_everything() -> None:
    truth = [rows((0, 0.9, 1), (40, 0.5, 2)), rows()]
    assert compare_found(truth, truth) == Agreement(2, 1.0, 1.0, 0.0)


def test_what_is_lost_and_what_is_too_much_are_counted() -> None:
    truth = [rows((0, 0.9, 1), (40, 0.5, 2)), rows((0, 0.5, 1), (80, 0.5, 1))]
    # Of another label, moved by a third of its union, right, moved by two thirds.
    found = [rows((40, 0.8, 1), (2, 0.7, 1)), rows((0, 0.625, 1), (85, 0.5, 1))]
    agreement = compare_found(found, truth)
    # By score: wrong, right, right, wrong. Precision 1/2 at the first, 2/3 at the second, which holds for both.
    assert agreement.ap50 == pytest.approx(2 * (2 / 3) / 4)
    assert agreement.matched_share == 2 / 4
    assert agreement.mean_score_difference == pytest.approx((0.2 + 0.125) / 2, abs=1e-6)


def test_a_row_of_the_truth_is_taken_once_and_by_the_best() -> None:
    agreement = compare_found([rows((1, 0.6, 1), (0, 0.8, 1))], [rows((0, 0.9, 1))])
    assert (agreement.ap50, agreement.matched_share) == (1.0, 1.0)
    assert agreement.mean_score_difference == pytest.approx(0.1, abs=1e-6)


def test_nothing_found_is_worth_nothing_and_no_truth_says_nothing() -> None:
    assert compare_found([rows()], [rows((0, 0.9, 1))]) == Agreement(1, 0.0, 0.0, None)
    assert compare_found([rows((0, 0.9, 1))], [rows()]) == Agreement(0, None, None, None)
    with pytest.raises(ValueError, match="must have rows"):
        average_precision_50([rows()], [rows()])


def a_video(path: Path, count: int, seed: int = 0, contrast: float = 1) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 4_000_000
        for pixels in some_frames(seed + count)[:count]:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray((pixels * contrast).astype(np.uint8), format="rgb24"))
            )
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    network, manifest = compile_network(networks.yolox(), a_recipe("yolox", max_detections=50))
    write_model_folder(tmp_path / "tiny", manifest, network)
    return tmp_path / "tiny"


def quantize(model: Path, *more: str, out: str = "out") -> int:
    return main(["quantize", str(model), "--out", str(model.with_name(out)), *more])


def test_a_classifier_is_refused_since_there_are_no_boxes_to_judge_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, manifest = compile_network(networks.classifier(), a_recipe("logits"))
    write_model_folder(tmp_path / "scenes", manifest, network)
    assert quantize(tmp_path / "scenes", "--frames", str(a_video(tmp_path / "seen.mp4", 2))) == 66
    assert "must be for detection" in capsys.readouterr().err


def test_the_worker_opens_the_int8_model_and_its_report_is_beside_it(model: Path, tmp_path: Path) -> None:
    (model / "NOTICE").write_text("whose weights these are")
    seen, unseen = a_video(tmp_path / "seen.mp4", 8), a_video(tmp_path / "unseen.mp4", 5, seed=50)
    assert quantize(model, "--frames", str(seen), "--holdout", str(unseen), "--max-ap-loss", "0.5") == 0
    int8 = load_folder(tmp_path / "out" / "tiny-int8")
    fp32 = load_folder(model)
    assert int8.manifest.labels == fp32.manifest.labels
    assert (tmp_path / "out" / "tiny-int8" / "NOTICE").read_text() == "whose weights these are"
    report = json.loads((tmp_path / "out" / "tiny-int8" / "quantization.json").read_text())
    assert report["calibrated_on"] == {"seen.mp4": 8}
    assert (report["judged_on"], report["convolutions"]) == ("other videos", 6)
    (clip,) = report["clips"]
    assert (clip["video"], clip["frames"]) == ("unseen.mp4", 5)
    with av.open(str(unseen)) as container:
        fp32_rows = [as_found(detect(fp32, frame, 0)) for frame in container.decode(video=0)]
    truth_rows = sum(int((one.scores >= fp32.manifest.score_default).sum()) for one in fp32_rows)
    assert clip["agreement"]["truth_rows"] == truth_rows > 10
    assert 0.5 <= clip["agreement"]["ap50"] <= 1
    # It is not fp32 under another name.
    pixels = [frame.pixels for frame in read_clips([unseen], fp32.manifest)[0].frames]
    assert any(int8.run(one)[1].tobytes() != fp32.run(one)[1].tobytes() for one in pixels)


def test_without_a_holdout_half_of_the_frames_judge(model: Path, tmp_path: Path) -> None:
    assert quantize(model, "--frames", str(a_video(tmp_path / "a.mp4", 9)), "--max-ap-loss", "0.5") == 0
    report = json.loads((tmp_path / "out" / "tiny-int8" / "quantization.json").read_text())
    assert report["calibrated_on"] == {"a.mp4": 5}
    assert report["judged_on"] == "every other frame of the same videos"
    assert report["clips"][0]["frames"] == 4


def test_pixels_and_decoding_stay_in_full_precision(model: Path, tmp_path: Path) -> None:
    assert quantize(model, "--frames", str(a_video(tmp_path / "a.mp4", 4)), "--max-ap-loss", "0.9") == 0
    graph = onnx.load(tmp_path / "out" / "tiny-int8" / "model.onnx").graph
    maker_by_tensor = {tensor: node for node in graph.node for tensor in node.output}
    by_convolution = {tensor for tensor, node in maker_by_tensor.items() if node.op_type == "Conv"}
    for_convolution = {node.input[0] for node in graph.node if node.op_type == "Conv"}
    stays = [node for node in graph.node if node.op_type not in (*INT8_OPS, "QuantizeLinear", "DequantizeLinear")]
    quantised = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    dequantised = {node.input[0]: node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    assert quantised
    assert "NonMaxSuppression" in {node.op_type for node in stays}
    for node in quantised:
        assert node.input[0] in by_convolution or dequantised[node.output[0]] in for_convolution


def test_the_same_inputs_give_the_same_bytes_in_any_process(model: Path, tmp_path: Path) -> None:
    video = a_video(tmp_path / "a.mp4", 6)
    digests = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "gpu_batch.compiler", "quantize", str(model), "--frames", str(video)]
        command += ["--out", str(tmp_path / seed), "--max-ap-loss", "0.9"]
        # Sets of names come in another order in each.
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True)
        digests.add(hashlib.sha256((tmp_path / seed / "tiny-int8" / "model.onnx").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_model_that_loses_more_than_allowed_is_refused_and_not_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What is calibrated in the dark has no numbers for the day.
    dark, day = a_video(tmp_path / "dark.mp4", 8, contrast=0.3), a_video(tmp_path / "day.mp4", 8)
    assert quantize(model, "--frames", str(dark), "--holdout", str(day)) == 66
    assert "day.mp4: AP50 must be at least 0.9900 of fp32 but is 0." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_without_detections_to_judge_by_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, manifest = compile_network(networks.yolox(), a_recipe("yolox", score_floor=0.999, score_default=1.0))
    write_model_folder(tmp_path / "blind", manifest, network)
    assert quantize(tmp_path / "blind", "--frames", str(a_video(tmp_path / "a.mp4", 4))) == 66
    assert "finds nothing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_video_that_cannot_be_read_ends_as_one(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert quantize(model, "--frames", str(tmp_path / "broken.mp4")) == 65
    assert "broken.mp4 must be a video" in capsys.readouterr().err
    with pytest.raises(BadInput, match="at least 2 frames"):
        read_clips([a_video(tmp_path / "one.mp4", 1)], a_manifest())


def test_a_long_video_is_thinned_out_evenly(tmp_path: Path) -> None:
    video = a_video(tmp_path / "long.mp4", 2 * MAX_FRAMES + 6)
    (clip,) = read_clips([video], a_manifest())
    with av.open(str(video)) as container:
        every_fourth = list(container.decode(video=0))[::4]
    assert len(clip.frames) == len(every_fourth)
    expected = [read_first_pixel(frame) for frame in every_fourth]
    assert [int(frame.pixels[0, 0, 0, 0]) for frame in clip.frames] == pytest.approx(expected, abs=12)


def read_first_pixel(frame: av.VideoFrame) -> int:
    return int(frame.to_ndarray(format="rgb24")[0, 0, 0])
