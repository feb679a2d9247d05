"""From outputs to rows, and the whole way from a frame."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.models import MAX_LABELS_PER_FRAME, InputSize
from gpu_batch.compiler.accuracy import Found, as_found, average_precision_50
from gpu_batch.models.detect import Rows, box_step, detect, to_frame_labels, to_rows
from gpu_batch.models.loader import Model
from tests.models.opencv_reference import NanodetReference, shown_rgb
from tests.models.paths import DEFAULT_MODELS

SIZE = InputSize(input_w=416, input_h=256, content_w=416, content_h=234)


def rows_of(
    *rows: tuple[float, int, tuple[float, ...]],
    k: int = 10,
    size: InputSize = SIZE,
    shown: tuple[int, int] = (1920, 1080),
) -> Rows:
    """Rows of a frame from (score, label, box in input pixels), filled up to K."""
    padded = [*rows, *[(0.0, 0, (0.0, 0.0, 0.0, 0.0))] * (k - len(rows))]
    scores, labels, boxes = zip(*padded, strict=True)
    return to_rows(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(labels, np.int64), size, *shown)


def as_bytes(rows: Rows) -> bytes:
    return rows.labels.tobytes() + rows.scores.tobytes() + rows.boxes.tobytes()


def test_a_box_comes_out_in_sixteenths_of_a_shown_pixel() -> None:
    rows = rows_of((0.5, 3, (104, 58.5, 208, 117)))
    assert rows.boxes.tolist() == [[480 * 16, 270 * 16, 960 * 16, 540 * 16]]
    assert rows.labels.tolist() == [3]


def test_a_side_of_a_720p_frame_is_rounded_to_the_nearest_quarter_of_a_pixel() -> None:
    box = (10.12, 20.13, 30.3, 40.9)
    rows = rows_of((0.5, 3, box), size=InputSize(1280, 736, 1280, 720), shown=(1280, 720))
    assert rows.boxes.tolist() == [[10 * 16, 20 * 16 + 4, 30 * 16 + 4, 41 * 16]]


@pytest.mark.parametrize(
    ("shown", "step"),
    [
        ((1280, 720), 4),
        ((720, 1280), 4),
        ((1281, 720), 8),
        ((720, 1281), 8),
        ((1920, 1080), 8),
        ((2560, 1440), 8),
        ((2561, 1440), 16),
        ((3840, 2160), 16),
        ((5120, 2880), 16),
        ((5121, 2880), 32),
        ((4320, 7680), 32),
    ],
)
def test_the_step_of_boxes_follows_the_longer_side_of_the_frame(shown: tuple[int, int], step: int) -> None:
    assert box_step(*shown) == step


@given(
    shown=st.tuples(st.integers(64, 9000), st.integers(64, 9000)),
    corners=st.lists(st.floats(-0.2, 1.2), min_size=4, max_size=4),
)
def test_a_side_is_off_by_half_a_step_at_most_and_never_outside_the_frame(
    shown: tuple[int, int], corners: list[float]
) -> None:
    # As much input as content: boxes come as they are shown, in float32 as from a model.
    x1, x2 = sorted(float(np.float32(share * shown[0])) for share in corners[:2])
    y1, y2 = sorted(float(np.float32(share * shown[1])) for share in corners[2:])
    rows = rows_of((0.5, 0, (x1, y1, x2, y2)), size=InputSize(*shown, *shown), shown=shown)
    step, edges = box_step(*shown), np.array([*shown, *shown]) * 16
    exact = np.clip(np.array([x1, y1, x2, y2], np.float64) * 16, 0, edges)
    if len(rows.scores):
        assert (np.abs(rows.boxes[0] - exact) <= step / 2).all()
        assert (rows.boxes[0] % step == 0).all()
        assert (rows.boxes[0] >= 0).all()
        assert (rows.boxes[0] <= edges).all()
    else:
        assert min(exact[2] - exact[0], exact[3] - exact[1]) <= step


@pytest.mark.parametrize(
    ("shown", "inside"),
    [((1279, 721), 0), ((1921, 1081), 0), ((3841, 2161), 0), ((7680, 4320), 0), ((7681, 4321), 16), ((7683, 4323), 16)],
)
def test_a_box_that_touches_the_edge_of_an_odd_frame_ends_there_or_within_a_step(
    shown: tuple[int, int], inside: int
) -> None:
    rows = rows_of((0.5, 0, (50, 60, *shown)), size=InputSize(*shown, *shown), shown=shown)
    assert rows.boxes[0, 2:].tolist() == [16 * side - inside for side in shown]


def test_a_score_is_rounded_to_the_nearest_thousandth() -> None:
    assert rows_of((0.51261, 3, (1, 1, 9, 9)), (0.51249, 3, (1, 1, 9, 9))).scores.tolist() == [5130, 5120]


def test_the_types_are_those_that_blocks_store() -> None:
    rows = rows_of((0.5, 3, (1, 2, 3, 4)))
    assert [array.dtype.name for array in (rows.labels, rows.scores, rows.boxes)] == ["uint16", "uint16", "int32"]


def test_a_box_is_clipped_to_the_frame() -> None:
    rows = rows_of((0.5, 0, (-10, -10, 500, 250)))
    assert rows.boxes.tolist() == [[0, 0, 1920 * 16, 1080 * 16]]


def test_a_box_in_the_padding_is_dropped() -> None:
    assert len(rows_of((0.5, 0, (10, 235, 50, 250))).scores) == 0


def test_equal_scores_are_ordered_by_label_then_box() -> None:
    rows = rows_of((0.5, 2, (1, 1, 9, 9)), (0.5, 1, (5, 1, 9, 9)), (0.5, 1, (1, 1, 9, 9)), (0.6, 7, (1, 1, 9, 9)))
    assert rows.labels.tolist() == [7, 1, 1, 2]
    assert rows.boxes[1, 0] < rows.boxes[2, 0]


def test_scores_that_differ_by_less_than_a_step_are_ordered_as_equal() -> None:
    rows = rows_of((0.50002, 2, (1, 1, 9, 9)), (0.50001, 1, (1, 1, 9, 9)))
    assert rows.labels.tolist() == [1, 2]


@pytest.mark.parametrize(("hits", "overflow"), [(1, False), (2, True)])
def test_a_frame_that_fills_every_row_says_so(hits: int, overflow: bool) -> None:
    assert rows_of(*[(0.5, 0, (1, 1, 9, 9))] * hits, k=2).overflow is overflow


def test_a_frame_without_hits_has_no_rows() -> None:
    rows = rows_of()
    assert (rows.labels.shape, rows.boxes.shape, rows.overflow) == ((0,), (0, 4), False)


def labels_of(*scores: float, floor: float = 0.1, shown: tuple[int, int] = (1921, 1081)) -> Rows:
    return to_frame_labels(np.array(scores, np.float32), floor, *shown)


def test_labels_of_a_frame_are_those_above_the_floor_the_best_first() -> None:
    rows = labels_of(0.2, 0.1, 0.55, 0.0, 0.15)
    assert rows.labels.tolist() == [2, 0, 4]
    assert rows.scores.tolist() == [5500, 2000, 1500]
    assert not rows.overflow


def test_the_box_of_a_label_is_the_whole_frame_whatever_its_size() -> None:
    assert labels_of(0.9, 0.8).boxes.tolist() == [[0, 0, 1921 * 16, 1081 * 16]] * 2
    assert labels_of(0.9, shown=(7681, 4321)).boxes.tolist() == [[0, 0, 7681 * 16, 4321 * 16]]


def test_a_frame_keeps_the_best_labels_and_says_that_there_were_more() -> None:
    scores = [0.3 + 0.01 * (number * 7 % 20) for number in range(20)]
    rows = labels_of(*scores)
    assert rows.labels.tolist() == sorted(range(20), key=lambda number: -scores[number])[:MAX_LABELS_PER_FRAME]
    assert rows.overflow
    assert not labels_of(*scores[:MAX_LABELS_PER_FRAME]).overflow


def test_labels_that_are_equally_sure_come_by_their_numbers() -> None:
    assert labels_of(0.3001, 0.5, 0.3004).labels.tolist() == [1, 0, 2]


def test_a_frame_of_no_label_has_no_rows_of_the_types_that_blocks_store() -> None:
    rows = labels_of(0.05, float("nan"))
    assert [array.dtype.name for array in (rows.labels, rows.scores, rows.boxes)] == ["uint16", "uint16", "int32"]
    assert rows.boxes.shape == (0, 4)


def test_a_score_that_rounds_to_nothing_or_to_more_than_one_makes_no_such_row() -> None:
    rows = labels_of(0.0004, 1.00001, floor=0.0001)
    assert (rows.labels.tolist(), rows.scores.tolist()) == ([1], [10_000])


@pytest.mark.parametrize("name", ["nanodet", "ssd"])
def test_two_threads_find_byte_for_byte_what_one_finds(
    name: str, request: pytest.FixtureRequest, bikes: list[av.VideoFrame]
) -> None:
    model: Model = request.getfixturevalue(name)
    frames = bikes[:16]
    alone = [as_bytes(detect(model, frame, 0)) for frame in frames]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda frame: as_bytes(detect(model, frame, 0)), reversed(frames)))
    assert together[::-1] == alone
    assert any(alone)


def coded_on_its_side(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture, coded so that a player must turn it 90 degrees clockwise."""
    lying = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24")))
    return av.VideoFrame.from_ndarray(lying, format="rgb24").reformat(format="yuv420p")


def sure(found: Found) -> Found:
    is_sure = found.scores > 0.5
    return Found(found.boxes[is_sure], found.scores[is_sure], found.labels[is_sure])


def test_boxes_of_a_rotated_frame_are_those_of_the_frame_as_shown(nanodet: Model, bikes: list[av.VideoFrame]) -> None:
    truth = [sure(as_found(detect(nanodet, frame, 0))) for frame in bikes[::4]]
    found = [as_found(detect(nanodet, coded_on_its_side(frame), 90)) for frame in bikes[::4]]
    assert sum(len(one.scores) for one in truth) > 5
    assert average_precision_50(found, truth) > 0.95


def test_accuracy_is_that_of_the_opencv_loop(nanodet: Model, bikes: list[av.VideoFrame]) -> None:
    reference = NanodetReference(DEFAULT_MODELS / "nanodet-g" / "model.onnx")
    truth = [reference.detect(shown_rgb(frame, 0), score_floor=0.5, nms_iou=0.6) for frame in bikes]
    found = [as_found(detect(nanodet, frame, 0)) for frame in bikes]
    assert sum(len(one.scores) for one in truth) > 30
    assert average_precision_50(found, truth) >= 0.95
