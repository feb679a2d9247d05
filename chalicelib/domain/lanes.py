"""Which work goes to the fast lane: a function that runs the worker at once, where a machine of Batch must boot first.

A function has 15 minutes, 10,240 MB of memory and as much of /tmp. Ours has the memory of a child of the cpu lane, so
that what fits there fits here, and takes only what is done in a fifteenth of its time by the stated rates: on a machine
that is half as fast, a model that is seven times as heavy as stated still ends in time. What does not is drained a
minute before the function's end and goes on in the cpu lane; so does whatever ended badly. Nothing comes to the fast
lane twice.

The choice depends on what is analysed and on nothing that changes: where a deployment analyses on GPUs, work of the
fast lane has blocks of its own, and the same job must find the same ones tomorrow.

Source: docs/decisions/0024, docs/performance.md; https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain.costs import (
    effort_of_children,
    effort_of_finish,
    effort_of_rendition,
    effort_of_segments,
    effort_of_side_step,
)
from chalicelib.domain.model_versions import Trial
from chalicelib.domain.rates import Rates
from chalicelib.domain.units import Lane, UnitKind
from chalicelib.domain.work import Work

FAST_TIMEOUT_SECONDS = 900
"""Of the function. Source: Lambda's largest."""
FAST_DRAIN_SECONDS = 60.0
"""Before the timeout the worker is told to give back what it holds, as by Batch before a machine is taken away."""
FAST_EVENT_AGE_SECONDS = 300
"""How long Lambda tries to start an invocation when it has no room for it."""
FAST_GONE_SECONDS = FAST_EVENT_AGE_SECONDS + FAST_TIMEOUT_SECONDS + 60
"""After this nothing of an invocation can be running, whatever was heard of it; Lambda cannot be asked."""
FAST_SCRATCH_MIB = 10_240
"""Of /tmp. An export of a video that is decoded in a minute writes a fraction: 200 bytes for each of 100 boxes in
100,000 frames are 2 GB."""

WORK_SECONDS_MAX = 60.0
"""Of the whole, by the stated rates."""
PIXELS_MAX = 3840 * 2160
"""Of a frame. A worker has 300 MB at 1080p (docs/performance.md); a frame in it, and its decoder's, grow with this."""
MODELS_MB_MAX = 2048.0
"""What models may add to a worker, as their trials measured it."""
PROBE_BYTES_MAX = 8 << 30
"""A file without an index is read as a whole: 160 s at 50 MB/s, which is what one connection to S3 gives."""
ADMISSION_BYTES_MAX = 64 << 20
"""Of a model: its compilation and trials hold it several times."""


def lane_of_probe(size_bytes: int) -> Lane:
    """Where a file of this size is probed."""
    return Lane.FAST if size_bytes <= PROBE_BYTES_MAX else Lane.CPU


def lane_of_admission(size_bytes: int) -> Lane:
    """Where a model file of this size is admitted."""
    return Lane.FAST if size_bytes <= ADMISSION_BYTES_MAX else Lane.CPU


def lane_of_analysis(work: Work, analyze_lane: Lane, trial_by_sha256: Mapping[str, Trial]) -> Lane:
    """Where a job is analysed that goes to `analyze_lane` unless it is short; models without a trial are as stated."""
    if work.pixels > PIXELS_MAX or sum(trial.memory_mb for trial in trial_by_sha256.values()) > MODELS_MB_MAX:
        return analyze_lane
    work, rates = work.on_lane(Lane.FAST, children=1), _rates_of(trial_by_sha256)
    effort = effort_of_children(work, rates) + effort_of_segments(work, rates)
    return Lane.FAST if effort.fast_seconds <= WORK_SECONDS_MAX else analyze_lane


def lane_of_finish(work: Work) -> Lane:
    """Where a job is finished."""
    effort = effort_of_finish(work, Rates(), Lane.FAST)
    return Lane.FAST if effort.fast_seconds <= WORK_SECONDS_MAX else Lane.CPU


def lane_of_side_step(work: Work, kind: UnitKind) -> Lane:
    """Where one more version of the tracks, or an export, is made."""
    if work.pixels > PIXELS_MAX:
        return Lane.CPU
    effort = effort_of_side_step(work, kind, Rates(), Lane.FAST)
    return Lane.FAST if effort.fast_seconds <= WORK_SECONDS_MAX else Lane.CPU


def lane_of_rendition(work: Work, encoded_pixels: int) -> Lane:
    """Where a rendition is made: a proxy of so many pixels a frame, or with 0 thumbnails."""
    if work.pixels > PIXELS_MAX:
        return Lane.CPU
    effort = effort_of_rendition(work, encoded_pixels, Rates(), Lane.FAST)
    return Lane.FAST if effort.fast_seconds <= WORK_SECONDS_MAX else Lane.CPU


def lane_after(lane: Lane) -> Lane:
    """Where work goes on that an attempt in this lane did not end. The provider class stays."""
    return Lane.CPU if lane is Lane.FAST else lane


def _rates_of(trial_by_sha256: Mapping[str, Trial]) -> Rates:
    """What trials measured of models; all else as stated."""
    measured: dict[str, float] = {}
    for sha256, trial in trial_by_sha256.items():
        for size, milliseconds in trial.cpu_ms_by_input.items():
            width, _, height = size.partition("x")
            pixels = int(width) * int(height)
            measured[f"infer:{sha256}:{pixels}"] = milliseconds / 1000 / pixels
    return Rates(measured)
