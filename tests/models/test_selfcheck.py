"""The comparison with the CPU: what counts as a match, and that it runs without a GPU."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpu_batch.models.detect import Rows
from gpu_batch.selfcheck import count_matches, main
from tests.models.paths import DEFAULT_MODELS, ROOT


def rows(label: int = 1, score: int = 6000, box: tuple[int, ...] = (160, 160, 320, 320)) -> list[Rows]:
    return [Rows(np.array([label], np.uint16), np.array([score], np.uint16), np.array([box], np.int32), False)]


@pytest.mark.parametrize(
    ("found", "matched"),
    [
        (rows(), 1),
        (rows(box=(176, 144, 320, 320)), 1),
        (rows(box=(177, 160, 320, 320)), 0),
        (rows(score=5800), 1),
        (rows(score=5799), 0),
        (rows(label=2), 0),
    ],
    ids=["the same", "1 px away", "further away", "0.02 less", "less than that", "another label"],
)
def test_a_match_is_within_a_pixel_and_two_hundredths(found: list[Rows], matched: int) -> None:
    assert count_matches(rows(), found) == (1, matched)


def test_boxes_near_the_floor_are_not_asked_for() -> None:
    assert count_matches(rows(score=5000), rows(score=100)) == (0, 0)


def test_it_runs_on_a_machine_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    video, model = ROOT / ".cache" / "videos" / "bikes.mp4", DEFAULT_MODELS / "ssdlite-mobilenet-v2"
    assert main([str(video), str(model), "--provider", "cpu", "--frames", "12"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["provider"], report["frames"]) == ("cpu", 12)
    assert report["matched_boxes"] == report["sure_boxes"] > 0
