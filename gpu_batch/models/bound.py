"""Runs a session on batches of one fixed shape, between buffers that stay where they are.

A GPU wants both: shapes that change make it choose its algorithms anew, and buffers that move rule out CUDA graphs. A
batch that is not full is run all the same, and the rows of what fills it up are dropped. Frames that lie in the memory
of the device are resized straight into their places. The same code runs on a CPU, where only tests and the self-check
use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from gpu_batch.models.inputs import FrameInPlace, ModelInput, Pixels, input_hw
from gpu_batch.models.outputs import OutputForm
from gpu_batch.models.planes import Device
from gpu_batch.models.resize import Resizer


class BoundSession:
    """Stands where a session stands; one run at a time, since its buffers are shared."""

    def __init__(
        self,
        session: Any,
        resizer: Resizer | None,
        *,
        device: Device,
        batch_size: int,
        outputs: Sequence[OutputForm],
        device_id: int = 0,
    ) -> None:
        """`resizer` works on the same device; without one, frames must come as pixels."""
        self._session = session
        self._resizer = resizer
        self._device: Device = device
        self._device_id = device_id
        self._batch_size = batch_size
        self._outputs = outputs
        self._lock = Lock()
        self._buffers: _Buffers | None = None

    def run(self, names: Sequence[str], inputs: Pixels | Sequence[ModelInput]) -> list[npt.NDArray[Any]]:
        """The outputs `names` for n frames of one size, n at most the batch size; each of n rows."""
        count = len(inputs)
        if not 0 < count <= self._batch_size:
            raise ValueError(f"a batch must have 1 to {self._batch_size} frames but got {count}")
        height, width = input_hw(inputs[0])
        with self._lock:
            if self._buffers is None or self._buffers.staged.shape[1:3] != (height, width):
                self._buffers = self._make_buffers((self._batch_size, height, width, 3))
            buffers = self._buffers
            self._fill(buffers, inputs)
            self._session.run_with_iobinding(buffers.binding)
            buffers.binding.synchronize_outputs()
            # Copied: on a CPU, numpy would see the buffer itself, which the next run overwrites.
            return [np.array(buffers.output_by_name[name].numpy()[:count]) for name in names]

    def _fill(self, buffers: _Buffers, inputs: Pixels | Sequence[ModelInput]) -> None:
        """Bring each input to its place in the batch."""
        in_place = [(slot, one) for slot, one in enumerate(inputs) if isinstance(one, FrameInPlace)]
        if len(in_place) < len(inputs):
            buffers.staged[:] = 0
            for slot, one in enumerate(inputs):
                if not isinstance(one, FrameInPlace):
                    buffers.staged[slot] = one
            # The whole batch is copied, so it comes before what is written into it.
            buffers.frames.update_inplace(buffers.staged)
        for slot, one in in_place:
            if self._resizer is None:
                raise ValueError("a session without a resizer takes pixels only")
            address = buffers.frames.data_ptr() + slot * buffers.staged[0].nbytes
            self._resizer.write(one.planes, one.rotation, one.size, address)

    def _make_buffers(self, shape: tuple[int, ...]) -> _Buffers:
        make = onnxruntime.OrtValue.ortvalue_from_shape_and_type
        staged = np.zeros(shape, np.uint8)
        frames = make(list(shape), np.uint8, self._device, self._device_id)
        frames.update_inplace(staged)
        outputs = {
            output.name: make([self._batch_size, *output.shape], output.dtype, self._device, self._device_id)
            for output in self._outputs
        }
        binding = self._session.io_binding()
        binding.bind_ortvalue_input("frames", frames)
        for name, value in outputs.items():
            binding.bind_ortvalue_output(name, value)
        return _Buffers(staged, frames, outputs, binding)


class _Buffers:
    """What a batch of one shape lies in."""

    def __init__(self, staged: npt.NDArray[np.uint8], frames: Any, outputs: dict[str, Any], binding: Any) -> None:
        self.staged = staged
        self.frames = frames
        self.output_by_name = outputs
        self.binding = binding
