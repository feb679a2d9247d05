"""Whether a bare decoder shows the picture that libav's own way through the container shows first."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np

from chalicelib.contracts.sample_table import DecoderConfig
from chalicelib.domain.media import MediaLimits, Pts
from gpu_batch.video.decoders import open_decoder, try_decode


def shows_first(
    config: DecoderConfig, samples: Sequence[tuple[Pts, bytes]], expected: av.VideoFrame, limits: MediaLimits
) -> bool:
    """Whether the first frame with the PTS of `expected` is the same: its pixels, and what says how to read them.

    A container may tell a decoder of colours, sizes and cropping what the bitstream does not say.

    Args:
        config: what a worker will open its decoder with.
        samples: PTS and bytes from the first keyframe on, in decode order.
        expected: the first frame of a single pass.
        limits: what a decoder may spend.
    """
    decoder = open_decoder(config, 0, limits)
    for pts, content in samples:
        packet = av.Packet(content)
        packet.pts, packet.time_base = pts, config.timebase
        for image in try_decode(decoder, packet) or ():
            if image.pts == expected.pts:
                return _is_same(image, expected)
    return any(image.pts == expected.pts and _is_same(image, expected) for image in try_decode(decoder, None) or ())


def _is_same(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    facts = [
        (
            image.format.name,
            image.width,
            image.height,
            image.colorspace,
            image.color_range,
            image.color_primaries,
            image.color_trc,
            image.is_corrupt,
        )
        for image in (one, other)
    ]
    return facts[0] == facts[1] and all(
        np.array_equal(_pixels(one, index), _pixels(other, index)) for index in range(len(one.planes))
    )


def _pixels(image: av.VideoFrame, index: int) -> np.ndarray:
    """uint8 (height, row bytes) of a plane, without the padding at the end of rows."""
    plane = image.planes[index]
    sample_bytes = -(-max(component.bits for component in image.format.components) // 8)
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : min(plane.width * sample_bytes, plane.line_size)]
