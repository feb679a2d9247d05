"""Which convolutions stay in fp32: those that lose most, and as few as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx

from chalicelib.domain.models import Manifest
from gpu_batch.compiler.accuracy import compare_found
from gpu_batch.compiler.int8_graph import Int8Candidates
from gpu_batch.compiler.int8_report import find_in, find_truth, worst_loss
from gpu_batch.compiler.model_folder import digest_of
from gpu_batch.compiler.refusal import ModelRefused, QuantizationRefused
from gpu_batch.compiler.sample_frames import Clip, SampleFrame
from gpu_batch.models.loader import Model, load

KEPT_COUNTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)
"""How many convolutions are tried to be kept in fp32; never more than half of them."""
RANKING_FRAMES = 3
"""Of each video: what the convolutions are ranked on, each quantised alone."""


def keep_what_loses_most(
    candidates: Int8Candidates, fp32: Model, calibration: Sequence[Clip], max_loss: float
) -> tuple[list[str], Model]:
    """The fewest convolutions that must stay in fp32, and the int8 model without them.

    Where no number of them loses as little as `max_loss`, the best of those tried.
    """
    truths = [find_truth(clip, fp32) for clip in calibration]
    if not any(len(one.scores) for truth in truths for one in truth):
        raise QuantizationRefused("int8", [f"{fp32.manifest.name} must find something in the frames but finds nothing"])
    ranked: list[str] = []
    best: tuple[float, list[str], Model] | None = None
    for count in (count for count in KEPT_COUNTS if 2 * count <= len(candidates.convolutions)):
        # Ranking takes longest, and a model that loses little does without.
        ranked = ranked if ranked or not count else _rank(candidates, fp32, calibration)
        kept = ranked[:count]
        int8 = _open(candidates.make(without=kept), fp32.manifest)
        loss = worst_loss(
            [compare_found(find_in(clip, int8), truth) for clip, truth in zip(calibration, truths, strict=True)]
        )
        if best is None or loss < best[0]:
            best = loss, kept, int8
        if loss <= max_loss:
            break
    assert best is not None
    return best[1], best[2]


def _rank(candidates: Int8Candidates, fp32: Model, calibration: Sequence[Clip]) -> list[str]:
    """The convolutions, the one first that moves the scores most when it alone is in int8."""
    frames = [frame.pixels for clip in calibration for frame in _spread(clip)]
    expected = [fp32.run(pixels)[1] for pixels in frames]

    def error(convolution: str) -> float:
        int8 = _open(candidates.make_only(convolution), fp32.manifest)
        return sum(
            float(np.square(int8.run(pixels)[1] - scores).sum())
            for pixels, scores in zip(frames, expected, strict=True)
        )

    return sorted(candidates.convolutions, key=error, reverse=True)


def _spread(clip: Clip) -> Sequence[SampleFrame]:
    return clip.frames[:: -(-len(clip.frames) // RANKING_FRAMES)]


def _open(model: onnx.ModelProto, manifest: Manifest) -> Model:
    """The int8 model as the worker opens it, under the name that it gets."""
    try:
        named = replace(
            manifest,
            name=f"{manifest.name}-int8",
            sha256=digest_of(model),
            adapter="gpu_batch.compiler quantize",
            source=f"{manifest.source}; quantised to int8",
        )
    except ValueError as error:
        raise ModelRefused("the manifest", [str(error)]) from error
    return load(named, model.SerializeToString(deterministic=True), provider_class="cpu")
