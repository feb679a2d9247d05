from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gpu_batch.tracking import TrackerParams
from gpu_batch.tracking.motion import boxes_of, correct_motion, margins_of, predict_motion, start_motion

PARAMS = TrackerParams(score_high=0.5)
PLAIN = np.ones(1)


def box_at(seconds: float) -> np.ndarray:
    """A thing of 40 x 100 pixels that goes 120 pixels a second to the right."""
    return np.array([[100 + 120 * seconds, 50, 140 + 120 * seconds, 150]])


def follow(times: list[float]) -> np.ndarray:
    motion = start_motion(box_at(times[0]), PLAIN, PARAMS)
    for before, now in pairwise(times):
        motion = correct_motion(predict_motion(motion, now - before, PARAMS), box_at(now), PLAIN, PARAMS)
    return motion


def test_a_step_of_no_time_changes_nothing() -> None:
    motion = follow([0.0, 0.1, 0.2])
    assert predict_motion(motion, 0.0, PARAMS).tobytes() == motion.tobytes()


@pytest.mark.parametrize(
    "times", [[i / 25 for i in range(50)], [0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 0.04, 0.5, 0.54, 1.4, 2.0]]
)
def test_speed_is_learned_at_any_frame_rate(times: list[float]) -> None:
    ahead = predict_motion(follow(times), 0.2, PARAMS)
    assert boxes_of(ahead)[0] == pytest.approx(box_at(times[-1] + 0.2)[0], abs=6)


def test_margin_grows_with_time_out_of_sight_up_to_its_limit() -> None:
    motion = follow([i / 25 for i in range(25)])
    margins = [
        float(margins_of(predict_motion(motion, seconds, PARAMS), PARAMS)[0, 0]) for seconds in (0.04, 0.4, 1.0, 9.0)
    ]
    assert margins == sorted(margins)
    assert margins[0] < 5
    assert margins[-1] == pytest.approx(PARAMS.margin_limit * 100, rel=0.05)


def test_a_shrinking_box_never_turns_inside_out() -> None:
    motion = start_motion(np.array([[0.0, 0.0, 80.0, 80.0]]), PLAIN, PARAMS)
    motion = correct_motion(predict_motion(motion, 0.1, PARAMS), np.array([[39.0, 39.0, 41.0, 41.0]]), PLAIN, PARAMS)
    box = boxes_of(predict_motion(motion, 5.0, PARAMS))[0]
    assert box[2] - box[0] >= 1
    assert box[3] - box[1] >= 1
