"""How an int8 model fares beside its fp32 form: what it finds, and what a run costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gpu_batch.compiler.accuracy import Agreement, Found, as_found, compare_found
from gpu_batch.compiler.refusal import QuantizationRefused
from gpu_batch.compiler.sample_frames import Clip
from gpu_batch.models.detect import to_rows
from gpu_batch.models.loader import Model

_TIMED_RUNS = 15


@dataclass(frozen=True, slots=True)
class ClipReport:
    """How a video's frames fared."""

    video: str
    frames: int
    agreement: Agreement
    """Of all int8 rows with the fp32 rows of the model's default score or a better one."""
    cpu_ms_fp32: float
    """Median CPU milliseconds of a run, on one thread."""
    cpu_ms_int8: float


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """What was done, and what it cost and brought."""

    calibrated_on: dict[str, int]
    """Frames by video."""
    judged_on: str
    clips: list[ClipReport]
    convolutions: int
    kept_in_fp32: list[str]
    """Convolutions, by the tensor that they make; the one that loses most comes first."""
    versions: dict[str, str]

    @property
    def ap_loss(self) -> float:
        """The AP50 that is lost on the video that loses most."""
        return worst_loss([clip.agreement for clip in self.clips])


def judge(clip: Clip, fp32: Model, int8: Model) -> ClipReport:
    """How the frames of a video fare, and what they cost."""
    agreement = compare_found(find_in(clip, int8), find_truth(clip, fp32))
    fp32_ms, int8_ms = _cpu_ms(clip, (fp32, int8))
    return ClipReport(clip.name, len(clip.frames), agreement, fp32_ms, int8_ms)


def find_truth(clip: Clip, fp32: Model) -> list[Found]:
    """What fp32 finds in each frame at its default score or above: what int8 is measured by."""
    return [found.at_least(fp32.manifest.score_default) for found in find_in(clip, fp32)]


def find_in(clip: Clip, model: Model) -> list[Found]:
    """All that a model finds in each frame."""
    found = []
    for frame in clip.frames:
        boxes, scores, labels = model.run(frame.pixels)
        found.append(as_found(to_rows(boxes[0], scores[0], labels[0], frame.size, *frame.shown)))
    return found


def worst_loss(agreements: Sequence[Agreement]) -> float:
    """The AP50 lost on the video that loses most. A video in which fp32 finds nothing says nothing.

    Raises:
        QuantizationRefused: fp32 finds nothing in any.
    """
    losses = [1 - one.ap50 for one in agreements if one.ap50 is not None]
    if not losses:
        raise QuantizationRefused("int8", ["fp32 must find something in the frames to judge by but finds nothing"])
    return max(losses)


def _cpu_ms(clip: Clip, models: Sequence[Model]) -> list[float]:
    """Median CPU milliseconds of a run of each, in turns: what else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in models]
    for _ in range(_TIMED_RUNS):
        for model, taken in zip(models, times, strict=True):
            start = time.process_time()
            model.run(clip.frames[0].pixels)
            taken.append((time.process_time() - start) * 1000)
    return [round(statistics.median(taken), 2) for taken in times]
