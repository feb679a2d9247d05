"""Which row continues which track: ByteTrack's stages, on IoU widened by what the motion does not know."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpu_batch.tracking.assignment import assign
from gpu_batch.tracking.frames import FrameRows
from gpu_batch.tracking.motion import boxes_of, margins_of
from gpu_batch.tracking.params import TrackerParams
from gpu_batch.tracking.tracks import TrackTable

ALONE = -1

_Floats = NDArray[np.float64]
_Indices = NDArray[np.intp]
_Mask = NDArray[np.bool_]


def associate(tracks: TrackTable, may_take_low: _Mask, frame: FrameRows, params: TrackerParams) -> _Indices:
    """The row that continues each track, or ALONE; a row continues one track of its own label at most.

    First confirmed tracks take high rows, then those that are left take low rows, then tentative tracks take the high
    rows that are left. `tracks` are predicted to the time of the frame; those of `may_take_low` (T,) were seen well not
    long ago. A pair that passes its gate counts by what is above the gate, times the score of the row: a sure row wins
    against a doubtful one beside it.

    Source of the product: ByteTrack's `fuse_score`. There the gate sees it too, and low rows go by overlap alone.
    """
    row_of_track = np.full(len(tracks), ALONE, dtype=np.intp)
    is_real = (frame.boxes[:, 2:] > frame.boxes[:, :2]).all(axis=1)
    is_high = is_real & (frame.scores >= params.score_high)
    is_low = is_real & ~is_high & (frame.scores >= params.score_low)
    is_confirmed = tracks["is_confirmed"] == 1
    predicted, margins = boxes_of(tracks["motion"]), margins_of(tracks["motion"], params)

    def run_stage(track_mask: _Mask, row_mask: _Mask, gate: float) -> None:
        track_index, row_index = np.flatnonzero(track_mask), np.flatnonzero(row_mask)
        if not (track_index.size and row_index.size):
            return
        boxes = frame.boxes[row_index]
        likeness = overlap(predicted[track_index], boxes, margins[track_index])
        is_same_label = tracks["label"][track_index][:, None] == frame.labels[row_index]
        is_plausible = is_same_label & _have_like_heights(predicted[track_index], boxes, params.size_ratio_min)
        # The gate sees overlap alone: a doubtful row may stand where nothing surer does.
        worth = (likeness - gate) * frame.scores[row_index]
        chosen_tracks, chosen_rows = assign(np.where(is_plausible, worth, 0.0))
        row_of_track[track_index[chosen_tracks]] = row_index[chosen_rows]

    run_stage(is_confirmed, is_high, params.gate_high)
    run_stage(is_confirmed & may_take_low & (row_of_track == ALONE), is_low, params.gate_low)
    is_high[row_of_track[row_of_track != ALONE]] = False
    run_stage(~is_confirmed, is_high, params.gate_tentative)
    return row_of_track


def find_newcomers(frame: FrameRows, taken: _Indices, params: TrackerParams) -> _Indices:
    """The high rows that start tracks: those not taken, and not a second box around a thing that has one already.

    `taken` are the rows that continue a track.
    """
    is_free = (frame.boxes[:, 2:] > frame.boxes[:, :2]).all(axis=1) & (frame.scores >= params.score_high)
    is_free[taken] = False
    known = taken
    newcomers = []
    for row in np.flatnonzero(is_free):
        rivals = known[frame.labels[known] == frame.labels[row]]
        if not (overlap(frame.boxes[rivals], frame.boxes[row : row + 1]) > params.duplicate_iou).any():
            newcomers.append(row)
            known = np.append(known, row)
    return np.array(newcomers, dtype=np.intp)


def overlap(boxes: _Floats, others: _Floats, margins: _Floats | None = None) -> _Floats:
    """IoU of each of `boxes` (A, 4) with each of `others` (B, 4), as (A, B).

    `margins` (A, 2) are pixels by which a box, and the one it is compared with, are widened on each side.
    """
    extra = 0.0 if margins is None else 2.0 * margins[:, None, :]
    extent = boxes[:, None, 2:] - boxes[:, None, :2] + extra
    other_extent = others[None, :, 2:] - others[None, :, :2] + extra
    near = np.maximum(boxes[:, None, :2], others[None, :, :2])
    far = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared_extent = np.maximum(far - near + extra, 0.0)
    shared = shared_extent[..., 0] * shared_extent[..., 1]
    united = extent[..., 0] * extent[..., 1] + other_extent[..., 0] * other_extent[..., 1] - shared
    return np.asarray(shared / united, dtype=np.float64)


def _have_like_heights(boxes: _Floats, others: _Floats, ratio_min: float) -> _Mask:
    height = (boxes[:, 3] - boxes[:, 1])[:, None]
    other_height = (others[:, 3] - others[:, 1])[None, :]
    is_like: _Mask = np.minimum(height, other_height) >= ratio_min * np.maximum(height, other_height)
    return is_like
