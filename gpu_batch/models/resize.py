"""Brings decoded frames to a model's input where they lie: resize, colours and rotation by small ONNX graphs.

The graphs come with the code (`gpu_batch/compiler/resize_graphs.py` makes them) and run on the provider that runs the
model; planes go in and pixels come out by address. So a frame in the memory of a GPU never leaves it, and a CPU tests
all of it but the memory. Pixels of 8-bit frames are those of `preprocess` to the byte, on any provider: sums are of
whole numbers. With ten bits, `preprocess` dithers, and this rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from chalicelib.domain.models import InputSize
from gpu_batch.models.levels import find_levels
from gpu_batch.models.planes import SAMPLE_BYTES_BY_FORMAT, Device, FramePlanes
from gpu_batch.models.preprocess import RGB_FROM_YUV, RGB_OFFSET

WEIGHT_STEPS = 2048
COLOUR_STEPS = 1024
"""Those of a weight and of a factor of colour conversion in one. Source: OpenCV, resize and transform of bytes."""
GRAPHS = Path(__file__).parent / "resize_graphs"
MAX_BINDINGS = 32
"""Shapes of frames that are remembered; a job has one, and hostile files as many as they like."""


class GraphKind(NamedTuple):
    """Which of the graphs."""

    sample_bytes: int
    is_sideways: bool

    @property
    def path(self) -> Path:
        """Where it lies."""
        return GRAPHS / f"{8 * self.sample_bytes}-bit{'-sideways' if self.is_sideways else ''}.onnx"


GRAPH_KINDS = tuple(GraphKind(sample_bytes, is_sideways) for sample_bytes in (1, 2) for is_sideways in (False, True))


class Resizer:
    """Writes inputs to addresses; one call at a time."""

    def __init__(self, device: Device, providers: Sequence[tuple[str, dict[str, str]]], *, device_id: int = 0) -> None:
        self.device: Device = device
        self._device_id = device_id
        self._providers = list(providers)
        self._session_by_kind: dict[GraphKind, Any] = {}
        self._binding_by_shape: dict[_Shape, Any] = {}

    @property
    def bindings(self) -> int:
        """Shapes of frames that are remembered now."""
        return len(self._binding_by_shape)

    def write(self, planes: FramePlanes, rotation: int, size: InputSize, address: int) -> None:
        """Write the input for a frame, uint8 (input_h, input_w, 3) RGB, to `address`; it is there when this returns.

        `rotation` is what a player turns the coded frame by: 0, 90, 180 or 270 degrees clockwise.
        """
        shape = _Shape.of(planes, rotation, size)
        session = self._session(shape.kind)
        if shape not in self._binding_by_shape:
            if len(self._binding_by_shape) >= MAX_BINDINGS:
                self._binding_by_shape.clear()
            self._binding_by_shape[shape] = self._bind(session, shape, planes)
        binding = self._binding_by_shape[shape]
        element_type = np.uint8 if shape.kind.sample_bytes == 1 else np.uint16
        for name, plane in (("luma", planes.luma), ("chroma", planes.chroma)):
            lines = [plane.height, plane.line_samples]
            binding.bind_input(name, self.device, self._device_id, element_type, lines, plane.address)
        pixels = [size.input_h, size.input_w, 3]
        binding.bind_output("pixels", self.device, self._device_id, np.uint8, pixels, address)
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    def _session(self, kind: GraphKind) -> Any:
        if kind not in self._session_by_kind:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            content = kind.path.read_bytes()
            self._session_by_kind[kind] = onnxruntime.InferenceSession(content, options, providers=self._providers)
        return self._session_by_kind[kind]

    def _bind(self, session: Any, shape: _Shape, planes: FramePlanes) -> Any:
        """A binding with everything in it but addresses."""
        binding = session.io_binding()
        luma, chroma = find_levels(planes.pixel_format, is_full_range=planes.is_full_range)
        constants = shape.make_taps() | {
            "luma_levels": luma,
            "chroma_levels": chroma,
            # Whole numbers: sums of them are exact in float32, in any order.
            "rgb_from_yuv": np.ascontiguousarray(np.rint(RGB_FROM_YUV.T * COLOUR_STEPS), np.float32),
            "rgb_offset": np.rint(RGB_OFFSET * COLOUR_STEPS).astype(np.float32),
        }
        for name, value in constants.items():
            held = onnxruntime.OrtValue.ortvalue_from_numpy(value, self.device, self._device_id)
            binding.bind_ortvalue_input(name, held)
        return binding


@dataclass(frozen=True, slots=True)
class _Shape:
    """All that a binding depends on."""

    kind: GraphKind
    width: int
    height: int
    is_full_range: bool
    rotation: int
    size: InputSize

    @classmethod
    def of(cls, planes: FramePlanes, rotation: int, size: InputSize) -> _Shape:
        kind = GraphKind(SAMPLE_BYTES_BY_FORMAT[planes.pixel_format], rotation in (90, 270))
        frame = planes.frame
        return cls(kind, frame.width, frame.height, planes.is_full_range, rotation, size)

    def make_taps(self) -> dict[str, npt.NDArray[Any]]:
        """Which samples each row and column is made of, and what is black."""
        rows, columns = _Axis(self.size.content_h, self.size.input_h), _Axis(self.size.content_w, self.size.input_w)
        # The graph turns a sideways frame by swapping its axes; the rest of any rotation is to read one from its end.
        if self.kind.is_sideways:
            rows, columns = columns, rows
        are_rows_reversed, are_columns_reversed = self.rotation in (90, 180), self.rotation in (180, 270)
        tensors: dict[str, npt.NDArray[Any]] = {
            "row_mask": rows.mask().reshape(-1, 1, 1),
            "column_mask": columns.mask().reshape(-1, 1),
        }
        half_height, half_width = -(-self.height // 2), -(-self.width // 2)
        for plane, height, width in (("luma", self.height, self.width), ("chroma", half_height, half_width)):
            indices, weights = rows.taps(height, is_reversed=are_rows_reversed)
            tensors[f"{plane}_rows"], tensors[f"{plane}_row_weights"] = indices, weights.reshape(-1, 1, 1)
            indices, weights = columns.taps(width, is_reversed=are_columns_reversed)
            tensors[f"{plane}_columns"], tensors[f"{plane}_column_weights"] = indices, weights.reshape(-1, 1)
        return tensors


class _Axis(NamedTuple):
    """One side of an input: pixels of content, and with what is black after them."""

    content: int
    length: int

    def mask(self) -> npt.NDArray[np.float32]:
        """1 for each pixel of content, 0 for each after."""
        return (np.arange(self.length) < self.content).astype(np.float32)

    def taps(self, source: int, *, is_reversed: bool) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The two samples of `source` that each pixel is made of, and their weights, int32 (2 * length) each.

        Centres of samples are at halves, and outside is what is at the edge. Source: OpenCV, resize, INTER_LINEAR for
        bytes, whose roundings these are.
        """
        at = ((np.arange(self.content) + 0.5) * (1 / (self.content / source)) - 0.5).astype(np.float32)
        first = np.floor(at)
        part = at - first
        second = np.clip(first + 1, 0, source - 1).astype(np.int32)
        first = np.clip(first, 0, source - 1).astype(np.int32)
        halves = [first, second, np.rint((1 - part) * WEIGHT_STEPS), np.rint(part * WEIGHT_STEPS)]
        if is_reversed:
            halves = [half[::-1] for half in halves]
        first, second, of_first, of_second = (np.pad(half, (0, self.length - self.content)) for half in halves)
        return (
            np.concatenate([first, second]).astype(np.int32),
            np.concatenate([of_first, of_second]).astype(np.int32),
        )
