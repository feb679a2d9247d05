"""Summary trees: what lies where in a job, so that a reader goes down only to what can match.

Two trees, written by the finish, in table `results` (contracts/table_keys.py). The leaves of one are the segments of
the job (their INDEX entries), those of the other its chunks of tracks; a count is one of detections, or of tracks. A
node says of up to 64 children, numbered from its own number times 64, when they are and what is in them. A node of
level 1 speaks of leaves, one of level 2 of nodes of level 1: two levels cover 4,096 leaves, three 262,144. The root
has a key of its own, whatever its level. A leaf that is missing (a segment that failed) has no entry.

An item: pk, sk, kind "NODE", `body`. Byte layout of a body (format 1, little-endian): a zlib stream of

    4s  magic "RST1"                         B   format = 1
    B   level                                H   number of children C
    B   number of models M, as in the job    B   1 = with track ids, else 0
    M × (H number of labels L, B 1 = coarse, then L × (H length, UTF-8 bytes)): names that occur, sorted
    C × I   number of the child
    C × q   start_pts: the first one, then each one's difference to the one before
    C × q   end_pts minus start_pts: everything in the child lies in [start_pts, end_pts)
    C × q   frames shown before the child; -1 = not known
    M × (C × I, C × I)   least and greatest track id of the model, 0 and 0 = none; only with track ids
    M × (L × C × I, L × C × H)   by label, then child: count; best score in ten-thousandths plus one, 0 = none

Columns are stored in planes, as in contracts/blocks.py. A coarse list of labels has one more, at its end and without a
name: it stands for every label that has no column of its own, added up. A node is made coarse when it would pass
32 KB: the labels that are in most children, for which the tree spares the least, lose their columns first.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from chalicelib.contracts.blocks import planes, unplane
from chalicelib.domain.media import Pts

FORMAT = 1
FAN_OUT = 64
MAX_NODE_BYTES = 32 * 1024
"""Packed: 4 read units at most, 8 when read consistently."""
NODES_KEPT = 64

Counted = dict[str, tuple[int, int]]
"""By label: how many, and best score in ten-thousandths."""

_HEADER = struct.Struct("<4sBBHBB")
_LABELS = struct.Struct("<HB")
_MAGIC = b"RST1"


class BadNode(ValueError):
    """The bytes are not a node of a format that this reader knows."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is in one leaf, or in all leaves below one node."""

    number: int
    start_pts: Pts
    end_pts: Pts
    """Exclusive."""
    frames_before: int | None
    """Shown; None when not known."""
    labels: tuple[Counted, ...]
    """By model of the job."""
    ids: tuple[tuple[int, int], ...] = ()
    """By model: least and greatest track id, (0, 0) = none; empty in a tree of segments."""

    def to_json(self) -> list[Any]:
        """Form for checkpoints."""
        return [self.number, self.start_pts, self.end_pts, self.frames_before, self.labels, self.ids]

    @staticmethod
    def from_json(form: Sequence[Any]) -> Summary:
        """The summary that `to_json` wrote."""
        number, start_pts, end_pts, frames_before, labels, ids = form
        counted = tuple({name: (pair[0], pair[1]) for name, pair in of_model.items()} for of_model in labels)
        return Summary(number, start_pts, end_pts, frames_before, counted, tuple((pair[0], pair[1]) for pair in ids))


