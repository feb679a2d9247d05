"""How large a container says that it is: what tells a file that was cut off where libav sees only an ordinary end."""

from __future__ import annotations

from gpu_batch.containers.sniff import AVI, MATROSKA, SNIFF_BYTES, WEBM, Container
from gpu_batch.video.source import Source

SEGMENT_ID = b"\x18\x53\x80\x67"
MAX_RIFFS = 10_000
"""Parts of an AVI of more than a gigabyte each."""


def is_cut_off(source: Source, container: Container) -> bool:
    """Whether the file is smaller than its own header says; False where a header says nothing, as in a live stream."""
    if container in (MATROSKA, WEBM):
        stated = _matroska_size(source.read(0, SNIFF_BYTES))
    elif container == AVI:
        stated = _avi_size(source)
    else:
        stated = 0
    return stated > source.size_bytes


def _matroska_size(head: bytes) -> int:
    """Where the segment, which holds everything, ends; 0 where that is unknown. Source: RFC 8794, sections 4 and 6."""
    header_size, position = _read_vint(head, 4)
    position += header_size
    if head[position : position + 4] != SEGMENT_ID:
        return 0
    size, start = _read_vint(head, position + 4)
    return start + size if size else 0


def _read_vint(head: bytes, position: int) -> tuple[int, int]:
    """A number of variable length and where it ends; 0 for the one that stands for an unknown size."""
    first = head[position] if position < len(head) else 0
    length = 9 - first.bit_length()
    ones = (1 << 7 * length) - 1
    number = int.from_bytes(head[position : position + length]) & ones
    return (0 if number == ones else number), position + length


def _avi_size(source: Source) -> int:
    """Where the last RIFF chunk ends; 0 for a recording that was never finished. Source: OpenDML AVI 1.02."""
    end = 0
    for _ in range(MAX_RIFFS):
        header = source.read(end, 12)
        if header[:4] != b"RIFF" or header[8:] not in (b"AVI ", b"AVIX"):
            return end
        size = int.from_bytes(header[4:8], "little")
        if not size:
            return 0
        end += 8 + size + size % 2
        if end >= source.size_bytes:
            return end - size % 2
    return end
