"""What the tests of reading video share: a single-pass reference, and short ways to probe and decode."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from chalicelib.contracts.sample_table import CellSamples, unpack_chunks
from chalicelib.domain.media import MediaLimits
from gpu_batch.containers.probe import Probe, probe_video
from gpu_batch.containers.table import SampleTable
from gpu_batch.video.damage import Damage, DamagedRange
from gpu_batch.video.decode import Frame, decode_cells
from gpu_batch.video.source import BytesSource, Source

LIMITS = MediaLimits()


class Seen(NamedTuple):
    """A frame as far as equality goes."""

    pts: int
    md5: str


class Decoded(NamedTuple):
    """The frames of a decode that are not damaged, and the ranges that are."""

    frames: list[Seen]
    damaged: tuple[DamagedRange, ...]


class CountingSource:
    """A source that notes every range that is asked of it."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self.ranges: list[tuple[int, int]] = []

    @property
    def size_bytes(self) -> int:
        return self._inner.size_bytes

    def read(self, offset: int, size: int) -> bytes:
        self.ranges.append((offset, size))
        return self._inner.read(offset, size)

    @property
    def bytes_read(self) -> int:
        return sum(size for _, size in self.ranges)


def fingerprint(image: av.VideoFrame) -> str:
    """MD5 of all samples of all planes, without the padding at the end of rows."""
    digest = hashlib.md5()
    for plane in image.planes:
        sample_bytes = plane.line_size // plane.width if plane.line_size < 2 * plane.width else _sample_bytes(image)
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        digest.update(rows[:, : plane.width * sample_bytes].tobytes())
    return digest.hexdigest()


def _sample_bytes(image: av.VideoFrame) -> int:
    return 2 if "10" in image.format.name else 1


def single_pass(video: Path | bytes) -> list[Seen]:
    """Every frame as plain PyAV shows it."""
    if isinstance(video, bytes):
        return list(_decode(io.BytesIO(video)))
    facts = video.stat()
    return list(_single_pass_of_file(str(video), facts.st_mtime_ns, facts.st_size))


@lru_cache(maxsize=512)
def _single_pass_of_file(path: str, _changed_at: int, _size: int) -> tuple[Seen, ...]:
    """Decoded once, for all tests that compare something with it."""
    return _decode(path)


def _decode(opened_from: Any) -> tuple[Seen, ...]:
    with av.open(opened_from) as opened:
        return tuple(Seen(frame.pts or 0, fingerprint(frame)) for frame in opened.decode(video=0))


def see(frame: Frame) -> Seen:
    return Seen(frame.pts, fingerprint(frame.image))


def probe_bytes(content: bytes) -> Probe:
    return probe_video(BytesSource(content), LIMITS)


def table_of(video: Path | bytes) -> SampleTable:
    """The sample table of a video that must have one."""
    table = probe_bytes(video if isinstance(video, bytes) else video.read_bytes()).table
    assert table is not None
    return table


def cells_of(table: SampleTable) -> list[CellSamples]:
    return list(unpack_chunks(table.data))


def runs_of(cells: Sequence[CellSamples], length: int) -> list[Sequence[CellSamples]]:
    """Consecutive runs of `length` cells."""
    return [cells[start : start + length] for start in range(0, len(cells), length)]


def decode_in_runs(table: SampleTable, source: Source, length: int) -> Decoded:
    """Decode run by run, each on its own, and drop what is damaged."""
    damage = Damage()
    frames = [
        see(frame)
        for run in runs_of(cells_of(table), length)
        for frame in decode_cells(table.config, run, source, LIMITS, damage)
    ]
    return Decoded([frame for frame in frames if not damage.covers(frame.pts)], damage.ranges)
