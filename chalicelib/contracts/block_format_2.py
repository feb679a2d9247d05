"""Block format 2: rows along chains (`chains.py`), as differences; see `blocks` for what the columns mean.

A zlib stream of the header (`block_columns.HEADER`, format = 2) and, little-endian,

    H   step of scores                       H   best score, in steps
    B   step of boxes, as a power of two     B   columns of boxes in a word, 2 or 4: how a reader should sum them
    5 × B   planes of the score column and of the four columns of boxes
    I   number of runs N                     I   number of exchanges X
    L × (H length, UTF-8 bytes)              label names that occur in this block, sorted
    pts, ranks, ordinals, flags              F numbers each, as in `progressions`
    L × I   number of rows of each label     ┐ in planes; a run is a part of a chain in consecutive frames; runs come
    N × i   frame: difference to the end of  │ chain by chain, label by label
            the run before                   │
    N × H   number of frames                 ┘
    R × …   score below the best, in steps   ┐ row by row along the runs: the difference to the row before, whatever run
    R × …   x1, then y1, x2, y2, in steps    ┘ that is in, as one to three digits of -128 to 127; first come the planes
                                             of least digits of all five columns, then those of the others; a byte is a
                                             digit plus 128
    X × I   exchanges (see below), in planes

The rows along the runs become those of the block when they are sorted by (frame, score descending, label), and rows
that are equal in all three stay in the order of the runs; then for each exchange, in order, that row and the one after
it change places. So any chains and any order of rows in a frame can be stored. Values that do not fit (negative boxes,
more than `MAX_FRAMES` frames, no row at all) are left to format 1.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, chain, repeat, starmap
from math import gcd
from operator import add, itemgetter, sub
from typing import NamedTuple

from chalicelib.contracts.block_columns import (
    HEADER,
    MAGIC,
    BadBlock,
    Block,
    deltas,
    pack_labels,
    planes,
    unpack_labels,
    unplane,
)
from chalicelib.contracts.chains import find_chains
from chalicelib.contracts.progressions import pack_progressions, unpack_progressions
from chalicelib.contracts.words import Differences, every_field, ramp, running_sums

FORMAT = 2
MAX_FRAMES = 0x7F00
MAX_ROWS = 0xFFFF
MAX_BOX_SHIFT = 5
"""Of what is written: the coarsest step that a worker rounds to. Readers take any."""
_SHAPE = struct.Struct("<HHBB5BII")
_HALF_BY_PLANES = (0, 0x80, 0x8080, 0x808080)
"""What makes every digit of a difference positive."""
_FIRST_FRAME = 0x10
"""Of keys, see `_sort_rows`."""
_DOUBLE = 8


def pack(block: Block) -> bytes | None:
    """The block as bytes; None when its values do not fit into this format."""
    sides = (block.x1, block.y1, block.x2, block.y2)
    if not block.row_labels or len(block.pts) > MAX_FRAMES or len(block.row_labels) > MAX_ROWS:
        return None
    if min(map(min, sides)) < 0:
        return None
    chains = find_chains(block)
    order = list(chain.from_iterable(chains))
    frames = list(chain.from_iterable(starmap(repeat, enumerate(block.counts))))
    score_step = gcd(*block.row_scores) or 1
    top = max(block.row_scores) // score_step
    drops = [top - score // score_step for score in block.row_scores]
    shift = _common_shift(sides)
    columns = [list(deltas([drops[row] for row in order]))]
    columns += [list(deltas([side[row] >> shift for row in order])) for side in sides]
    widths = [_planes_needed(column) for column in columns]
    if max(widths) >= len(_HALF_BY_PLANES) or widths[0] > 2 or max(drops) > 0x7FFF:
        return None
    fields = 4 if max(map(max, sides)) <= 0xFFFF and max(block.y2) <= 0x7FEF and max(widths) <= 2 else 2
    runs = _cut_runs(chains, frames)
    rows_by_label = [0] * len(block.labels)
    for label in block.row_labels:
        rows_by_label[label] += 1
    exchanges = _find_exchanges(order, [(frames[row], drops[row], block.row_labels[row]) for row in order])
    try:
        frame_columns = [pack_progressions(column) for column in (block.pts, block.ranks, block.ordinals, block.flags)]
    except OverflowError:
        return None
    run_columns = [array("I", rows_by_label), array("i", runs.steps), array("H", runs.lengths)]
    parts = [
        HEADER.pack(
            MAGIC,
            FORMAT,
            0,
            len(block.labels),
            block.timebase.numerator,
            block.timebase.denominator,
            len(block.pts),
            len(block.row_labels),
        ),
        _SHAPE.pack(score_step, top, shift, fields, *widths, len(runs.steps), len(exchanges)),
        pack_labels(block.labels),
        *frame_columns,
        *map(planes, run_columns),
    ]
    digits = [_digit_planes(column, width) for column, width in zip(columns, widths, strict=True)]
    least = [column[0] for column in digits if column]
    others = [plane for column in digits for plane in column[1:]]
    return _compress([b"".join(parts), *least, b"".join(others), planes(array("I", exchanges))])


def read(raw: bytes, label_count: int, timebase: Fraction, frames: int, rows: int) -> Block:
    """The columns of an unpacked block.

    Raises:
        BadBlock, struct.error, ValueError, ArithmeticError, IndexError: they are not as the header says.
    """
    if frames > MAX_FRAMES or rows > MAX_ROWS:
        raise BadBlock(f"a block of format 2 must have at most {MAX_FRAMES} frames and {MAX_ROWS} rows")
    score_step, top, shift, fields, *widths, run_count, exchange_count = _SHAPE.unpack_from(raw, HEADER.size)
    labels, offset = unpack_labels(raw, HEADER.size + _SHAPE.size, label_count)
    pts, offset = unpack_progressions("q", raw, offset, frames)
    ranks, offset = unpack_progressions("I", raw, offset, frames)
    ordinals, offset = unpack_progressions("H", raw, offset, frames)
    flags, offset = unpack_progressions("B", raw, offset, frames)
    columns = []
    for typecode, count in (("I", label_count), ("i", run_count), ("H", run_count)):
        end = offset + array(typecode).itemsize * count
        columns.append(unplane(typecode, raw[offset:end]))
        offset = end
    rows_by_label, run_steps, run_lengths = columns
    if len(raw) != offset + sum(widths) * rows + 4 * exchange_count:
        raise BadBlock(f"a block must be as long as its header says but has {len(raw)} bytes when unpacked")
    ends = list(accumulate(map(add, run_steps, run_lengths)))
    starts = list(map(sub, ends, run_lengths))
    if sum(run_lengths) != rows or sum(rows_by_label) != rows or len(run_lengths) != run_count:
        raise BadBlock(f"the runs of a block must hold its {rows} rows")
    if min(starts) < 0 or max(ends) > frames or fields not in (2, 4):
        raise BadBlock(f"runs must lie in {frames} frames but reach from {min(starts)} to {max(ends)}")

    digits = _find_digits(raw, offset, widths, rows)
    exchanges = unplane("I", raw[offset + sum(widths) * rows :])
    differences = [_to_differences("H", digits[:1], rows, 0)]
    differences += [_to_differences("Q", digits[first : first + fields], rows, shift) for first in range(1, 5, fields)]
    drops, *boxes = running_sums(differences, rows)
    order, row_labels, drops = _sort_rows(starts, ends, rows_by_label, drops, exchanges)
    scores = (every_field(top, rows, 2) - int.from_bytes(drops.tobytes(), "little")) * score_step
    pick = itemgetter(*order.tolist()) if rows > 1 else tuple
    x1, y1, x2, y2 = (column for words in boxes for column in _split_boxes(words, pick, fields))
    return Block(
        timebase,
        labels,
        pts,
        ordinals,
        ranks,
        _count_rows(starts, ends, frames),
        flags,
        row_labels,
        array("H", scores.to_bytes(2 * rows, "little")),
        x1,
        y1,
        x2,
        y2,
    )


class _Runs(NamedTuple):
    steps: Sequence[int]
    lengths: Sequence[int]


def _cut_runs(chains: Sequence[Sequence[int]], frames: Sequence[int]) -> _Runs:
    steps: list[int] = []
    lengths: list[int] = []
    end = 0
    for rows in chains:
        is_new = True
        for row in rows:
            frame = frames[row]
            if is_new or frame != end:
                steps.append(frame - end)
                lengths.append(0)
            lengths[-1] += 1
            end, is_new = frame + 1, False
    return _Runs(steps, lengths)


def _find_exchanges(order: Sequence[int], keys: Sequence[tuple[int, int, int]]) -> list[int]:
    """What a reader must exchange after its sort to have the rows in their order."""
    places = [order[position] for position in sorted(range(len(order)), key=keys.__getitem__)]
    exchanges: list[int] = []
    # Frames are in order, so a row moves within its own; nearly always it is where it belongs.
    for position in range(1, len(places)):
        place = position
        while place and places[place - 1] > places[place]:
            place -= 1
            places[place], places[place + 1] = places[place + 1], places[place]
            exchanges.append(place)
    return exchanges


def _common_shift(sides: Iterable[Sequence[int]]) -> int:
    bits = 1 << MAX_BOX_SHIFT
    for side in sides:
        bits |= gcd(*side)
    return (bits & -bits).bit_length() - 1


def _planes_needed(column: Sequence[int]) -> int:
    least, most = min(column), max(column)
    for width, half in enumerate(_HALF_BY_PLANES):
        if least >= -half and most + half < 1 << (8 * width):
            return width
    return len(_HALF_BY_PLANES)


def _digit_planes(column: Sequence[int], width: int) -> list[bytes]:
    half = _HALF_BY_PLANES[width]
    raw = array("I", [value + half for value in column]).tobytes()
    return [raw[plane::4] for plane in range(width)]


def _compress(parts: Iterable[bytes]) -> bytes:
    """A zlib stream in which each part has a code of its own."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    packed = [piece for part in parts if part for piece in (packer.compress(part), packer.flush(zlib.Z_BLOCK))]
    return b"".join([*packed, packer.flush()])


