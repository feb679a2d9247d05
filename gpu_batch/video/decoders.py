"""Bare decoders: libav's codecs fed with samples from a table, without a container."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import av
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext

from chalicelib.contracts.sample_table import DecoderConfig
from chalicelib.domain.media import MediaLimits
from gpu_batch.errors import Passing
from gpu_batch.video.cropping import cuts_left_or_top

DECODER_BY_CODEC = {
    "h264": "h264",
    "hevc": "hevc",
    "vp8": "vp8",
    "vp9": "vp9",
    "av1": "libdav1d",
    "mjpeg": "mjpeg",
    "prores": "prores",
    "dnxhd": "dnxhd",
}
"""libav's decoder for each codec that a sample table is made for."""


CODECS_ON_GPU = frozenset({"h264", "hevc", "vp9"})
"""Those whose decoder in libav can hand its work to NVDEC and, where that lacks the profile, does it itself, to the
same samples. libav's own decoder of AV1 can only hand over."""


@dataclass(frozen=True, slots=True)
class DecoderChoice:
    """Where a segment is decoded, and why."""

    hwaccel: HWAccel | None
    """The device, or None for the CPU. Frames stay in its memory, but for those that it could not decode."""
    reason: str
    """In words for the log."""


def choose_decoder(
    codec: str,
    extradata: Iterable[bytes] = (),
    *,
    is_on_gpu: bool,
    create: Callable[..., object] = VideoCodecContext.create,
) -> DecoderChoice:
    """NVDEC when the models run on a GPU (`is_on_gpu`) and libav opens it, else the CPU.

    `extradata` is that of every description of the video; `create` opens a codec context, and with it the device.
    """
    if not is_on_gpu:
        return DecoderChoice(None, "the models run on the CPU")
    if codec not in CODECS_ON_GPU:
        return DecoderChoice(None, f"{codec} is decoded on the CPU")
    if any(cuts_left_or_top(codec, one) for one in extradata):
        return DecoderChoice(None, "the video is cut on the left or at the top, which libav does on the CPU only")
    # One context of CUDA for the process: every cell opens a decoder.
    hwaccel = HWAccel("cuda", allow_software_fallback=True, options={"primary_ctx": "1"}, is_hw_owned=True)
    try:
        create(DECODER_BY_CODEC[codec], "r", hwaccel=hwaccel)
    except av.error.FFmpegError as error:
        return DecoderChoice(None, f"libav opens no CUDA device: {error}")
    return DecoderChoice(hwaccel, "libav opened a CUDA device")


def open_decoder(
    config: DecoderConfig, description_index: int, limits: MediaLimits, choice: DecoderChoice | None = None
) -> VideoCodecContext:
    """A single-threaded decoder that knows what a demuxer would have told it; on the CPU, unless `choice` says else.

    Without the reorder depth, libav guesses it anew from every first frames and drops or misplaces them; without the
    container's size it does not crop as a single pass does.
    """
    description = config.descriptions[description_index]
    hwaccel = choice.hwaccel if choice else None
    decoder = cast("VideoCodecContext", VideoCodecContext.create(DECODER_BY_CODEC[config.codec], "r", hwaccel=hwaccel))
    if description.extradata:
        decoder.extradata = description.extradata
    decoder.width, decoder.height = description.width, description.height
    decoder.codec_tag = config.codec_tag
    decoder.thread_type = "NONE"
    decoder.thread_count = 1
    decoder.options = decoder_options(limits) | {"has_b_frames": str(config.reorder_depth)}
    return decoder


def coded_size(config: DecoderConfig, description_index: int, sample: bytes) -> tuple[int, int]:
    """Width and height that a keyframe's own bytes ask for, read by libav's parser: nothing of that size is allocated.

    (0, 0) where the parser does not tell: VP9 and intra codecs, whose decoders refuse by `max_pixels` alone.
    """
    reader = cast("VideoCodecContext", VideoCodecContext.create(DECODER_BY_CODEC[config.codec], "r"))
    extradata = config.descriptions[description_index].extradata
    if extradata:
        reader.extradata = extradata
    reader.parse(sample)
    reader.parse(None)
    return reader.width, reader.height


def try_decode(decoder: VideoCodecContext, packet: av.Packet[Any] | None) -> list[av.VideoFrame] | None:
    """The frames that come out for `packet` (None: the ones still held back), or None when libav cannot decode it.

    Raises:
        Passing: no memory for a frame whose size is allowed.
    """
    try:
        return decoder.decode(packet)
    except av.error.MemoryError as error:
        raise Passing("there is not enough memory for a frame of this video") from error
    except (av.error.FFmpegError, ValueError):
        # ValueError: a decoder that could not even be opened is asked again.
        return None


def decoder_options(limits: MediaLimits) -> dict[str, str]:
    """What every decoder of untrusted bytes is opened with."""
    return {"max_pixels": str(limits.max_pixels), "threads": "1"}
