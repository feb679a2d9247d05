"""Frames in, detections out, in order: N threads for N cores, and what waits between the stages is bounded.

Each thread does what is needed most: when few decoded frames are left and nobody decodes, it decodes the next ones and
brings each to the sizes of the models, while it is warm; otherwise it takes a frame and runs every model on it. A
thread that has nothing to do gets a frame as it is decoded, and resizes it itself. So one decoder is at work, there is
no thread more than there are cores, and nobody is preempted. Frames are decoded some at a time: decoder and model each
push the other's working set out of the caches, and that costs less when they take turns less often. libav, OpenCV and
onnxruntime all release the GIL while they work.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Condition, Lock, Thread
from types import TracebackType

import av

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadOrder
from gpu_batch.frames import FramePlace, SampledFrame
from gpu_batch.meter import Meter, StageClock
from gpu_batch.models.detect import PreparedFrame, Rows, detect_prepared, prepare_frame
from gpu_batch.models.loader import Model
from gpu_batch.models.planes import frame_bytes

FRAMES_AHEAD_PER_THREAD = 16
"""Decoded and not answered: one is worked on, the others wait. Fewer would make the decoder's turns shorter."""
BATCHES_AHEAD_PER_THREAD = 4
"""The same where frames are taken by batches, if that is more."""
BYTES_AHEAD = 256 << 20
"""Decoded and not answered, whatever the size of a frame, in the memory of the host or of a GPU: 5 frames of 8K as they
are decoded. One frame may always wait."""
ANSWERS_TOGETHER = 8
"""Done before who asks for results is woken, while all threads have work: each time one of them is preempted."""
MODEL_SECONDS = 120.0
"""No sound model takes this long for one frame on any machine of ours; a graph with an endless loop does."""
CHECK_SECONDS = 1.0
"""While a model works on the next frame to answer, `check` is called this often: a drained machine has 20 s."""
STOP_SECONDS = 5.0
"""What a run that ends early waits for its threads; one that hangs in C is left behind."""


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
    meter: Meter | None = None,
) -> Iterator[FrameResult]:
    """The results of all frames, in their order.

    `frames` is iterated by one thread at a time, but not always by the same. `check` is called for every frame, from
    any thread, and may raise to stop. An error of any stage comes in place of the first result that it spoils; then, or
    when the caller stops asking, the threads end. `meter` is told what decoding and the models took.

    Raises:
        BadOrder: MODEL_TIMEOUT, when the models do not answer for one frame within `model_seconds`.
    """
    pipe = _Pipe(frames, models, rotation, threads=threads, check=check, model_seconds=model_seconds, meter=meter)
    try:
        pipe.start()
        yield from pipe.results()
    finally:
        pipe.stop()


@dataclass(slots=True)
class _Job:
    """A decoded frame on its way to its result."""

    place: FramePlace
    frame: av.VideoFrame | PreparedFrame | None
    """None once the models have seen it: what waits to be answered holds no pixels."""
    size_bytes: int
    started_at: float | None = None
    """When the models got it, by the monotonic clock."""
    rows_by_model: tuple[Rows, ...] | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.rows_by_model is not None or self.error is not None


class _Caught:
    """Keeps what its block raises, for the thread that asks for results."""

    error: BaseException | None = None

    def __enter__(self) -> _Caught:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True


