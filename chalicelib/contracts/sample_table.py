"""The sample table: what a worker must know to decode any run of cells without opening the container.

**The table object** in S3 is the chunks of all cells, one after the other, so that the chunks of a run of cells are one
ranged GET (`Cell.table_offset`, `Cell.table_size`). A chunk needs no other chunk. All integers are little-endian:

    bytes 0..1   "ST"
    byte  2      version, now 1
    byte  3      bit 0: there is a shown frame before the cell; bit 1: there is one after it
    bytes 4..35  int64 start_pts, end_pts of the cell; prev_pts, next_pts of the shown frames around it (0 without bit)
    bytes 36..51 uint32 cell index, own samples, all samples n, bytes z that follow
    then         z bytes: zlib of the columns, each n long and in decode order, own samples first, then the tail:
                 int64 offset step   offset minus the end of the sample before (the first: minus 0)
                 int64 dts step      dts minus that of the sample before (the first: minus 0)
                 int64 composition   pts minus dts
                 uint32 size         bytes
                 uint8 flags         `SampleFlag`
                 uint8 description   index into `DecoderConfig.descriptions`

The *tail* is the next cell's keyframe and every sample up to its last leading picture (open GOP): pictures that are
displayed in this cell but decoded after that keyframe. It is empty where a GOP is closed, and at the end of the video.

**The cell list** in S3 is what a planner reads: zlib of the UTF-8 JSON object

    version, start_pts, table_offset, byte_start    of the list; of cell 0
    columns    [ticks, table sizes, byte gaps, byte lengths, frames], each with one number for each cell

Cell i starts where cell i-1 ends, and its chunk follows that of cell i-1. Its bytes start `byte gap` after the end of
those of cell i-1 (of cell 0: after `byte_start`).
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import IntFlag
from fractions import Fraction
from itertools import accumulate
from operator import add, sub
from typing import Any

from chalicelib.domain.cells import MAX_CELLS, Cell
from chalicelib.domain.media import Pts

VERSION = 1
_MAGIC = b"ST"
_HEADER = struct.Struct("<2sBB4q4I")
_BYTES_PER_SAMPLE = 3 * 8 + 4 + 2
MAX_CELL_LIST_BYTES = 64 << 10
TRANSPORT_PACKET_BYTES = 188
MAX_SAMPLES_PER_CHUNK = 1 << 24
"""Refuses a chunk that would take more memory than any real video's: this is 4 days at 50 frames a second."""


class WrongVersion(ValueError):
    """The bytes were written by another release: a reader of this one must not guess."""


class SampleFlag(IntFlag):
    """One byte for each sample."""

    KEY = 1
    """The container calls it a sync sample; whoever starts decoding there checks the bitstream."""
    DISPOSABLE = 2
    """The container says that no other sample needs it."""
    SHOWN = 4
    """It is displayed: inside the edit list."""
    MISSING = 8
    """It lies, at least in part, beyond the end of the source."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Columns of equal length, in decode order."""

    offsets: array[int]
    """int64: first byte in the source."""
    sizes: array[int]
    """uint32: bytes."""
    dts: array[int]
    """int64 ticks."""
    pts: array[int]
    """int64 ticks."""
    flags: array[int]
    """uint8: `SampleFlag`."""
    descriptions: array[int]
    """uint8: index into `DecoderConfig.descriptions`."""

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.sizes, self.dts, self.pts, self.flags, self.descriptions)}
        if lengths != {len(self.offsets)}:
            raise ValueError(f"columns must be of one length but got {sorted(lengths | {len(self.offsets)})}")

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True, slots=True)
class CellSamples:
    """A cell's samples: its own, then the tail that its last frames need."""

    index: int
    start_pts: Pts
    end_pts: Pts
    prev_pts: Pts | None
    """PTS of the last shown frame before the cell."""
    next_pts: Pts | None
    """PTS of the first shown frame after the cell."""
    own: int
    """How many of `samples` are the cell's own; the rest is the tail."""
    samples: Samples

    def __post_init__(self) -> None:
        if not 0 <= self.own <= len(self.samples):
            raise ValueError(f"own must be between 0 and {len(self.samples)} but got {self.own}")
        if self.start_pts >= self.end_pts:
            raise ValueError(f"start_pts must be before end_pts {self.end_pts} but got {self.start_pts}")

    @property
    def byte_range(self) -> tuple[int, int]:
        """First byte, and one past the last, of all samples that lie inside the source; (0, 0) when none does."""
        present = [position for position, flags in enumerate(self.samples.flags) if not flags & SampleFlag.MISSING]
        offsets, sizes = self.samples.offsets, self.samples.sizes
        if not present:
            return 0, 0
        return min(offsets[i] for i in present), max(offsets[i] + sizes[i] for i in present)

    @property
    def frames(self) -> Counter[Pts]:
        """How many shown frames each PTS of the cell has."""
        return Counter(
            pts
            for pts, flags in zip(self.samples.pts, self.samples.flags, strict=True)
            if flags & SampleFlag.SHOWN and self.start_pts <= pts < self.end_pts
        )


