"""The fold itself: frames go in one by one, settled ids come out in the same order, a few frames later at most.

Numbering: ids are 1, 2, 3… in order of each track's first frame, rows of one frame in their order. A track counts from
its third row (`confirm_hits`), but its id holds from its first; so a frame is held back while one of its rows is on a
track that may still come to nothing, which is decided after `confirm_frames` frames. Such a track leaves 0 on its rows.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
from numpy.typing import NDArray

from gpu_batch.tracking.association import ALONE, associate, find_newcomers
from gpu_batch.tracking.frames import FrameRows, FrameTracks
from gpu_batch.tracking.motion import boxes_of, correct_motion, predict_motion, start_motion
from gpu_batch.tracking.params import TrackerParams
from gpu_batch.tracking.state import FoldState, PendingFrame, pack_state, unpack_state
from gpu_batch.tracking.tracks import TRACK_DTYPE, TrackSummary, TrackTable, summarise


class TrackFold:
    """Gives the detections of one video their track ids.

    Push every sampled frame, also those without rows: a frame without a thing says that it was not seen. `state()`
    between any two calls and `from_state()` in another process go on as if nothing had happened.
    """

    def __init__(self, params: TrackerParams, frame_width: int, frame_height: int, timebase: Fraction) -> None:
        if frame_width < 1 or frame_height < 1 or timebase <= 0:
            raise ValueError(
                f"frame size and timebase must be positive but got {frame_width} x {frame_height} and {timebase}"
            )
        self._adopt(params, FoldState(frame_width=frame_width, frame_height=frame_height, timebase=timebase))

    @classmethod
    def from_state(cls, params: TrackerParams, state: bytes) -> TrackFold:
        """The fold that wrote `state`, ready for its next frame.

        Raises:
            BadOrder: the bytes are no state of this version, or were made with other parameters.
        """
        fold = cls.__new__(cls)
        fold._adopt(params, unpack_state(state, params))
        return fold

    def state(self) -> bytes:
        """All that the fold knows, exactly; about 300 bytes for each live track."""
        return pack_state(self._state, self._params)

    def push(self, frame: FrameRows) -> list[FrameTracks]:
        """Take the next frame, and give back the frames that are now settled, in order.

        Raises:
            ValueError: the frame is not after the one before, by PTS and then ordinal.
        """
        state = self._state
        if state.last is not None and (frame.pts, frame.ordinal) <= state.last:
            raise ValueError(
                f"frames must come in order of (pts, ordinal) but {(frame.pts, frame.ordinal)} follows {state.last}"
            )
        if state.last is not None:
            seconds = float((frame.pts - state.last[0]) * state.timebase)
            state.live["motion"] = predict_motion(state.live["motion"], seconds, self._params)
        state.last = (frame.pts, frame.ordinal)
        self._end_expired(frame.pts)

        marks = np.zeros(len(frame.scores), dtype=np.int64)
        state.pending.append(PendingFrame(state.frame_count, frame.key, marks))
        taken = self._continue_tracks(frame, marks)
        self._start_tracks(frame, find_newcomers(frame, taken, self._params), marks)
        self._decide_tentative()
        state.frame_count += 1
        return self._release()

    def finish(self) -> list[FrameTracks]:
        """The frames that are still held back; every track ends here. The fold takes no more frames."""
        self._end(np.ones(len(self._state.live), dtype=bool))
        return self._release()

    def closed_tracks(self) -> list[TrackSummary]:
        """The tracks that ended since the last call, in the order of their ends; drain it to keep the state small.

        The order of all answers together does not depend on when they are asked for.
        """
        closed = self._state.closed
        unnumbered = np.flatnonzero(closed["track_id"] == 0)
        count = int(unnumbered[0]) if unnumbered.size else len(closed)
        self._state.closed = closed[count:]
        return summarise(closed[:count])

    def _adopt(self, params: TrackerParams, state: FoldState) -> None:
        self._params = params
        self._state = state
        # Whole ticks are compared, not seconds: no rounding decides over a track.
        self._lost_ticks = floor(Fraction(params.lost_seconds) / state.timebase)
        self._gap_ticks = floor(Fraction(params.gap_seconds) / state.timebase)
        self._low_ticks = floor(Fraction(params.low_seconds) / state.timebase)

    def _end_expired(self, pts: int) -> None:
        """End what was lost for too long, or has left the picture, before it can take a row."""
        live = self._state.live
        unseen_ticks = pts - live["last_pts"]
        is_lost = (unseen_ticks > self._lost_ticks) & (live["misses"] >= self._params.lost_frames)
        is_over = is_lost | (unseen_ticks > self._gap_ticks) | ((live["misses"] > 0) & self._is_outside(live))
        self._end(is_over)

    def _is_outside(self, tracks: TrackTable) -> NDArray[np.bool_]:
        boxes = boxes_of(tracks["motion"])
        centre = 0.5 * (boxes[:, :2] + boxes[:, 2:])
        size = np.array([self._state.frame_width, self._state.frame_height])
        is_outside: NDArray[np.bool_] = ((centre < 0) | (centre > size)).any(axis=1)
        return is_outside

    def _continue_tracks(self, frame: FrameRows, marks: NDArray[np.int64]) -> NDArray[np.intp]:
        """Give tracks their rows; the rows given."""
        live, params = self._state.live, self._params
        may_take_low = frame.pts - live["last_high_pts"] <= self._low_ticks
        row_of_track = associate(live, may_take_low, frame, params)
        hit = np.flatnonzero(row_of_track != ALONE)
        rows = row_of_track[hit]
        live["misses"] += 1
        if hit.size:
            scores = frame.scores[rows]
            is_high = scores >= params.score_high
            noise = np.where(is_high, 1.0, params.low_noise_factor)
            live["motion"][hit] = correct_motion(live["motion"][hit], frame.boxes[rows], noise, params)
            live["hits"][hit] += 1
            live["misses"][hit] = 0
            live["last_pts"][hit] = frame.pts
            live["last_ordinal"][hit] = frame.ordinal
            live["last_high_pts"][hit[is_high]] = frame.pts
            live["score_max"][hit] = np.maximum(live["score_max"][hit], scores)
            marks[rows] = np.where(live["track_id"][hit] > 0, live["track_id"][hit], -live["serial"][hit])
        return rows

    def _start_tracks(self, frame: FrameRows, rows: NDArray[np.intp], marks: NDArray[np.int64]) -> None:
        if not rows.size:
            return
        state = self._state
        started = np.zeros(len(rows), TRACK_DTYPE)
        started["serial"] = state.serial_count + 1 + np.arange(len(rows))
        started["label"] = frame.labels[rows]
        started["born_frame"] = state.frame_count
        started["hits"] = 1
        started["first_pts"] = started["last_pts"] = started["last_high_pts"] = frame.pts
        started["first_ordinal"] = started["last_ordinal"] = frame.ordinal
        started["score_max"] = frame.scores[rows]
        started["motion"] = start_motion(frame.boxes[rows], np.ones(len(rows)), self._params)
        marks[rows] = -started["serial"]
        state.serial_count += len(rows)
        state.live = np.concatenate([state.live, started])

    def _decide_tentative(self) -> None:
        live, params = self._state.live, self._params
        is_sure = live["score_max"] >= params.score_sure
        live["is_confirmed"][(live["hits"] >= params.confirm_hits) & is_sure] = 1
        age_frames = self._state.frame_count - live["born_frame"] + 1
        self._end((live["is_confirmed"] == 0) & (age_frames >= params.confirm_frames))

    def _end(self, mask: NDArray[np.bool_]) -> None:
        """Close confirmed tracks, and forget tentative ones together with their marks."""
        if not mask.any():
            return
        state = self._state
        is_confirmed = state.live["is_confirmed"] == 1
        forgotten_marks = -state.live["serial"][mask & ~is_confirmed]
        for frame in state.pending:
            frame.marks[np.isin(frame.marks, forgotten_marks)] = 0
        state.closed = np.concatenate([state.closed, state.live[mask & is_confirmed]])
        state.live = state.live[~mask]

    def _release(self) -> list[FrameTracks]:
        """The frames before the first one of any tentative track, their new tracks numbered."""
        state = self._state
        tentative_born = state.live["born_frame"][state.live["is_confirmed"] == 0]
        held_from = int(tentative_born[0]) if tentative_born.size else state.frame_count
        settled = []
        while state.pending and state.pending[0].frame_index < held_from:
            for mark in state.pending[0].marks:
                if mark < 0:
                    self._number(-int(mark))
            frame = state.pending.pop(0)
            settled.append(FrameTracks(frame.key, frame.marks))
        return settled

    def _number(self, serial: int) -> None:
        state = self._state
        state.track_count += 1
        for tracks in (state.live, state.closed):
            tracks["track_id"][tracks["serial"] == serial] = state.track_count
        for pending in state.pending:
            pending.marks[pending.marks == -serial] = state.track_count
