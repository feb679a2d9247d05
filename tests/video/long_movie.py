"""A sparse MP4 of any length: its index is whole, of its media data only the keyframes are there."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.video.muxer import (
    FTYP_BRANDS,
    Chunks,
    Columns,
    Edit,
    Stream,
    box,
    moov,
    sample_boxes,
    take_stream,
    trak,
)

FRAMES_PER_SECOND = 30
GOP = 250
FRAMES_PER_CHUNK = 15
SOUND_RATE = 48_000
MP4A = box(b"mp4a", bytes(6), b"\0\1", bytes(8), struct.pack(">HHII", 2, 16, 0, SOUND_RATE << 16))


def write_long_movie(path: Path, clip: Path, *, hours: float, index_at_end: bool) -> int:
    """Repeat the first GOP of 250 frames of a clip, with sound in between; gives the size of the index."""
    stream = take_stream(clip)
    layout = _Layout(stream, int(hours * 3600))
    head = box(b"ftyp", FTYP_BRANDS)
    # The index is of one size wherever it places the data, if only that is beyond 4 GiB or not.
    index_bytes = len(layout.index(len(head)))
    data_at = len(head) + 16 + (0 if index_at_end else index_bytes)
    index = layout.index(data_at)
    assert len(index) == index_bytes
    with path.open("wb") as file:
        file.write(head if index_at_end else head + index)
        file.write(struct.pack(">I4sQ", 1, b"mdat", layout.data_bytes + 16))
        for offset in layout.keyframe_offsets(data_at):
            file.seek(int(offset))
            file.write(stream.samples[0].content)
        file.seek(data_at + layout.data_bytes)
        file.write(index if index_at_end else b"")
        file.truncate()
    return index_bytes


class _Layout:
    """Chunks of half a second of pictures and sound in turn."""

    def __init__(self, stream: Stream, seconds: int) -> None:
        chance = np.random.default_rng(1)
        self._stream = stream
        self._seconds = seconds
        gop = stream.samples[:GOP]
        in_gop = np.arange(seconds * FRAMES_PER_SECOND) % GOP
        spread = np.where(in_gop > 0, chance.integers(4000, 16_000, len(in_gop)), 0)
        self._video = Columns(
            np.array([len(one.content) for one in gop], np.int64)[in_gop] + spread,
            np.array([one.duration for one in gop], np.int64)[in_gop],
            np.array([one.composition for one in gop], np.int64)[in_gop],
            in_gop == 0,
        )
        blocks = seconds * SOUND_RATE // 1024
        sizes = chance.integers(250, 420, blocks).astype(np.int64)
        self._sound = Columns(sizes, np.full(blocks, 1024), np.zeros(blocks, np.int64), np.ones(blocks, np.bool_))
        self._video_bytes = np.add.reduceat(self._video.sizes, np.arange(0, len(in_gop), FRAMES_PER_CHUNK))
        self._chunks = len(self._video_bytes)
        self._blocks_per_chunk = -(-blocks // self._chunks)
        sound = np.add.reduceat(sizes, np.arange(0, blocks, self._blocks_per_chunk))
        self._sound_chunks = len(sound)
        self._sound_bytes = np.zeros(self._chunks, np.int64)
        self._sound_bytes[: len(sound)] = sound

    @property
    def data_bytes(self) -> int:
        return int(self._video_bytes.sum() + self._sound_bytes.sum())

    def _starts(self, data_at: int) -> NDArray[np.int64]:
        both = self._video_bytes + self._sound_bytes
        starts: NDArray[np.int64] = data_at + np.cumsum(both) - both
        return starts

    def keyframe_offsets(self, data_at: int) -> NDArray[np.int64]:
        before = np.cumsum(self._video.sizes) - self._video.sizes
        offsets = (
            np.repeat(self._starts(data_at) - before[::FRAMES_PER_CHUNK], FRAMES_PER_CHUNK)[: len(before)] + before
        )
        chosen: NDArray[np.int64] = offsets[self._video.is_key]
        return chosen

    def index(self, data_at: int) -> bytes:
        starts = self._starts(data_at)
        video = sample_boxes(self._video, _even_chunks(starts, len(self._video.sizes), FRAMES_PER_CHUNK))
        sound_starts = (starts + self._video_bytes)[: self._sound_chunks]
        sound = sample_boxes(self._sound, _even_chunks(sound_starts, len(self._sound.sizes), self._blocks_per_chunk))
        shown = Edit(-(-int(self._video.durations.sum()) * 1000 // self._stream.timescale), 1024)
        return moov(
            trak(1, b"vide", self._stream.timescale, self._stream.entries, video, [shown]),
            trak(2, b"soun", SOUND_RATE, [MP4A], sound),
        )


def _even_chunks(starts: NDArray[np.int64], samples: int, per_chunk: int) -> Chunks:
    lengths = np.full(len(starts), per_chunk, np.int64)
    lengths[-1] = samples - per_chunk * (len(starts) - 1)
    return Chunks(starts, lengths, np.zeros(len(starts), np.int64))
