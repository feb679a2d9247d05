"""The comparison with the CPU: what counts as a match, and that it runs without a GPU."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from onnxruntime import get_available_providers

from gpu_batch.models.detect import Rows
from gpu_batch.models.providers import CUDA
from gpu_batch.selfcheck import count_matches, main
from gpu_batch.selfcheck_report import Report
from tests.models.paths import DEFAULT_MODELS, ROOT

VIDEO, MODEL = ROOT / ".cache" / "videos" / "bikes.mp4", DEFAULT_MODELS / "ssdlite-mobilenet-v2"


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
    assert main([str(VIDEO), str(MODEL), "--provider", "cpu", "--frames", "12"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["provider"], report["frames"], report["failures"]) == ("cpu", 12, [])
    assert report["matched_boxes"] == report["sure_boxes"] > 0
    assert (report["frames_in_place"], report["inputs_compared"], report["levels_apart"]) == (12, 4, 0)


def a_report(**changes: object) -> Report:
    sound = Report(
        asked="cuda",
        provider="cuda",
        provider_reason="CUDA is there",
        decoder_reason="libav opened a CUDA device",
        is_decoded_on_gpu=True,
        frames=200,
        frames_answered=200,
        frames_in_place=200,
        inputs_compared=11,
        levels_apart=0,
        levels_allowed=0,
        sure_boxes=300,
        matched_boxes=300,
        decode_fps=900.0,
        decode_side_by_side_fps=1800.0,
        first_frame_ms=20.0,
        resize_fps=4000.0,
        inference_fps=2000.0,
        whole_fps=800.0,
    )
    return replace(sound, **changes)  # type: ignore[arg-type]


def test_a_sound_gpu_has_no_failures() -> None:
    assert a_report().find_failures() == []


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"provider": "cpu"}, "the provider must be cuda but is cpu"),
        ({"frames_answered": 199}, "200 frames were decoded but 199 answered"),
        ({"frames_in_place": 0}, "the GPU decodes but no frame stays in its memory"),
        ({"levels_apart": 1}, "an input is 1 levels from the host's"),
        ({"sure_boxes": 0, "matched_boxes": 0}, "the CPU finds no sure box to compare with"),
        ({"matched_boxes": 298}, "2 sure boxes have no match"),
    ],
)
def test_what_is_broken_is_said_in_words(changes: dict[str, object], failure: str) -> None:
    assert a_report(**changes).find_failures() == [failure]


@pytest.mark.skipif(CUDA in get_available_providers(), reason="this machine has CUDA")
def test_a_machine_without_the_provider_that_is_asked_for_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(VIDEO), str(MODEL), "--provider", "cuda", "--frames", "2"]) == 1
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "the provider must be cuda but is cpu" in report["failures"]
