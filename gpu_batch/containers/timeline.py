"""Which frames of an MP4 track are shown, and when: its edit list applied as libav applies it.

Source: FFmpeg libavformat/mov.c, `mov_fix_index`; ISO/IEC 14496-12, section 8.6.6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpu_batch.containers.track import MAX_TICKS, Edit, Flags, Int64s, Track, TrackHeader


@dataclass(frozen=True, slots=True)
class Timeline:
    """Times of a track's samples after the edit list; int64 (samples,) ticks, in decode order."""

    dts: Int64s
    pts: Int64s
    is_shown: Flags


def apply_edits(track: Track) -> Timeline | None:
    """The timeline of a track with at most one real edit; None for more, or for times that cannot be trusted.

    Empty edits in front delay the start. Frames outside of the edit are decoded but not shown, and the first shown
    frame starts the edit, even when the edit begins between two frames.
    """
    # libav takes such durations for negative ones and repairs the times that follow.
    if int(np.max(track.durations)) >= 1 << 31:
        return None
    has_bytes = track.sizes > 0
    real = [edit for edit in track.edits if edit.media_time >= 0]
    if not real:
        return Timeline(track.dts, track.pts, has_bytes)
    if len(real) > 1 or track.edits[-1] is not real[0]:
        return None
    delay = sum(_rescale(edit, track) for edit in track.edits[:-1])
    duration = _rescale(real[0], track)
    is_inside = (track.pts >= real[0].media_time) & (track.pts < real[0].media_time + duration)
    is_shown = is_inside & has_bytes
    if not is_shown.any():
        return None
    # The edit's first frame in decode order is decoded at the edit's start; if no picture is displayed then, all move
    # to the front.
    shift = delay - int(track.dts[np.argmax(is_inside)])
    if abs(shift) > MAX_TICKS:
        return None
    inside = track.pts if is_inside.all() else track.pts[is_inside]
    shift -= max(0, _earliest(inside, shift) - delay)
    return Timeline(track.dts + shift, track.pts + shift, is_shown)


def delay_of_edits(header: TrackHeader) -> int | None:
    """Ticks by which an edit list moves the frames of fragments: libav reads no more of it for them.

    None when it is more than an empty edit, a real one, or the two in this order, or when it moves them too far.
    """
    edits = list(header.edits)
    delay = 0
    if edits and edits[0].media_time == -1:
        delay = _rescale(edits.pop(0), header)
    if len(edits) > 1 or any(edit.media_time < 0 for edit in edits):
        return None
    delay -= sum(edit.media_time for edit in edits)
    return delay if abs(delay) <= MAX_TICKS else None


def _earliest(pts: Int64s, shift: int) -> int:
    """The earliest of the PTS, moved by `shift`, as libav finds it, in decode order.

    One below zero gives way to the next, whatever that is.
    """
    earliest = int(np.min(pts)) + shift
    if earliest >= 0:
        return earliest
    last_negative = int(np.flatnonzero(pts < -shift)[-1])
    kept = pts[last_negative + 1 :]
    return (int(np.min(kept)) if len(kept) else int(pts[-1])) + shift


def _rescale(edit: Edit, track: Track | TrackHeader) -> int:
    """The edit's duration in ticks of the track, rounded to the nearest, halves up (libav's av_rescale)."""
    return (2 * edit.duration * track.timescale + track.movie_timescale) // (2 * track.movie_timescale)
