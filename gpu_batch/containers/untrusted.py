"""The one place that lets libav open a container: one demuxer, no other file, no socket, bounded pixels.

What each option stops was measured with PyAV 18.1 and 19.0: `protocol_whitelist` alone is not enough, and `max_pixels`
holds for a decoder only when it is set on the decoder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import av
from av.container import InputContainer

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.sniff import Container
from gpu_batch.errors import BadInput
from gpu_batch.video.decoders import decoder_options
from gpu_batch.video.source import Source

READ_BYTES = 32 << 10
BLOCK_BYTES = 1 << 20
"""libav asks for 32 KiB at a time; a request for each would take minutes over S3."""
CACHED_BLOCKS = 16

DECODERS = frozenset(
    {
        *("h264", "hevc", "vp8", "vp9", "libdav1d", "av1"),
        *("mpeg4", "mpeg1video", "mpeg2video", "h263", "flv", "vc1", "wmv1", "wmv2"),
        *("msmpeg4", "msmpeg4v1", "msmpeg4v2", "theora", "dvvideo"),
        *("mjpeg", "prores", "dnxhd", "ffv1", "rawvideo"),
    }
)
"""Decoders that untrusted bytes may reach, by libav's names."""

LIBAV_ESCAPES = (av.error.FFmpegError, AttributeError, IndexError, ValueError, OverflowError)
"""What PyAV raises on broken files: its own errors, and trips over streams that appear late or have no decoder."""


class SourceFile:
    """A `Source` as the file object that PyAV reads from, with a small cache of large blocks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self.failure: BaseException | None = None
        """What the source raised: libav turns it into an error number, so the reader must look here."""

    def read(self, size: int) -> bytes:
        """Up to `size` bytes from the current position, at least one unless the file ends."""
        index, skip = divmod(self._position, BLOCK_BYTES)
        try:
            block = self._block(index)
        except BaseException as error:
            self.failure = error
            raise
        piece = block[skip : skip + size]
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to `offset` from the start (0), here (1) or the end (2)."""
        base = {0: 0, 1: self._position, 2: self._source.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The current position."""
        return self._position

    def _block(self, index: int) -> bytes:
        if index not in self._blocks:
            start = index * BLOCK_BYTES
            size = max(0, min(BLOCK_BYTES, self._source.size_bytes - start))
            self._blocks[index] = self._source.read(start, size) if size else b""
            if len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(index)
        return self._blocks[index]


class _Guard:
    """Turns whatever libav lets escape into `BadInput`, unless the source itself failed."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file.failure is not None:
            raise self._file.failure from None
        if isinstance(error, LIBAV_ESCAPES):
            raise BadInput(f"the container cannot be read: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An error of libav in a few words, without the arguments of the call."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextmanager
def open_untrusted(
    source: Source, container: Container, limits: MediaLimits, read_bytes: int = READ_BYTES
) -> Iterator[InputContainer]:
    """The container, opened with the one demuxer that its first bytes call for; closed at the end of the block.

    libav asks for `read_bytes` at a time: more is faster for whoever reads all, and too much for whoever jumps.

    Raises:
        BadInput: libav cannot read it, here or inside the block.
        Passing: the source failed.
    """
    file = SourceFile(source)
    with _Guard(file):
        opened = av.open(
            file,
            mode="r",
            format=container.demuxer,
            buffer_size=read_bytes,
            options=decoder_options(limits),
            container_options={
                "format_whitelist": container.demuxer,
                "protocol_whitelist": "none",
                "codec_whitelist": ",".join(sorted(DECODERS)),
                "max_streams": "64",
            },
        )
        with opened:
            for stream in opened.streams.video:
                if has_decoder(stream):
                    stream.codec_context.options = decoder_options(limits)
                    stream.codec_context.thread_type = "NONE"
                    stream.codec_context.thread_count = 1
            yield opened


def first_video_stream(opened: InputContainer) -> av.VideoStream:
    """The first stream of moving pictures.

    Raises:
        BadInput: NO_VIDEO_STREAM, or UNSUPPORTED_CODEC when there is one that cannot be decoded.
    """
    for stream in opened.streams.video:
        if stream.disposition & av.stream.Disposition.attached_pic:
            continue
        if not has_decoder(stream) or stream.codec_context.codec.name not in DECODERS:
            codec = stream.codec_context.codec.name if has_decoder(stream) else "unknown"
            raise BadInput(
                f"the codec of the video stream ({codec}) is not supported",
                code=ErrorCode.UNSUPPORTED_CODEC,
                hint="Convert the video to H.264 or another common codec, then upload it again",
            )
        return stream
    raise BadInput(
        "the file must have a video stream but has none",
        code=ErrorCode.NO_VIDEO_STREAM,
        hint="Upload a file with pictures; this one has only sound or data",
    )


def has_decoder(stream: av.VideoStream) -> bool:
    """Whether libav found a decoder: PyAV leaves the context out otherwise, though its types say that there is one."""
    return getattr(stream, "codec_context", None) is not None
