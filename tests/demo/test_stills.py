"""Which frames are worth looking at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from reelscan.reading import read_record
from reelscan.records import Detection
from tests.demo.clips import FRAME_TICKS, make_clip, read_clip
from tests.sdk.fake_service import make_detection
from tools.demo.stills import STILLS, Still, choose_stills, save_stills


def found(pts: int, track_id: int = 1) -> Detection:
    return read_record(Detection, make_detection(pts, track_id=track_id))


def test_the_fullest_frame_of_each_part_is_chosen() -> None:
    crowd = [found(3 * FRAME_TICKS, track_id=n) for n in range(1, 4)]
    alone = [found(5 * FRAME_TICKS), found(20 * FRAME_TICKS)]
    assert choose_stills([*crowd, *alone], 1.0) == [Still(3, 0.12), Still(20, 0.8)]


def test_there_are_only_a_few_stills() -> None:
    assert len(choose_stills([found(n * FRAME_TICKS) for n in range(25)], 1.0)) == STILLS


def test_frames_without_a_number_are_passed_over() -> None:
    assert choose_stills([replace(found(0), frame_index=None)], 1.0) == []


def test_a_still_is_the_frame_of_its_number(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    (path,) = save_stills(clip, "clip", [Still(7, 0.28)], tmp_path)
    assert path.name == "clip-at-00.280s.png"
    assert np.array_equal(np.asarray(Image.open(path)), read_clip(clip)[7][1])


def test_stills_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    save_stills(clip, "clip", [Still(1, 0.04)], tmp_path)
    save_stills(clip, "clip", [Still(2, 0.08)], tmp_path)
    assert [path.name for path in sorted(tmp_path.glob("*.png"))] == ["clip-at-00.080s.png"]