class _Pipe:
    """The threads of one run and what they share, all of it under one lock."""

    def __init__(
        self,
        frames: Iterable[SampledFrame],
        models: Sequence[Model],
        rotation: int,
        *,
        threads: int,
        check: Callable[[], None],
        model_seconds: float,
        meter: Meter | None,
    ) -> None:
        self._frames = iter(frames)
        self._models = models
        self._rotation = rotation
        self._check = check
        self._model_seconds = model_seconds
        self._meter = meter
        self._batch_size = max((model.batch_size for model in models), default=1)
        self._max_open = threads * max(FRAMES_AHEAD_PER_THREAD, BATCHES_AHEAD_PER_THREAD * self._batch_size)
        # The others need something to do until the first frame of the next turn is decoded.
        self._low = max(self._batch_size, threads // 2) if threads * self._batch_size > 1 else 0
        self._lock = Lock()
        self._work = Condition(self._lock)
        self._answer = Condition(self._lock)
        # Not answered, in order; and of these the ones that no thread has taken.
        self._open: deque[_Job] = deque()
        self._ready: deque[_Job] = deque()
        self._open_bytes = 0
        self._idle_threads = 0
        self._untold = 0
        self._is_decoding = False
        self._has_decoded = False
        self._is_exhausted = False
        self._decode_error: BaseException | None = None
        self._is_stopped = False
        self._is_hung = False
        self._threads = [Thread(target=self._serve, name=f"frames-{index}", daemon=True) for index in range(threads)]

    def start(self) -> None:
        """Begin to decode."""
        for thread in self._threads:
            thread.start()

    def results(self) -> Iterator[FrameResult]:
        """See `run_models`."""
        while jobs := self._next_done():
            for job in jobs:
                if job.rows_by_model is None:
                    assert job.error is not None
                    raise job.error
                yield FrameResult(job.place, job.rows_by_model)
                self._check()
        if self._decode_error is not None:
            raise self._decode_error

    def stop(self) -> None:
        """End the threads and close the frames; what is unfinished is dropped."""
        with self._lock:
            self._is_stopped = True
            self._work.notify_all()
        give_up_at = time.monotonic() + (0.0 if self._is_hung else STOP_SECONDS)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, give_up_at - time.monotonic()))
        close = getattr(self._frames, "close", None)
        # A generator that hangs in some thread cannot be closed from another.
        if close is not None and not self._is_decoding:
            close()

    def _next_done(self) -> list[_Job]:
        """The next jobs to answer, all done; empty when there are no more."""
        patience = min(CHECK_SECONDS, self._model_seconds)
        while True:
            with self._lock:
                done: list[_Job] = []
                while self._open and self._open[0].is_done:
                    done.append(self._open.popleft())
                if done or (self._is_exhausted and not self._open):
                    self._open_bytes -= sum(job.size_bytes for job in done)
                    self._work.notify()
                    return done
                self._answer.wait(patience)
                head = self._open[0] if self._open else None
                is_at_model = head is not None and head.started_at is not None and not head.is_done
            # Only while a model works: a decoder that hangs must not look alive, and the lease judges by the checks.
            if is_at_model and head is not None and head.started_at is not None:
                self._refuse_late(head.started_at)
                self._check()

    def _refuse_late(self, started_at: float) -> None:
        if time.monotonic() - started_at >= self._model_seconds:
            self._is_hung = True
            raise BadOrder(
                f"a model did not answer for one frame within {self._model_seconds:g} s",
                code=ErrorCode.MODEL_TIMEOUT,
                hint="Check the model for loops; register one that runs in bounded time",
            )

    def _serve(self) -> None:
        while (task := self._next_task()) is not None:
            task()

    def _next_task(self) -> Callable[[], None] | None:
        """What a free thread does next; None when there will be nothing any more."""
        with self._lock:
            while not self._is_stopped:
                may_decode = not self._is_decoding and not self._is_exhausted and self._has_room()
                if may_decode and len(self._ready) <= self._low:
                    self._is_decoding = True
                    return self._decode_some
                # A batch waits until it is full, unless nobody will fill it.
                is_filling = self._is_decoding or may_decode
                if self._ready and (len(self._ready) >= self._batch_size or not is_filling):
                    batch = [self._ready.popleft() for _ in range(min(self._batch_size, len(self._ready)))]
                    return partial(self._infer, batch)
                self._tell()
                if self._is_exhausted and not self._ready:
                    return None
                self._idle_threads += 1
                self._work.wait()
                self._idle_threads -= 1
        return None

    def _tell(self) -> None:
        """Wake who asks for results."""
        self._untold = 0
        self._answer.notify()

    def _has_room(self, size_bytes: int = 0) -> bool:
        return len(self._open) < self._max_open and self._open_bytes + size_bytes < BYTES_AHEAD

    def _decode_some(self) -> None:
        """Decode until enough is decoded."""
        is_over, clock = False, StageClock()
        with _Caught() as caught:
            has_room = True
            while has_room:
                sampled = next(self._frames, None)
                clock.decoded()
                if sampled is None:
                    break
                self._check()
                # Looked at without the lock: whoever is wrong by a moment only does what must be done anyway.
                frame = sampled.image if self._idle_threads else self._prepare(sampled.image)
                clock.prepared()
                has_room = self._add(sampled.place, frame)
            is_over = has_room
        if self._meter is not None:
            self._meter.add(clock.usage())
        with self._lock:
            self._is_decoding = False
            if is_over or caught.error is not None:
                self._is_exhausted = True
                self._decode_error = caught.error
            self._work.notify_all()

    def _prepare(self, image: av.VideoFrame) -> PreparedFrame:
        return prepare_frame(self._models, image, self._rotation)

    def _add(self, place: FramePlace, frame: av.VideoFrame | PreparedFrame) -> bool:
        """Put a frame up for inference; whether another one may be decoded, as large as this.

        Not after the very first: its result should not wait for a whole turn.
        """
        job = _Job(place, frame, frame.size_bytes if isinstance(frame, PreparedFrame) else frame_bytes(frame))
        with self._lock:
            is_first, self._has_decoded = not self._has_decoded, True
            self._open.append(job)
            self._open_bytes += job.size_bytes
            self._ready.append(job)
            self._work.notify()
            return self._has_room(job.size_bytes) and not self._is_stopped and not is_first

    def _infer(self, batch: Sequence[_Job]) -> None:
        frames = [job.frame for job in batch if job.frame is not None]
        started_at = time.monotonic()
        for job in batch:
            job.started_at = started_at
        rows: list[tuple[Rows, ...]] = []
        clock = StageClock()
        with _Caught() as caught:
            prepared = [one if isinstance(one, PreparedFrame) else self._prepare(one) for one in frames]
            clock.prepared()
            rows = detect_prepared(self._models, prepared, clock)
        if self._meter is not None:
            self._meter.add(clock.usage(frames=len(frames)))
        with self._lock:
            for index, job in enumerate(batch):
                job.frame = None
                job.error = caught.error
                job.rows_by_model = None if caught.error else rows[index]
            self._untold += len(batch)
            if self._untold >= ANSWERS_TOGETHER or caught.error is not None:
                self._tell()
