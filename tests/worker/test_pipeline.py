"""The pipeline: results in the order of frames, a bounded look-ahead, and every trouble at the one who asks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import av
import numpy as np
import pytest

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadInput, BadOrder, Drained
from gpu_batch.frames import FramePlace, SampledFrame
from gpu_batch.models.detect import detect
from gpu_batch.pipeline import FRAMES_AHEAD_PER_THREAD, FrameResult, run_models
from tests.worker.toy_models import ToySession, a_model

THREADS = 3


def a_frame(number: int) -> SampledFrame:
    pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
    return SampledFrame(FramePlace(0, number, 0, number), av.VideoFrame.from_ndarray(pixels, format="rgb24"))


def run(frames: Iterator[SampledFrame], session: ToySession, **changes: object) -> Iterator[FrameResult]:
    arguments: dict[str, object] = {"threads": THREADS, "check": lambda: None} | changes
    return run_models(frames, [a_model(session)], 0, **arguments)  # type: ignore[arg-type]


def test_results_come_in_the_order_of_frames_though_the_second_ends_before_the_first() -> None:
    calls = itertools.count()
    is_second_done = threading.Event()

    def before() -> None:
        if next(calls) == 0:
            assert is_second_done.wait(30)
        else:
            is_second_done.set()

    places = [result.place.pts for result in run(map(a_frame, range(20)), ToySession(before), threads=2)]
    assert places == list(range(20))


def test_each_result_is_that_of_its_frame() -> None:
    for result in run(map(a_frame, range(12)), ToySession()):
        alone = detect(a_model(), a_frame(result.place.pts).image, 0)
        assert np.array_equal(result.rows_by_model[0].boxes, alone.boxes)


def test_every_model_sees_every_frame() -> None:
    sessions = [ToySession(), ToySession()]
    models = [a_model(session) for session in sessions]
    results = list(run_models(map(a_frame, range(5)), models, 0, threads=2, check=lambda: None))
    assert [len(result.rows_by_model) for result in results] == [2] * 5
    assert [session.frames_seen for session in sessions] == [5, 5]


def test_decoding_stays_a_bounded_number_of_frames_ahead() -> None:
    decoded, most = 0, 0

    def frames() -> Iterator[SampledFrame]:
        nonlocal decoded
        for number in range(60):
            decoded += 1
            yield a_frame(number)

    for answered, _ in enumerate(run(frames(), ToySession()), start=1):
        most = max(most, decoded - answered + 1)
    assert most <= THREADS * FRAMES_AHEAD_PER_THREAD


def test_an_error_of_the_decoder_ends_the_run_with_itself() -> None:
    def frames() -> Iterator[SampledFrame]:
        yield a_frame(0)
        raise BadInput("the source is gone", code=ErrorCode.SOURCE_GONE)

    with pytest.raises(BadInput, match="the source is gone"):
        list(run(frames(), ToySession()))


def test_an_error_of_a_model_ends_the_run_with_itself() -> None:
    def fail() -> None:
        raise BadOrder("the graph broke")

    with pytest.raises(BadOrder, match="the graph broke"):
        list(run(map(a_frame, range(9)), ToySession(before=fail)))


def test_frames_before_the_one_that_fails_are_answered() -> None:
    def fail_at_the_fourth() -> None:
        if session.frames_seen == 3:
            raise BadOrder("the graph broke")

    session = ToySession(before=fail_at_the_fourth)
    results = run(map(a_frame, range(9)), session, threads=1)
    answered = [next(results).place.pts for _ in range(3)]
    with pytest.raises(BadOrder, match="the graph broke"):
        next(results)
    assert answered == [0, 1, 2]


def test_a_check_that_raises_stops_the_run_at_the_next_frame() -> None:
    decoded: list[int] = []

    def frames() -> Iterator[SampledFrame]:
        for number in range(50):
            decoded.append(number)
            yield a_frame(number)

    def check() -> None:
        if len(decoded) == 7:
            raise Drained("the machine is being taken away")

    with pytest.raises(Drained):
        list(run(frames(), ToySession(), check=check))
    assert decoded == list(range(7))


def test_a_model_that_does_not_answer_is_a_model_timeout() -> None:
    is_over = threading.Event()
    session = ToySession(before=lambda: None if is_over.wait(30) else pytest.fail("nobody ended the model"))
    try:
        with pytest.raises(BadOrder, match=r"within 0\.05 s") as caught:
            list(run(map(a_frame, range(3)), session, model_seconds=0.05))
    finally:
        is_over.set()
    assert caught.value.failure.code is ErrorCode.MODEL_TIMEOUT


def test_no_frames_give_no_results() -> None:
    assert list(run(iter(()), ToySession())) == []
