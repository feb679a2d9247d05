"""Bare decoders: libav's codecs fed with samples from a table, without a container."""

from __future__ import annotations

from typing import Any, cast

import av
from av.video.codeccontext import VideoCodecContext

from chalicelib.contracts.sample_table import DecoderConfig
from chalicelib.domain.media import MediaLimits
from gpu_batch.errors import Passing

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


def open_decoder(config: DecoderConfig, description_index: int, limits: MediaLimits) -> VideoCodecContext:
    """A single-threaded decoder that knows what a demuxer would have told it.

    Without the reorder depth, libav guesses it anew from every first frames and drops or misplaces them; without the
    container's size it does not crop as a single pass does.
    """
    description = config.descriptions[description_index]
    decoder = cast("VideoCodecContext", VideoCodecContext.create(DECODER_BY_CODEC[config.codec], "r"))
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
