"""What the fold carries from frame to frame, and its bytes.

Layout, version 2, little-endian: `RSTF`, u16 version, u32 length of the header, the header, then arrays without
padding. Header: UTF-8 JSON with `params` (TrackerParams), `frame` [width, height], `timebase` [numerator, denominator],
`last` [pts, ordinal] or null, `frames`, `serials`, `tracks` (counts so far), `pending` [[frame index, key, rows], …],
`live` and `closed` (rows of the tables). Arrays: i64 marks of each pending frame in turn; the live table, then the
closed one, as rows of TRACK_DTYPE. No pickle: nothing in the bytes can run.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpu_batch.errors import BadOrder
from gpu_batch.tracking.frames import FrameKey
from gpu_batch.tracking.params import TrackerParams
from gpu_batch.tracking.tracks import TRACK_DTYPE, TrackTable, no_tracks

_MAGIC = b"RSTF"
# Counts changes of the layout, and of the rules too: a video half tracked by each would have the ids of neither.
_VERSION = 2
_PREFIX = struct.Struct("<4sHI")


@dataclass(slots=True)
class PendingFrame:
    """A frame whose ids are not settled."""

    frame_index: int
    """Count of frames pushed before it."""
    key: FrameKey
    marks: NDArray[np.int64]
    """(n,): a track's id; minus a track's serial while it has no id; 0 = on no track."""


@dataclass(slots=True)
class FoldState:
    """The fold between two frames; changed in place."""

    frame_width: int
    frame_height: int
    timebase: Fraction
    last: tuple[int, int] | None = None
    """PTS and ordinal of the last frame."""
    frame_count: int = 0
    serial_count: int = 0
    track_count: int = 0
    pending: list[PendingFrame] = field(default_factory=list)
    live: TrackTable = field(default_factory=no_tracks)
    closed: TrackTable = field(default_factory=no_tracks)
    """Tracks that ended and were not handed out yet."""


def pack_state(state: FoldState, params: TrackerParams) -> bytes:
    """The bytes of a state, in the current version; equal states give equal bytes."""
    header = {
        "params": json.loads(params.to_json()),
        "frame": [state.frame_width, state.frame_height],
        "timebase": [state.timebase.numerator, state.timebase.denominator],
        "last": state.last,
        "frames": state.frame_count,
        "serials": state.serial_count,
        "tracks": state.track_count,
        "pending": [[frame.frame_index, frame.key, len(frame.marks)] for frame in state.pending],
        "live": len(state.live),
        "closed": len(state.closed),
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    arrays = [frame.marks.astype("<i8").tobytes() for frame in state.pending]
    return b"".join(
        [_PREFIX.pack(_MAGIC, _VERSION, len(text)), text, *arrays, state.live.tobytes(), state.closed.tobytes()]
    )


def unpack_state(packed: bytes, params: TrackerParams) -> FoldState:
    """The state in the bytes.

    Raises:
        BadOrder: they are no state of this version, are cut short, or were made with other parameters.
    """
    if len(packed) < _PREFIX.size:
        raise BadOrder(f"tracker state must have at least {_PREFIX.size} bytes but got {len(packed)}", hint=_HINT)
    magic, version, header_bytes = _PREFIX.unpack_from(packed)
    if (magic, version) != (_MAGIC, _VERSION):
        raise BadOrder(
            f"tracker state must be {_MAGIC!r} version {_VERSION} but got {magic!r} version {version}", hint=_HINT
        )
    arrays_from = _PREFIX.size + header_bytes
    try:
        header = json.loads(packed[_PREFIX.size : arrays_from])
    except ValueError as error:
        raise BadOrder("tracker state must have a JSON header but it cannot be read", hint=_HINT) from error
    if header["params"] != json.loads(params.to_json()):
        raise BadOrder(
            "tracker state must be continued with the parameters it was made with, but they differ", hint=_HINT
        )
    lengths = [8 * rows for _, _, rows in header["pending"]]
    lengths += [TRACK_DTYPE.itemsize * header["live"], TRACK_DTYPE.itemsize * header["closed"]]
    if len(packed) - arrays_from != sum(lengths):
        raise BadOrder(
            f"tracker state must have {sum(lengths)} bytes of arrays but got {len(packed) - arrays_from}", hint=_HINT
        )

    ends = arrays_from + np.cumsum(lengths)
    *marks, live, closed = (packed[end - length : end] for end, length in zip(ends.tolist(), lengths, strict=True))
    return FoldState(
        frame_width=header["frame"][0],
        frame_height=header["frame"][1],
        timebase=Fraction(*header["timebase"]),
        last=None if header["last"] is None else (header["last"][0], header["last"][1]),
        frame_count=header["frames"],
        serial_count=header["serials"],
        track_count=header["tracks"],
        pending=[
            # Copies: arrays over bytes cannot be written to.
            PendingFrame(index, _to_key(key), np.frombuffer(piece, "<i8").astype(np.int64))
            for (index, key, _), piece in zip(header["pending"], marks, strict=True)
        ],
        live=np.frombuffer(live, TRACK_DTYPE).copy(),
        closed=np.frombuffer(closed, TRACK_DTYPE).copy(),
    )


_HINT = "Track the video again from its first frame"


def _to_key(stored: Any) -> FrameKey:
    """JSON has no tuples, and a list cannot be a key."""
    return tuple(stored) if isinstance(stored, list) else stored
