"""Frames in, detections out, in order: one thread decodes, the others infer, and what waits between them is bounded.

The decoder runs in the calling thread. Each inference thread resizes and runs every model on its frame; decoder,
resizer and onnxruntime all release the GIL.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadOrder
from gpu_batch.frames import FramePlace, SampledFrame
from gpu_batch.models.detect import Rows, detect
from gpu_batch.models.loader import Model

FRAMES_AHEAD_PER_THREAD = 2
"""One frame is worked on and one waits; an 8K frame takes about 51 MiB, so more would cost memory and win nothing."""
MODEL_SECONDS = 120.0
"""No sound model takes this long for one frame on any machine of ours; a graph with an endless loop does."""


@dataclass(frozen=True, slots=True)
class FrameResult:
    """What the models found in one frame."""

    place: FramePlace
    rows_by_model: tuple[Rows, ...]


def run_models(
    frames: Iterable[SampledFrame],
    models: Sequence[Model],
    rotation: int,
    *,
    threads: int,
    check: Callable[[], None],
    model_seconds: float = MODEL_SECONDS,
) -> Iterator[FrameResult]:
    """The results of all frames, in their order. `check` is called for every frame, and may raise to stop.

    Raises:
        BadOrder: MODEL_TIMEOUT, when the models do not answer for one frame within `model_seconds`.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="infer")
    waiting: deque[Future[FrameResult]] = deque()
    try:
        for frame in frames:
            check()
            waiting.append(pool.submit(_detect_all, frame, models, rotation))
            if len(waiting) >= threads * FRAMES_AHEAD_PER_THREAD:
                yield _result(waiting.popleft(), model_seconds)
        while waiting:
            check()
            yield _result(waiting.popleft(), model_seconds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _detect_all(frame: SampledFrame, models: Sequence[Model], rotation: int) -> FrameResult:
    return FrameResult(frame.place, tuple(detect(model, frame.image, rotation) for model in models))


def _result(future: Future[FrameResult], model_seconds: float) -> FrameResult:
    try:
        return future.result(model_seconds)
    except FutureTimeout as error:
        raise BadOrder(
            f"a model did not answer for one frame within {model_seconds:g} s",
            code=ErrorCode.MODEL_TIMEOUT,
            hint="Check the model for loops; register one that runs in bounded time",
        ) from error
