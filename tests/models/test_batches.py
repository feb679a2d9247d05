"""Batches of one fixed shape give what single frames give, in order; run on the CPU, as a GPU would be."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest
from onnx import helper

from gpu_batch.models.bound import BoundSession
from gpu_batch.models.by_shape import SessionByShape
from gpu_batch.models.detect import Rows, detect, detect_frames
from gpu_batch.models.loader import Model, load, load_in_batches
from gpu_batch.selfcheck import count_matches
from tests.models.makers import a_classifier, a_classifier_manifest, a_detector, a_manifest
from tests.models.paths import DEFAULT_MODELS

BOX_TOLERANCE = 4
"""Sixteenths of a pixel. A batch adds up in another order: the last bits of a float may differ."""
SCORE_TOLERANCE = 2
"""Ten-thousandths."""


def in_batches(model: Model, batch_size: int) -> Model:
    content = (DEFAULT_MODELS / model.manifest.name / "model.onnx").read_bytes()
    return load_in_batches(model.manifest, content, batch_size)


def assert_alike(found: Rows, alone: Rows) -> None:
    assert found.labels.tolist() == alone.labels.tolist()
    np.testing.assert_allclose(found.scores, alone.scores, atol=SCORE_TOLERANCE)
    np.testing.assert_allclose(found.boxes, alone.boxes, atol=BOX_TOLERANCE)


@pytest.mark.parametrize("name", ["nanodet", "ssd"])
def test_a_batch_and_its_partial_last_give_the_rows_of_single_frames(
    name: str, request: pytest.FixtureRequest, bikes: list[av.VideoFrame]
) -> None:
    model: Model = request.getfixturevalue(name)
    frames = bikes[:24:4]
    together = [rows for (rows,) in detect_frames([in_batches(model, 4)], frames, 0)]
    alone = [detect(model, frame, 0) for frame in frames]
    assert len(together) == len(frames) == 6
    assert any(len(rows.scores) for rows in alone)
    for found, expected in zip(together, alone, strict=True):
        assert_alike(found, expected)


def test_frames_that_are_resized_in_their_places_give_the_same_rows(ssd: Model, bikes: list[av.VideoFrame]) -> None:
    model = in_batches(ssd, 4)
    frames = bikes[:24:4]
    in_host = [rows for (rows,) in detect_frames([model], frames, 0)]
    in_place = [rows for (rows,) in detect_frames([model], [frame.reformat(format="nv12") for frame in frames], 0)]
    assert any(len(rows.scores) for rows in in_host)
    for found, expected in zip(in_place, in_host, strict=True):
        assert found.labels.tolist() == expected.labels.tolist()
        assert found.scores.tolist() == expected.scores.tolist()
        assert found.boxes.tolist() == expected.boxes.tolist()


def test_ten_bits_that_are_resized_in_their_places_stay_within_a_pixel_and_two_hundredths(
    nanodet: Model, bikes: list[av.VideoFrame]
) -> None:
    frames = [frame.reformat(format="p010le") for frame in bikes[:24:4]]
    found = [rows for (rows,) in detect_frames([in_batches(nanodet, 4)], frames, 0)]
    sure, matched = count_matches([detect(nanodet, frame, 0) for frame in frames], found)
    assert matched == sure > 0


def test_frames_of_both_kinds_keep_their_places_in_a_batch(nanodet: Model, bikes: list[av.VideoFrame]) -> None:
    frames = [bikes[0], bikes[4].reformat(format="nv12"), bikes[8], bikes[12].reformat(format="nv12")]
    together = [rows for (rows,) in detect_frames([in_batches(nanodet, 4)], frames, 0)]
    for found, frame in zip(together, frames, strict=True):
        assert_alike(found, detect(nanodet, frame, 0))


def test_frames_of_another_size_in_the_middle_keep_their_places(nanodet: Model, bikes: list[av.VideoFrame]) -> None:
    frames = [bikes[0], bikes[4].reformat(width=320, height=240), bikes[8]]
    together = [rows for (rows,) in detect_frames([in_batches(nanodet, 4)], frames, 0)]
    for found, frame in zip(together, frames, strict=True):
        assert_alike(found, detect(nanodet, frame, 0))


def test_inputs_without_an_engine_run_in_another_session_which_is_opened_once(nanodet: Model) -> None:
    built, other = in_batches(nanodet, 2)._session, in_batches(nanodet, 2)._session
    opened: list[int] = []

    def open_other() -> BoundSession:
        opened.append(1)
        assert isinstance(other, BoundSession)
        return other

    model = replace(nanodet, _session=SessionByShape((256, 416), built, open_other))
    noise = [np.random.default_rng(1).integers(0, 255, (2, *hw, 3), np.uint8) for hw in ((256, 416), (416, 256))]
    model.run(noise[0])
    assert opened == []
    scores = [model.run(frames)[1] for frames in (noise[1], noise[0], noise[1])]
    assert len(opened) == 1
    assert np.array_equal(scores[0], scores[2])
    np.testing.assert_allclose(scores[1], nanodet.run(noise[0])[1], atol=1e-4)


def test_results_outlive_the_next_batch(nanodet: Model) -> None:
    model = in_batches(nanodet, 2)
    frames = np.random.default_rng(1).integers(0, 255, (2, 256, 416, 3), np.uint8)
    first = model.run(frames)
    kept = [array.copy() for array in first]
    model.run(np.zeros_like(frames))
    assert all(np.array_equal(array, copy) for array, copy in zip(first, kept, strict=True))


def test_rows_of_padding_are_dropped(nanodet: Model) -> None:
    boxes, scores, labels = in_batches(nanodet, 4).run(np.zeros((3, 256, 416, 3), np.uint8))
    assert (len(boxes), len(scores), len(labels)) == (3, 3, 3)


def test_more_frames_than_a_batch_are_refused(nanodet: Model) -> None:
    with pytest.raises(ValueError, match="1 to 2 frames but got 3"):
        in_batches(nanodet, 2).run(np.zeros((3, 256, 416, 3), np.uint8))


def test_a_classifier_in_batches_gives_the_labels_of_single_frames(bikes: list[av.VideoFrame]) -> None:
    content = a_classifier().SerializeToString()
    manifest, frames = a_classifier_manifest(content, score_floor=0.01, score_default=0.01), bikes[:20:4]
    together = [rows for (rows,) in detect_frames([load_in_batches(manifest, content, 4)], frames, 0)]
    alone = [detect(load(manifest, content), frame, 0) for frame in frames]
    assert [len(rows.scores) for rows in alone] == [3] * len(frames)
    for found, expected in zip(together, alone, strict=True):
        assert_alike(found, expected)


def test_a_graph_that_is_fixed_at_one_frame_runs_one_by_one() -> None:
    graph = a_detector()
    graph.graph.input[0].CopyFrom(helper.make_tensor_value_info("frames", 2, [1, 300, 300, 3]))
    content = graph.SerializeToString()
    model = load_in_batches(a_manifest(content), content, 4)
    assert model.batch_size == 1
    frames = [av.VideoFrame(640, 360, "yuv420p")] * 3
    assert len(detect_frames([model], frames, 0)) == 3
