"""Real detections of a real clip, and the tracks that were right for them when somebody last looked.

`bikes_detections.npz`: what nanodet-g finds in `bikes.mp4` (640 x 272, 250 frames, five cuts), every frame, scores from
0.2 on. Columns: `pts` i32, `timebase` [1, 12800], `frame_size` [width, height], `rows` u8 a frame; then for each row
its `labels` u8 (COCO-80), `scores` u16 in 1/65535, `boxes` u16 xyxy in 1/8 pixel.

A change that is meant to give other tracks writes `bikes_tracks.json` anew with `python -m tests.tracking.bikes`, and
its author looks at the difference.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gpu_batch.tracking import FrameRows, FrameTracks, TrackerParams, TrackFold, TrackSummary

HERE = Path(__file__).parent
GOLDEN_PATH = HERE / "bikes_tracks.json"
PARAMS = TrackerParams(score_high=0.48)


def read_bikes() -> tuple[list[FrameRows], TrackFold]:
    """The frames of the clip, and a fold that is ready for them."""
    with np.load(HERE / "bikes_detections.npz") as stored:
        column = dict(stored)
    ends = np.cumsum(column["rows"].astype(np.int64))
    frames = [
        FrameRows(
            pts=int(pts),
            ordinal=0,
            labels=column["labels"][end - count : end].astype(np.uint16),
            scores=column["scores"][end - count : end] / 65535,
            boxes=column["boxes"][end - count : end] / 8,
            key=index,
        )
        for index, (pts, end, count) in enumerate(zip(column["pts"], ends, column["rows"], strict=True))
    ]
    timebase = Fraction(*column["timebase"].tolist())
    width, height = column["frame_size"].tolist()
    return frames, TrackFold(PARAMS, width, height, timebase)


def describe(settled: list[FrameTracks], tracks: list[TrackSummary]) -> dict[str, Any]:
    """The golden's content: every track, and a digest of every id."""
    digest = hashlib.sha256(b"".join(done.ids.astype("<i8").tobytes() for done in settled))
    return {"ids_sha256": digest.hexdigest(), "tracks": [asdict(one) for one in tracks]}


def track_bikes() -> dict[str, Any]:
    """The clip's tracks as they are now."""
    frames, fold = read_bikes()
    settled = [done for frame in frames for done in fold.push(frame)]
    settled += fold.finish()
    return describe(settled, fold.closed_tracks())


if __name__ == "__main__":
    GOLDEN_PATH.write_text(json.dumps(track_bikes(), indent=1) + "\n")
