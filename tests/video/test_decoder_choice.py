"""Where a segment is decoded: the choice and its reason."""

from __future__ import annotations

from io import BytesIO
from typing import cast

import av
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

from gpu_batch.video.cropping import cuts_left_or_top
from gpu_batch.video.decoders import choose_decoder

ENCODER_BY_CODEC = {"h264": ("libx264", {}), "hevc": ("libx265", {"x265-params": "log-level=none"})}


def open_device(name: str, mode: str, *, hwaccel: object) -> object:
    return name, mode, hwaccel


def refuse_device(name: str, mode: str, *, hwaccel: object) -> object:
    raise av.error.PermissionError(1, "Operation not permitted")


def test_a_device_that_opens_is_taken() -> None:
    choice = choose_decoder("h264", is_on_gpu=True, create=open_device)
    assert choice.hwaccel is not None
    assert choice.reason == "libav opened a CUDA device"


def test_a_profile_that_the_device_lacks_is_decoded_all_the_same() -> None:
    choice = choose_decoder("hevc", is_on_gpu=True, create=open_device)
    assert choice.hwaccel is not None
    assert choice.hwaccel.allow_software_fallback


def test_without_a_device_the_cpu_decodes_and_says_why() -> None:
    choice = choose_decoder("h264", is_on_gpu=True, create=refuse_device)
    assert choice.hwaccel is None
    assert "libav opens no CUDA device" in choice.reason


@pytest.mark.parametrize("codec", ["av1", "prores", "mjpeg", "dnxhd"])
def test_a_codec_that_only_the_cpu_decodes_safely_opens_no_device(codec: str) -> None:
    assert choose_decoder(codec, is_on_gpu=True, create=refuse_device).reason == f"{codec} is decoded on the CPU"


def test_models_on_the_cpu_have_their_frames_decoded_there() -> None:
    choice = choose_decoder("h264", is_on_gpu=False, create=refuse_device)
    assert (choice.hwaccel, choice.reason) == (None, "the models run on the CPU")


def coded(codec: str, cut: str) -> bytes:
    """A keyframe with its parameter sets, of which `cut` says what is not shown, such as crop_left=2."""
    written = BytesIO()
    with av.open(written, mode="w", format=codec) as output:
        encoder, options = ENCODER_BY_CODEC[codec]
        stream = cast("VideoStream", output.add_stream(encoder, rate=25, options=options))
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        output.mux(stream.encode(av.VideoFrame(128, 96, "yuv420p")))
        output.mux(stream.encode(None))
    written.seek(0)
    with av.open(written, mode="r", format=codec) as container:
        cutter = BitStreamFilterContext(f"{codec}_metadata={cut}", container.streams.video[0])
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return b"".join(bytes(packet) for one in packets for packet in cutter.filter(one))


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    ("cut", "is_shifted"),
    [("crop_left=2", True), ("crop_top=4", True), ("crop_right=2:crop_bottom=4", False), ("crop_left=0", False)],
)
def test_a_video_that_is_cut_where_a_gpu_would_not_cut_it_is_decoded_on_the_cpu(
    codec: str, cut: str, is_shifted: bool
) -> None:
    choice = choose_decoder(codec, [coded(codec, cut)], is_on_gpu=True, create=open_device)
    assert (choice.hwaccel is None) == is_shifted
    assert ("cut on the left or at the top" in choice.reason) == is_shifted


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_sets_that_end_early_cut_nothing(codec: str) -> None:
    content = coded(codec, "crop_left=2")
    found = [cuts_left_or_top(codec, content[:size]) for size in range(len(content) + 1)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (False, True)