class Child(NamedTuple):
    """A child that can hold what was asked for."""

    number: int
    start_pts: Pts
    end_pts: Pts
    frames_before: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reader looks for: for any of some models a label with at least a score, in a window of time."""

    models: tuple[int, ...]
    score_floors: tuple[int, ...]
    """For each model of the job."""
    labels: frozenset[str] | None = None
    from_pts: Pts | None = None
    to_pts: Pts | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """The columns of one model: those of `names`, and one more for all other labels when `is_coarse`."""

    names: tuple[str, ...]
    is_coarse: bool
    counts: array[int]
    bests: array[int]

    def columns(self, labels: frozenset[str] | None) -> list[int]:
        """Positions of the columns in which these labels are counted."""
        if labels is None:
            return list(range(len(self.names) + self.is_coarse))
        found = [position for position, name in enumerate(self.names) if name in labels]
        return [*found, len(self.names)] if self.is_coarse and len(found) < len(labels) else found


@dataclass(frozen=True, slots=True)
class Node:
    """A node, decoded; columns have an entry for each child."""

    level: int
    children: array[int]
    starts: array[int]
    ends: array[int]
    frames_before: array[int]
    models: tuple[_Labels, ...]
    ids: tuple[tuple[array[int], array[int]], ...]

    def find(self, wanted: Wanted) -> Iterator[Child]:
        """The children that can hold it, in order."""
        bests = [self._bests(model, wanted.labels) for model in wanted.models]
        floors = [wanted.score_floors[model] for model in wanted.models]
        for position, number in enumerate(self.children):
            if wanted.from_pts is not None and self.ends[position] <= wanted.from_pts:
                continue
            if wanted.to_pts is not None and self.starts[position] >= wanted.to_pts:
                continue
            # Bests are plus one.
            if any(best[position] > floor for best, floor in zip(bests, floors, strict=True)):
                yield self._child(position, number)

    def find_track(self, model: int, track_id: int) -> list[Child]:
        """The children that can hold this track, in order."""
        if model >= len(self.ids):
            return []
        ranges = enumerate(zip(*self.ids[model], strict=True))
        return [self._child(p, self.children[p]) for p, (least, greatest) in ranges if least <= track_id <= greatest]

    def counts(self, model: int, labels: frozenset[str] | None) -> list[int]:
        """For each child, how many of these labels; too many when the node is coarse."""
        columns = self.models[model]
        size = len(self.children)
        parts = [columns.counts[column * size : (column + 1) * size] for column in columns.columns(labels)]
        return [sum(of_child) for of_child in zip(*parts, strict=True)] if parts else [0] * size

    def _bests(self, model: int, labels: frozenset[str] | None) -> Sequence[int]:
        columns = self.models[model]
        size = len(self.children)
        parts = [columns.bests[column * size : (column + 1) * size] for column in columns.columns(labels)]
        if len(parts) == 1:
            return parts[0]
        return list(map(max, *parts)) if parts else [0] * size

    def _child(self, position: int, number: int) -> Child:
        before = self.frames_before[position]
        return Child(number, self.starts[position], self.ends[position], None if before < 0 else before)


def pack_node(level: int, children: Sequence[Summary], models: int) -> bytes:
    """A node of these children."""
    counted = [[child.labels[model] for child in children] for model in range(models)]
    kept = [_by_rarity(of_model) for of_model in counted]
    body = _pack(level, children, counted, kept)
    while len(body) > MAX_NODE_BYTES and any(kept):
        longest = max(kept, key=len)
        del longest[len(longest) // 2 :]
        body = _pack(level, children, counted, kept)
    return body


@lru_cache(maxsize=NODES_KEPT)
def unpack_node(packed: bytes) -> Node:
    """The columns of a node.

    Raises:
        BadNode: damaged bytes, or a format of a later version.
    """
    try:
        raw = zlib.decompress(packed)
        magic, version, level, size, models, has_ids = _HEADER.unpack_from(raw)
    except (zlib.error, struct.error) as error:
        raise BadNode(f"a node must be a zlib stream with a header but got {len(packed)} other bytes") from error
    if magic != _MAGIC or version != FORMAT:
        raise BadNode(f"a node must be of format {FORMAT} but got {magic!r} {version}; read it with a newer reelscan")
    reader = _Reader(raw, _HEADER.size)
    names = [reader.labels() for _ in range(models)]
    children = reader.column("I", size)
    starts = array("q", _sums(reader.column("q", size)))
    ends = array("q", map(int.__add__, starts, reader.column("q", size)))
    frames_before = reader.column("q", size)
    ids = tuple((reader.column("I", size), reader.column("I", size)) for _ in range(models if has_ids else 0))
    columns = [(reader.column("I", width * size), reader.column("H", width * size)) for _, _, width in names]
    of_models = tuple(
        _Labels(of_model, is_coarse, *pair) for (of_model, is_coarse, _), pair in zip(names, columns, strict=True)
    )
    reader.check_end()
    return Node(level, children, starts, ends, frames_before, of_models, ids)


class _Reader:
    """Takes a node's bytes apart."""

    def __init__(self, raw: bytes, offset: int) -> None:
        self._raw = raw
        self._offset = offset

    def labels(self) -> tuple[tuple[str, ...], bool, int]:
        """Names, whether there is a column for all others, number of columns."""
        count, is_coarse = _LABELS.unpack(self._take(_LABELS.size))
        names = []
        for _ in range(count):
            (length,) = struct.unpack("<H", self._take(2))
            names.append(self._take(length).decode())
        return tuple(names), bool(is_coarse), count + is_coarse

    def column(self, typecode: str, count: int) -> array[int]:
        """The next column."""
        return unplane(typecode, self._take(array(typecode).itemsize * count))

    def check_end(self) -> None:
        """Nothing may be left."""
        if self._offset != len(self._raw):
            raise BadNode(f"a node must be {self._offset} bytes long when unpacked but got {len(self._raw)}")

    def _take(self, size: int) -> bytes:
        taken = self._raw[self._offset : self._offset + size]
        if len(taken) != size:
            raise BadNode(f"a node must have {size} bytes at {self._offset} but got {len(taken)}")
        self._offset += size
        return taken


