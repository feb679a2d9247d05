from __future__ import annotations

import pytest

from gpu_batch.tracking import TrackerParams


def test_json_round_trip_gives_equal_parameters() -> None:
    params = TrackerParams(score_high=0.47, lost_seconds=2.5, confirm_hits=2)
    assert TrackerParams.from_json(params.to_json()) == params


def test_what_is_left_out_has_its_default() -> None:
    assert TrackerParams.from_json('{"score_high": 0.5}') == TrackerParams(score_high=0.5)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[]", "JSON object"),
        ("{}", "score_high"),
        ('{"score_high": 0.5, "fps": 30}', "fps"),
        ('{"score_high": "0.5"}', "score_high"),
        ('{"score_high": true}', "score_high"),
        ('{"score_high": 0.5, "lost_seconds": -1}', "lost_seconds"),
        ('{"score_high": 0.5, "lost_seconds": NaN}', "lost_seconds"),
        ('{"score_high": 0.5, "gap_seconds": Infinity}', "gap_seconds"),
        ('{"score_high": 1.5}', "score_high"),
        ('{"score_high": 0.5, "confirm_hits": 2.5}', "confirm_hits"),
        ('{"score_high": 0.5, "confirm_hits": 0}', "confirm_hits"),
        ('{"score_high": 0.5, "confirm_hits": 6}', "confirm_frames"),
        ('{"score_high": 0.5, "measurement_noise": 0}', "measurement_noise"),
    ],
)
def test_bad_parameters_are_refused_by_name(text: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        TrackerParams.from_json(text)
