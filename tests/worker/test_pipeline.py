"""The pipeline: results in the order of frames, a bounded look-ahead, and every trouble at the one who asks."""

from __future__ import annotations

import itertools
import resource
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.models import ModelInput, ResizePolicy
from gpu_batch.errors import BadInput, BadOrder, Drained
from gpu_batch.frames import FramePlace, SampledFrame
from gpu_batch.models.bound import BoundSession
from gpu_batch.models.detect import PreparedFrame, detect
from gpu_batch.pipeline import BYTES_AHEAD, FRAMES_AHEAD_PER_THREAD, FrameResult, _Pipe, run_models
from tests.models.gpu_frames import on_gpu
from tests.worker.toy_models import SIZE, ToySession, a_model

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
    assert most <= THREADS * FRAMES_AHEAD_PER_THREAD + 1


def test_the_first_frame_is_inferred_before_another_is_decoded() -> None:
    decoded_at_run: list[int] = []
    decoded: list[int] = []

    def frames() -> Iterator[SampledFrame]:
        for number in range(40):
            decoded.append(number)
            yield a_frame(number)

    list(run(frames(), ToySession(before=lambda: decoded_at_run.append(len(decoded))), threads=1))
    assert decoded_at_run[0] == 1
    # Later turns are long ones.
    assert len(set(decoded_at_run[1:5])) == 1
    assert decoded_at_run[1] >= FRAMES_AHEAD_PER_THREAD


def test_frames_are_resized_where_they_are_decoded_unless_a_thread_waits_for_one() -> None:
    is_other_busy, are_all_decoded = threading.Event(), threading.Event()
    handed_over: list[type] = []

    def frames() -> Iterator[SampledFrame]:
        while pipe._idle_threads == 0:
            time.sleep(0.001)
        yield a_frame(0)
        assert is_other_busy.wait(30)
        yield from map(a_frame, range(1, 8))
        are_all_decoded.set()

    def before() -> None:
        is_other_busy.set()
        assert are_all_decoded.wait(30)

    def add(place: FramePlace, frame: av.VideoFrame | PreparedFrame) -> bool:
        handed_over.append(type(frame))
        return add_to_pipe(place, frame)

    models = [a_model(ToySession(before))]
    pipe = _Pipe(frames(), models, 0, threads=2, check=lambda: None, model_seconds=60, meter=None)
    add_to_pipe = pipe._add
    pipe._add = add  # type: ignore[method-assign]
    pipe.start()
    assert len(list(pipe.results())) == 8
    pipe.stop()
    assert handed_over == [av.VideoFrame] + [PreparedFrame] * 7


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
        # A run whose model hangs waits for no thread. These end now, but not at once: the next test would see them.
        for thread in frame_threads():
            thread.join()
    assert caught.value.failure.code is ErrorCode.MODEL_TIMEOUT


def test_no_frames_give_no_results() -> None:
    assert list(run(iter(()), ToySession())) == []


