"""Quotes for videos that nobody uploaded: the service's own cost model over stated work (docs/costs.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from bench.paths import DEFAULT_MODELS
from chalicelib.domain.costs import (
    BOOT_SECONDS,
    VCPUS_BY_LANE,
    Parts,
    effort_of_children,
    effort_of_finish,
    effort_of_probe,
    effort_of_segments,
    price,
    seconds_to_finish,
)
from chalicelib.domain.models import Manifest, input_size, manifest_from_json
from chalicelib.domain.prices import NANO, UnitPrices
from chalicelib.domain.rates import Rates
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import default_seconds_of
from chalicelib.domain.units import Lane
from chalicelib.domain.work import ModelWork, Work, count_decoded, count_sampled

WIDTH, HEIGHT, FRAMES_PER_SECOND = 1920, 1080, 30
KEYFRAME_SECONDS = 2.0
CELL_SECONDS = 20.0
RATES = Rates()
"""The stated ones: measured on this project's machines, not by a tenant's jobs (`domain/rates.py`)."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one analysis."""

    parts: Parts
    """By what it is paid for, probe and finish included; machines from the moment that they work."""
    boot_usd: float
    """Of machines while they boot and fetch the image, when none is warm."""
    seconds: float
    """From the start to the end, when none is warm."""

    @property
    def usd(self) -> float:
        """Without the boot."""
        return self.parts.total / NANO


def default_manifest(name: str) -> Manifest:
    """Of a model that ships with the project."""
    return manifest_from_json(json.loads((DEFAULT_MODELS / name / "manifest.json").read_text()))


def work_of(minutes: float, models: Sequence[Manifest], sampling: Sampling, lane: Lane, children: int) -> Work:
    """1080p H.264 at 30 frames a second, a keyframe each two seconds."""
    seconds = minutes * 60
    frames, keyframes = seconds * FRAMES_PER_SECOND, seconds / KEYFRAME_SECONDS
    looked_at = count_sampled(sampling, frames, seconds, keyframes)
    segment_seconds = float(default_seconds_of(Fraction(seconds)))
    segments = ceil(seconds / segment_seconds)
    sizes = [input_size(manifest, WIDTH, HEIGHT) for manifest in models]
    return Work(
        lane=lane,
        codec="h264",
        sampling=sampling.kind,
        pixels=WIDTH * HEIGHT,
        children=min(segments, children),
        segments=segments,
        cells=ceil(seconds / min(CELL_SECONDS, segment_seconds)),
        frames_decoded=count_decoded(sampling, frames, seconds, keyframes),
        models=tuple(
            ModelWork(manifest.sha256, size.input_w * size.input_h, looked_at)
            for manifest, size in zip(models, sizes, strict=True)
        ),
        frames=looked_at,
    )


def costs_of(work: Work, prices: UnitPrices, *, is_spot: bool) -> Costs:
    """Dollars and seconds of all of it."""
    efforts = [
        effort_of_probe(RATES),
        effort_of_children(work, RATES),
        effort_of_segments(work, RATES),
        effort_of_finish(work, RATES),
    ]
    parts = Parts()
    for effort in efforts:
        parts += price(effort, prices, is_spot=is_spot)
    return Costs(parts, boot_usd(work, prices, is_spot=is_spot), seconds_of(work))


def boot_usd(work: Work, prices: UnitPrices, *, is_spot: bool) -> float:
    """Machines are paid for from their launch: one for each child, and one for the probe and the finish."""
    vcpu = prices.vcpu_second_spot if is_spot else prices.vcpu_second
    gpu = prices.gpu_second_spot if is_spot else prices.gpu_second
    cpu_machine = BOOT_SECONDS[Lane.CPU] * VCPUS_BY_LANE[Lane.CPU] * vcpu
    if work.lane is Lane.GPU:
        return (cpu_machine + work.children * BOOT_SECONDS[Lane.GPU] * gpu) / NANO
    return (1 + work.children) * cpu_machine / NANO


def seconds_of(work: Work) -> float:
    """From the request to the last result."""
    machines = max(1, work.children)
    return seconds_to_finish(work, RATES, has_probe=True, machines=machines, boot_seconds=BOOT_SECONDS)