def _pack(
    level: int, children: Sequence[Summary], counted: Sequence[Sequence[Counted]], kept: Sequence[Sequence[str]]
) -> bytes:
    has_ids = any(child.ids for child in children)
    models = len(counted)
    heads, columns = [], []
    for of_model, of_kept in zip(counted, kept, strict=True):
        names, with_column = sorted(of_kept), set(of_kept)
        table = [[labels.get(name, (0, -1)) for labels in of_model] for name in names]
        others = [[pair for name, pair in labels.items() if name not in with_column] for labels in of_model]
        is_coarse = any(others)
        if is_coarse:
            table.append([(sum(n for n, _ in pairs), max((best for _, best in pairs), default=-1)) for pairs in others])
        encoded = [name.encode() for name in names]
        heads += [_LABELS.pack(len(names), is_coarse), *(struct.pack("<H", len(name)) + name for name in encoded)]
        columns.append(planes(array("I", [count for row in table for count, _ in row])))
        columns.append(planes(array("H", [best + 1 for row in table for _, best in row])))
    starts = [child.start_pts for child in children]
    parts = [
        _HEADER.pack(_MAGIC, FORMAT, level, len(children), models, has_ids),
        *heads,
        planes(array("I", [child.number for child in children])),
        planes(array("q", [start - before for start, before in zip(starts, [0, *starts], strict=False)])),
        planes(array("q", [child.end_pts - child.start_pts for child in children])),
        planes(array("q", [-1 if child.frames_before is None else child.frames_before for child in children])),
    ]
    for model in range(models if has_ids else 0):
        parts += [planes(array("I", [child.ids[model][bound] for child in children])) for bound in (0, 1)]
    return zlib.compress(b"".join([*parts, *columns]), 6)


def _by_rarity(counted: Sequence[Counted]) -> list[str]:
    """Labels, those in the fewest children first."""
    spread: dict[str, int] = {}
    for labels in counted:
        for name in labels:
            spread[name] = spread.get(name, 0) + 1
    return sorted(spread, key=lambda name: (spread[name], name))


def _sums(deltas: Iterable[int]) -> Iterator[int]:
    total = 0
    for delta in deltas:
        total += delta
        yield total
