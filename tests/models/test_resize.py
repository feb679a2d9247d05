"""Resizing where the planes lie, by graphs that a GPU runs as well: byte for byte what `preprocess` does in the host.

Only the memory and the provider differ on a GPU: planes go in and pixels come out by address here too.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import ColorRange

from chalicelib.domain.models import InputSize, ModelInput, ResizePolicy, input_size
from gpu_batch.compiler.__main__ import main
from gpu_batch.models.inputs import FrameInPlace, prepare_input
from gpu_batch.models.planes import Device, FramePlanes, Plane, find_planes
from gpu_batch.models.preprocess import preprocess
from gpu_batch.models.providers import CPU, CUDA, providers_in_order
from gpu_batch.models.resize import GRAPHS, MAX_BINDINGS, Resizer
from tests.models.gpu_frames import CHROMA_AT, HEIGHT, LINE_SIZE, LUMA_AT, on_gpu
from tests.models.makers import LETTERBOX_416, a_manifest
from tests.models.pictures import colour_card

DITHER = 6
"""Levels that a pixel may be off where `preprocess` dithers: one of each plane, and colours add them up."""
MEAN_DITHER = 0.8
DIRT = 77
LETTERBOX = ModelInput(ResizePolicy.LETTERBOX, width=96, height=None, multiple=32)
STRETCH = ModelInput(ResizePolicy.STRETCH, width=60, height=60, multiple=1)


@pytest.fixture(scope="module")
def resizer() -> Resizer:
    return Resizer("cpu", [(CPU, {})])


def a_frame(width: int, height: int, pixel_format: str = "nv12", *, is_full_range: bool = False) -> av.VideoFrame:
    picture = av.VideoFrame.from_ndarray(colour_card(height, width), format="rgb24")
    return picture.reformat(format=pixel_format, dst_color_range=ColorRange.JPEG if is_full_range else ColorRange.MPEG)


def size_of(frame: av.VideoFrame, rotation: int, policy: ModelInput) -> InputSize:
    shown = (frame.height, frame.width) if rotation in (90, 270) else (frame.width, frame.height)
    return input_size(a_manifest(input=policy), *shown)


def resized(resizer: Resizer, frame: av.VideoFrame, rotation: int, size: InputSize) -> npt.NDArray[np.uint8]:
    planes = find_planes(frame, "cpu")
    assert isinstance(planes, FramePlanes)
    pixels = np.full((size.input_h, size.input_w, 3), DIRT, np.uint8)
    resizer.write(planes, rotation, size, pixels.ctypes.data)
    return pixels


@pytest.mark.parametrize("policy", [LETTERBOX, STRETCH], ids=["letterbox", "stretch"])
@pytest.mark.parametrize(
    ("width", "height", "rotation"),
    [
        (640, 272, 0),
        (641, 273, 0),
        (641, 273, 90),
        (641, 273, 180),
        (641, 273, 270),
        (192, 108, 0),
        (96, 54, 0),
        (61, 37, 90),
        (333, 777, 0),
        (200, 700, 270),
        (1, 1, 0),
    ],
)
def test_bytes_are_those_of_the_host(
    resizer: Resizer, width: int, height: int, rotation: int, policy: ModelInput
) -> None:
    frame = a_frame(width, height)
    size = size_of(frame, rotation, policy)
    assert np.array_equal(resized(resizer, frame, rotation, size), preprocess(frame, rotation, size))


def test_bytes_are_those_of_the_host_at_the_size_of_a_default_model(resizer: Resizer) -> None:
    frame = a_frame(1920, 1080)
    size = size_of(frame, 0, LETTERBOX_416)
    assert np.array_equal(resized(resizer, frame, 0, size), preprocess(frame, 0, size))


def test_full_range_is_brought_to_limited_as_in_the_host(resizer: Resizer) -> None:
    frame = a_frame(320, 180, is_full_range=True)
    size = size_of(frame, 0, LETTERBOX)
    full = resized(resizer, frame, 0, size)
    assert np.array_equal(full, preprocess(frame, 0, size))
    assert not np.array_equal(full, resized(resizer, a_frame(320, 180), 0, size))


@pytest.mark.parametrize("is_full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("rotation", [0, 90])
def test_ten_bits_differ_by_the_dither_of_the_host(resizer: Resizer, rotation: int, is_full_range: bool) -> None:
    frame = a_frame(641, 273, "p010le", is_full_range=is_full_range)
    size = size_of(frame, rotation, LETTERBOX)
    apart = np.abs(resized(resizer, frame, rotation, size).astype(np.int16) - preprocess(frame, rotation, size))
    assert apart.max() <= DITHER
    assert apart.mean() < MEAN_DITHER


def test_noise_in_the_padding_of_lines_is_not_seen(resizer: Resizer) -> None:
    frame = a_frame(322, 182)
    size = size_of(frame, 0, STRETCH)
    before = resized(resizer, frame, 0, size)
    for plane in frame.planes:
        lines = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size).copy()
        assert plane.line_size > 322
        lines[:, 322:] = DIRT
        plane.update(lines.tobytes())
    assert np.array_equal(resized(resizer, frame, 0, size), before)


def test_shapes_without_end_are_not_all_remembered(resizer: Resizer) -> None:
    size = InputSize(8, 8, 8, 8)
    frames = [av.VideoFrame(8 + 2 * index, 8, "nv12") for index in range(MAX_BINDINGS + 2)]
    for frame in frames:
        resized(resizer, frame, 0, size)
    assert resizer.bindings <= MAX_BINDINGS


def test_the_graphs_are_those_that_the_compiler_makes(tmp_path: Path) -> None:
    assert main(["resize-graphs", str(tmp_path)]) == 0
    made, shipped = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (tmp_path, GRAPHS))
    assert len(made) == 4
    assert shipped == made


@pytest.mark.parametrize(("pixel_format", "line_samples"), [("nv12", LINE_SIZE), ("p010le", LINE_SIZE // 2)])
def test_a_frame_on_a_gpu_is_taken_by_its_addresses(pixel_format: str, line_samples: int) -> None:
    frame = on_gpu(pixel_format)
    found = find_planes(frame, "cuda")
    luma = Plane(LUMA_AT, HEIGHT, line_samples)
    chroma = Plane(CHROMA_AT, HEIGHT // 2, line_samples)
    assert found == FramePlanes(frame, luma, chroma, pixel_format, is_full_range=True)


@pytest.mark.parametrize(
    ("frame", "device", "reason"),
    [
        (on_gpu("yuv444p"), "cuda", "no graph takes frames of yuv444p"),
        (on_gpu("nv12"), "cpu", "the model runs on the CPU"),
        (av.VideoFrame(64, 64, "nv12"), "cuda", "frames are decoded on the CPU"),
        (av.VideoFrame(64, 64, "yuv420p"), "cpu", "no graph takes frames of yuv420p"),
    ],
)
def test_other_frames_go_through_the_host_for_a_reason(frame: av.VideoFrame, device: Device, reason: str) -> None:
    assert find_planes(frame, device) == reason


def test_a_frame_that_cannot_stay_is_prepared_in_the_host() -> None:
    frame = a_frame(64, 36)
    size = size_of(frame, 0, STRETCH)
    pixels = prepare_input(frame, 0, size, "cuda")
    assert not isinstance(pixels, FrameInPlace)
    assert np.array_equal(pixels, preprocess(frame, 0, size))


def test_frames_wait_for_the_decoder_on_a_stream_of_ours() -> None:
    providers = providers_in_order("cuda", lambda: 1234)
    assert providers is not None
    assert [name for name, _ in providers] == [CUDA, CPU]
    assert providers[0][1]["user_compute_stream"] == "1234"


def test_without_such_a_stream_no_graph_reads_what_a_decoder_wrote() -> None:
    assert providers_in_order("cuda", lambda: None) is None
