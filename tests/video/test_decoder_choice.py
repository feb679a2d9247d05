"""Where a segment is decoded: the choice and its reason."""

from __future__ import annotations

import av
import pytest

from gpu_batch.video.decoders import choose_decoder


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
