"""Frames of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.demo.clips import make_clip, read_clip
from tools.demo.video import read_frames


def test_every_frame_comes_in_its_order(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    frames = list(read_frames(clip))
    assert len(frames) == 25
    assert all(np.array_equal(frame, image) for frame, (_, image) in zip(frames, read_clip(clip), strict=True))