@dataclass(frozen=True, slots=True)
class Description:
    """One sample description of the track: what a decoder is opened with."""

    extradata: bytes
    """The codec's configuration record (avcC, hvcC, av1C, …) without box header; empty when the codec needs none."""
    width: int
    """Coded pixels as the container states them: libav crops by them."""
    height: int
    nal_length_size: int
    """Bytes before each NAL unit in H.264 and HEVC samples, else 0."""


@dataclass(frozen=True, slots=True)
class TransportPackets:
    """A sample that lies in an MPEG transport stream: one PES packet, in pieces between packets of other streams.

    Its bytes in the source start with a transport packet that starts the PES packet, and end before the next one.
    """

    pid: int
    """Packet identifier of the video stream."""
    packet_size: int
    """188 bytes, or more when each packet carries something in front or behind (192 in M2TS)."""
    sync_at: int
    """Where the byte 0x47 stands, counted from the start of a packet."""

    def __post_init__(self) -> None:
        if not 0 <= self.pid < 8192:
            raise ValueError(f"pid must be between 0 and 8191 but got {self.pid}")
        if not 0 <= self.sync_at <= self.packet_size - TRANSPORT_PACKET_BYTES:
            raise ValueError(
                f"packet_size must hold {TRANSPORT_PACKET_BYTES} bytes from sync_at {self.sync_at} on "
                f"but got {self.packet_size}"
            )


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """What a bare decoder cannot learn from samples; travels in the work order as JSON."""

    codec: str
    """libav's decoder family: h264, hevc, vp9, av1, …"""
    codec_tag: str
    """The sample description's four characters."""
    timebase: Fraction
    rotation: int
    """Degrees clockwise that a player turns the coded frame; decoded frames are not turned."""
    reorder_depth: int
    """How many frames the decoder must hold back so that they come out in order."""
    descriptions: tuple[Description, ...]
    packaging: TransportPackets | None = None
    """How the bytes of a sample are got out of its range of the source; None: they are that range, as they stand."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives back an equal value."""
        descriptions = [
            asdict(one) | {"extradata": base64.b64encode(one.extradata).decode()} for one in self.descriptions
        ]
        form = {
            "codec": self.codec,
            "codec_tag": self.codec_tag,
            "timebase": str(self.timebase),
            "rotation": self.rotation,
            "reorder_depth": self.reorder_depth,
            "descriptions": descriptions,
        }
        # Left out where there is none: what was stored before packaging was known reads the same.
        return form if self.packaging is None else form | {"packaging": {"kind": "mpegts"} | asdict(self.packaging)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> DecoderConfig:
        """Read what `to_json` wrote.

        Raises:
            WrongVersion: the samples are packed in a way that this release does not know.
        """
        descriptions = (one | {"extradata": base64.b64decode(one["extradata"])} for one in value["descriptions"])
        return cls(
            **value
            | {
                "timebase": Fraction(value["timebase"]),
                "descriptions": tuple(Description(**one) for one in descriptions),
                "packaging": _packaging_of(value.get("packaging", {"kind": "raw"})),
            }
        )


def _packaging_of(form: dict[str, Any]) -> TransportPackets | None:
    if form["kind"] == "raw":
        return None
    if form["kind"] != "mpegts":
        raise WrongVersion(f"packaging must be raw or mpegts but got {form['kind']}; probe the video again")
    return TransportPackets(form["pid"], form["packet_size"], form["sync_at"])


def join_cells(cells: Sequence[CellSamples]) -> CellSamples:
    """Consecutive cells as one, which is named by the first; the tail of the last is the tail."""
    if len(cells) == 1:
        return cells[0]
    first, last = cells[0], cells[-1]
    joined = Samples(array("q"), array("I"), array("q"), array("q"), array("B"), array("B"))
    for cell in cells:
        count = len(cell.samples) if cell is last else cell.own
        for name in ("offsets", "sizes", "dts", "pts", "flags", "descriptions"):
            getattr(joined, name).extend(getattr(cell.samples, name)[:count])
    return CellSamples(
        index=first.index,
        start_pts=first.start_pts,
        end_pts=last.end_pts,
        prev_pts=first.prev_pts,
        next_pts=last.next_pts,
        own=sum(cell.own for cell in cells),
        samples=joined,
    )


def pack_chunk(cell: CellSamples) -> bytes:
    """The chunk of one cell, in the layout of the module docstring."""
    samples = cell.samples
    ends = map(add, samples.offsets, samples.sizes)
    columns = (
        _steps(samples.offsets, [0, *ends]),
        _steps(samples.dts, [0, *samples.dts]),
        array("q", map(sub, samples.pts, samples.dts)),
        samples.sizes,
        samples.flags,
        samples.descriptions,
    )
    packed = zlib.compress(b"".join(_little_endian(column) for column in columns), 6)
    header = chunk_header(
        index=cell.index,
        start_pts=cell.start_pts,
        end_pts=cell.end_pts,
        prev_pts=cell.prev_pts,
        next_pts=cell.next_pts,
        own=cell.own,
        count=len(samples),
        packed_bytes=len(packed),
    )
    return header + packed


def chunk_header(
    *,
    index: int,
    start_pts: Pts,
    end_pts: Pts,
    prev_pts: Pts | None,
    next_pts: Pts | None,
    own: int,
    count: int,
    packed_bytes: int,
) -> bytes:
    """What stands before the `packed_bytes` of the columns of `count` samples; see `CellSamples` for the rest."""
    around = (prev_pts is not None) | (next_pts is not None) << 1
    times = (start_pts, end_pts, prev_pts or 0, next_pts or 0)
    return _HEADER.pack(_MAGIC, VERSION, around, *times, index, own, count, packed_bytes)


def unpack_chunks(data: bytes) -> Iterator[CellSamples]:
    """The cells whose chunks lie one after the other in `data`.

    Raises:
        WrongVersion: a chunk of another version.
        ValueError: bytes that are no whole chunks.
    """
    position = 0
    while position < len(data):
        cell, position = _unpack_chunk(data, position)
        yield cell


def _unpack_chunk(data: bytes, position: int) -> tuple[CellSamples, int]:
    if len(data) - position < _HEADER.size:
        raise ValueError(f"a chunk header must have {_HEADER.size} bytes but only {len(data) - position} are left")
    magic, version, around, start, end, prev, following, index, own, count, size = _HEADER.unpack_from(data, position)
    if magic != _MAGIC:
        raise ValueError(f"a chunk must start with {_MAGIC!r} but got {magic!r}")
    if version != VERSION:
        raise WrongVersion(f"a chunk must be of version {VERSION} but got {version}; probe the video again")
    if count > MAX_SAMPLES_PER_CHUNK:
        raise ValueError(f"a chunk must have at most {MAX_SAMPLES_PER_CHUNK} samples but got {count}")
    packed_at = position + _HEADER.size
    inflate = zlib.decompressobj()
    try:
        columns = inflate.decompress(data[packed_at : packed_at + size], count * _BYTES_PER_SAMPLE + 1)
    except zlib.error as error:
        raise ValueError(f"the columns of cell {index} must be zlib but are not: {error}") from error
    if len(columns) != count * _BYTES_PER_SAMPLE or not inflate.eof or inflate.unused_data:
        raise ValueError(f"the columns of cell {index} must be {size} bytes that hold {count} samples but are not")
    cell = CellSamples(
        index=index,
        start_pts=start,
        end_pts=end,
        prev_pts=prev if around & 1 else None,
        next_pts=following if around & 2 else None,
        own=own,
        samples=_samples_of(columns, count),
    )
    return cell, packed_at + size


def _samples_of(columns: bytes, count: int) -> Samples:
    offset_steps, dts_steps, compositions = (_column("q", columns, count, row * 8 * count) for row in range(3))
    sizes = _column("I", columns, count, 24 * count)
    # The end of the sample before plus this one's step: a running sum over steps and sizes in turn.
    running = list(accumulate(value for pair in zip(offset_steps, sizes, strict=True) for value in pair))
    dts = array("q", accumulate(dts_steps))
    return Samples(
        offsets=array("q", running[::2]),
        sizes=sizes,
        dts=dts,
        pts=array("q", map(add, dts, compositions)),
        flags=_column("B", columns, count, 28 * count),
        descriptions=_column("B", columns, count, 29 * count),
    )


def pack_cells(cells: Sequence[Cell]) -> bytes:
    """The cell list, at most `MAX_CELL_LIST_BYTES`."""
    if not 0 < len(cells) <= MAX_CELLS:
        raise ValueError(f"a video must have 1 to {MAX_CELLS} cells but got {len(cells)}")
    first = cells[0]
    ends = [first.byte_start, *(cell.byte_end for cell in cells)]
    form = {
        "version": VERSION,
        "start_pts": first.start_pts,
        "table_offset": first.table_offset,
        "byte_start": first.byte_start,
        "columns": [
            [cell.end_pts - cell.start_pts for cell in cells],
            [cell.table_size for cell in cells],
            [cell.byte_start - end for cell, end in zip(cells, ends, strict=False)],
            [cell.byte_end - cell.byte_start for cell in cells],
            [cell.frames for cell in cells],
        ],
    }
    return zlib.compress(json.dumps(form, separators=(",", ":")).encode(), 9)


def unpack_cells(data: bytes) -> list[Cell]:
    """The cells that `pack_cells` packed.

    Raises:
        WrongVersion: a list of another version.
        ValueError: bytes that are no cell list.
    """
    try:
        form = json.loads(zlib.decompress(data))
    except zlib.error as error:
        raise ValueError(f"a cell list must be zlib but is not: {error}") from error
    if form["version"] != VERSION:
        raise WrongVersion(f"a cell list must be of version {VERSION} but got {form['version']}; probe the video again")
    start_pts, table_offset, byte_end = form["start_pts"], form["table_offset"], form["byte_start"]
    cells: list[Cell] = []
    for index, (ticks, table_size, gap, length, frames) in enumerate(zip(*form["columns"], strict=True)):
        byte_start = byte_end + gap
        byte_end = byte_start + length
        cells.append(Cell(index, start_pts, start_pts + ticks, table_offset, table_size, byte_start, byte_end, frames))
        start_pts += ticks
        table_offset += table_size
    return cells


def _steps(values: Iterable[int], before: Iterable[int]) -> array[int]:
    return array("q", map(sub, values, before))


def _little_endian(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _column(typecode: str, data: bytes, count: int, start: int) -> array[int]:
    column: array[int] = array(typecode)
    column.frombytes(data[start : start + count * column.itemsize])
    if sys.byteorder == "big":
        column.byteswap()
    return column