def _find_digits(raw: bytes, offset: int, widths: Sequence[int], rows: int) -> list[list[bytes]]:
    """The planes of each column of rows, least digit first."""
    places = [(column, 0) for column, width in enumerate(widths) if width]
    places += [(column, plane) for column, width in enumerate(widths) for plane in range(1, width)]
    digits: list[list[bytes]] = [[] for _ in widths]
    for number, (column, _) in enumerate(places):
        digits[column].append(raw[offset + number * rows : offset + (number + 1) * rows])
    return digits


def _to_differences(typecode: str, columns: Sequence[Sequence[bytes]], rows: int, shift: int) -> Differences:
    """Columns side by side in fields of a word; the least digits lie in the least bytes."""
    size = array(typecode).itemsize
    part = size // len(columns)
    raw = bytearray(size * rows)
    bias = 0
    for number, digits in enumerate(columns):
        bias += _HALF_BY_PLANES[len(digits)] << (8 * part * number)
        for plane, column in enumerate(digits):
            raw[part * number + plane :: size] = column
    return Differences(typecode, raw, bias, shift)


def _sort_rows(
    starts: Sequence[int],
    ends: Sequence[int],
    rows_by_label: Sequence[int],
    drops: array[int],
    exchanges: Iterable[int],
) -> tuple[array[int], array[int], array[int]]:
    """Where along the runs each row of the block is; and, in the order of the block, labels and drops."""
    # A key is a word of four fields, from the least: the position along the runs, label, drop, frame. Keys are sorted
    # as if they were floats, which have the same order and are compared far faster than long integers. The frame is on
    # top and counted from 16, so these are normal numbers and never infinite.
    numbers = ramp()
    keys = array("H", bytes(_DOUBLE * len(drops)))
    keys[0::4] = array("H", numbers[: 2 * len(drops)])
    labels = [array("H", [label]) * count for label, count in enumerate(rows_by_label)]
    keys[1::4] = array("H", b"".join(labels))
    keys[2::4] = drops
    places = ([2 * (frame + _FIRST_FRAME) for frame in bounds] for bounds in (starts, ends))
    frames = map(slice, *places)
    keys[3::4] = array("H", b"".join(map(numbers.__getitem__, frames)))
    ordered = sorted(array("d", keys.tobytes()))
    for row in exchanges:
        ordered[row], ordered[row + 1] = ordered[row + 1], ordered[row]
    keys = array("H", _pack_doubles(ordered))
    return keys[0::4], keys[1::4], keys[2::4]


def _split_boxes(words: array[int], pick: Callable[[list[float]], Collection[float]], fields: int) -> list[array[int]]:
    """The columns that make these words, in the order of the block, in sixteenths of a pixel."""
    # As floats only because these are the objects that Python makes and unmakes fastest.
    picked = _pack_doubles(pick(array("d", words.tobytes()).tolist()))
    if fields == 2:
        sides = array("i", picked)
        return [sides[0::2], sides[1::2]]
    halves = array("H", picked)
    columns = []
    for number in range(fields):
        wide = array("H", bytes(4 * len(words)))
        wide[0::2] = halves[number::4]
        columns.append(array("i", wide.tobytes()))
    return columns


def _pack_doubles(numbers: Collection[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


def _count_rows(starts: Sequence[int], ends: Sequence[int], frames: int) -> array[int]:
    """How many of the runs hold each frame."""
    changes = [0] * (frames + 1)
    for start in starts:
        changes[start] += 1
    for end in ends:
        changes[end] -= 1
    return array("H", list(accumulate(changes))[:-1])
