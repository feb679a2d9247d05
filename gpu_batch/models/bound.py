"""Runs a session on batches of one fixed shape, between buffers that stay where they are.

A GPU wants both: shapes that change make it choose its algorithms anew, and buffers that move rule out CUDA graphs. A
batch that is not full is filled up with black frames, whose rows are dropped. The same code runs on a CPU, where only
tests use it.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime

_OUTPUTS = (("boxes", np.float32, (4,)), ("scores", np.float32, ()), ("labels", np.int64, ()))


class BoundSession:
    """Stands where a session stands; one run at a time, since its buffers are shared."""

    def __init__(
        self, session: Any, *, device: Literal["cpu", "cuda"], batch_size: int, max_detections: int, device_id: int = 0
    ) -> None:
        self._session = session
        self._device = device
        self._device_id = device_id
        self._batch_size = batch_size
        self._max_detections = max_detections
        self._lock = Lock()
        self._buffers: _Buffers | None = None

    def run(self, names: list[str], feeds: dict[str, npt.NDArray[np.uint8]]) -> list[npt.NDArray[Any]]:
        """The outputs `names` for feeds["frames"], uint8 (n, H, W, 3) with n at most the batch size; each of n rows."""
        frames = feeds["frames"]
        count = len(frames)
        if not 0 < count <= self._batch_size:
            raise ValueError(f"a batch must have 1 to {self._batch_size} frames but got {count}")
        with self._lock:
            if self._buffers is None or self._buffers.staged.shape[1:] != frames.shape[1:]:
                self._buffers = self._make_buffers((self._batch_size, *frames.shape[1:]))
            buffers = self._buffers
            buffers.staged[:count] = frames
            buffers.staged[count:] = 0
            buffers.frames.update_inplace(buffers.staged)
            self._session.run_with_iobinding(buffers.binding)
            buffers.binding.synchronize_outputs()
            # Copied: on a CPU, numpy would see the buffer itself, which the next run overwrites.
            return [np.array(buffers.output_by_name[name].numpy()[:count]) for name in names]

    def _make_buffers(self, shape: tuple[int, ...]) -> _Buffers:
        make = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        frames = make(list(shape), np.uint8, self._device, self._device_id)
        rows = (self._batch_size, self._max_detections)
        outputs = {name: make([*rows, *rest], dtype, self._device, self._device_id) for name, dtype, rest in _OUTPUTS}
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("frames", frames)
        for name, value in outputs.items():
            binding.bind_ortvalue_output(name, value)
        return _Buffers(np.zeros(shape, np.uint8), frames, outputs, binding)


class _Buffers:
    """What a batch of one shape lies in."""

    def __init__(self, staged: npt.NDArray[np.uint8], frames: Any, outputs: dict[str, Any], binding: Any) -> None:
        self.staged = staged
        self.frames = frames
        self.output_by_name = outputs
        self.binding = binding