class _InCorner(ToySession):
    """Looks at the corner of what it is given: sums over a large input would take a second each."""

    def run(self, names: Sequence[str], feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        return super().run(names, {"frames": feeds["frames"][:, : SIZE.height, : SIZE.width]})


def test_large_inputs_wait_in_smaller_numbers() -> None:
    decoded, most = 0, 0
    width, height = 6400, 3600
    model = a_model(_InCorner(), input=ModelInput(ResizePolicy.STRETCH, width, height, 1))
    fitting = -(-BYTES_AHEAD // (width * height * 3))

    def frames() -> Iterator[SampledFrame]:
        nonlocal decoded
        for number in range(10):
            decoded += 1
            yield a_frame(number)

    for answered, _ in enumerate(run_models(frames(), [model], 0, threads=1, check=lambda: None), start=1):
        most = max(most, decoded - answered + 1)
    assert 2 <= most <= fitting < FRAMES_AHEAD_PER_THREAD


def test_frames_in_the_memory_of_a_gpu_count_by_their_bytes_too() -> None:
    decoded, most = 0, 0
    on_device, model = on_gpu("nv12"), replace(a_model(), _session=_OnGpu(), in_place_on="cuda")
    fitting = -(-BYTES_AHEAD // sum(plane.buffer_size for plane in on_device.planes))
    threads = fitting // FRAMES_AHEAD_PER_THREAD + 4

    def frames() -> Iterator[SampledFrame]:
        nonlocal decoded
        for number in range(fitting + 40):
            decoded += 1
            yield SampledFrame(FramePlace(0, number, 0, number), on_device)

    for answered, _ in enumerate(run_models(frames(), [model], 0, threads=threads, check=lambda: None), start=1):
        most = max(most, decoded - answered + 1)
    assert most <= fitting < threads * FRAMES_AHEAD_PER_THREAD


class _OnGpu(BoundSession):
    """Finds nothing in frames that lie nowhere."""

    def __init__(self) -> None:
        pass

    def run(self, names: Sequence[str], inputs: Any) -> list[Any]:
        count = len(inputs)
        return [np.zeros((count, 3, 4), np.float32), np.zeros((count, 3), np.float32), np.zeros((count, 3), np.int64)]


def frame_threads() -> list[threading.Thread]:
    """Of all runs in this process."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("frames-")]


def running() -> list[str]:
    return [thread.name for thread in frame_threads()]


def test_no_thread_is_left_after_the_last_result() -> None:
    list(run(map(a_frame, range(9)), ToySession()))
    assert running() == []


def test_no_thread_is_left_after_an_error() -> None:
    def fail() -> None:
        raise BadOrder("the graph broke")

    with pytest.raises(BadOrder):
        list(run(map(a_frame, range(9)), ToySession(before=fail)))
    assert running() == []


def test_a_caller_that_stops_asking_closes_the_frames_and_ends_the_threads() -> None:
    is_closed = threading.Event()

    def frames() -> Iterator[SampledFrame]:
        try:
            yield from map(a_frame, itertools.count())
        finally:
            is_closed.set()

    results = run(frames(), ToySession())
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert (is_closed.is_set(), running()) == (True, [])


def test_results_before_an_error_of_the_decoder_are_answered() -> None:
    def frames() -> Iterator[SampledFrame]:
        yield from map(a_frame, range(4))
        raise BadInput("the source is gone", code=ErrorCode.SOURCE_GONE)

    results = run(frames(), ToySession())
    assert [next(results).place.pts for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(BadInput):
        next(results)


def test_a_check_stops_a_run_whose_model_hangs() -> None:
    is_hanging, is_over = threading.Event(), threading.Event()

    def hang() -> None:
        is_hanging.set()
        is_over.wait(30)

    def check() -> None:
        if is_hanging.is_set():
            is_over.set()
            raise Drained("the machine is being taken away")

    with pytest.raises(Drained):
        list(run(map(a_frame, range(1)), ToySession(before=hang), check=check))


def test_a_decoder_that_hangs_is_not_kept_alive_by_checks() -> None:
    is_over = threading.Event()
    is_over_at_check: list[bool] = []

    def frames() -> Iterator[SampledFrame]:
        is_over.wait(30)
        yield a_frame(0)

    results = run(frames(), ToySession(), check=lambda: is_over_at_check.append(is_over.is_set()), model_seconds=0.02)
    threading.Timer(0.2, is_over.set).start()
    next(results)
    assert is_over_at_check
    assert all(is_over_at_check)


class KeepingSession(ToySession):
    """Keeps what it was given, so that no two inputs can have one address by chance."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[np.ndarray[Any, Any]] = []

    def run(self, names: Sequence[str], feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        self.inputs.append(feeds["frames"])
        return super().run(names, feeds)


def test_models_of_one_input_size_share_one_resize_per_frame() -> None:
    sessions = [KeepingSession(), KeepingSession(), KeepingSession()]
    models = [a_model(sessions[0]), a_model(sessions[1]), a_model(sessions[2], input=replace(SIZE, width=128))]
    list(run_models(map(a_frame, range(5)), models, 0, threads=2, check=lambda: None))
    inputs = {array.ctypes.data for session in sessions for array in session.inputs}
    assert [len(session.inputs) for session in sessions] == [5, 5, 5]
    assert len(inputs) == 10


class BatchSession(ToySession):
    """The toy for several frames at once."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def run(self, names: Sequence[str], feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        frames = feeds["frames"]
        self.batches.append(len(frames))
        answers = [super(BatchSession, self).run(names, {"frames": frame[np.newaxis]}) for frame in frames]
        return [np.concatenate(outputs) for outputs in zip(*answers, strict=True)]


@pytest.mark.parametrize("threads", [1, 2])
def test_frames_run_in_full_batches_but_for_the_last(threads: int) -> None:
    session = BatchSession()
    model = replace(a_model(session), batch_size=4)
    results = list(run_models(map(a_frame, range(11)), [model], 0, threads=threads, check=lambda: None))
    assert sorted(session.batches) == [3, 4, 4]
    assert [result.place.pts for result in results] == list(range(11))
    for result in results:
        alone = detect(a_model(), a_frame(result.place.pts).image, 0)
        assert np.array_equal(result.rows_by_model[0].boxes, alone.boxes)


def test_memory_is_flat_over_200_runs() -> None:
    def run_one() -> None:
        list(run(map(a_frame, range(6)), ToySession(), threads=2))

    for _ in range(20):
        run_one()
    before = resident_bytes()
    for _ in range(200):
        run_one()
    assert resident_bytes() - before < 4 << 20


def resident_bytes() -> int:
    """Of this process, now. Source: proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
