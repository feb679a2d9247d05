"""Runs a compiled model on golden frames, in a process of its own: `python -m gpu_batch.compiler.trial FOLDER`.

Of its own, so that the memory is that of the model alone, and a model that crashes onnxruntime takes nothing along.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.models import TASKS_OF_JOBS, Manifest, ModelTask, input_size, manifest_from_json
from gpu_batch.compiler.network import MAX_MODEL_BYTES, ORT_ERRORS
from gpu_batch.compiler.refusal import ModelRefused, refuse_if_any
from gpu_batch.errors import BadOrder
from gpu_batch.models.loader import load_folder
from gpu_batch.sandbox import Limits, is_out_of_memory, needs_memory, run_limited

TRIAL_LIMITS = Limits(memory_bytes=3 << 30, cpu_seconds=240, wall_seconds=400, file_bytes=1 << 20)
"""A container of the cpu lane has 4 GiB."""
MAX_MODEL_MB = 2048
"""Of memory, beside the decoder and the results of a worker of the cpu lane."""
MAX_CPU_MS = 10_000
"""Of a run with one frame or clip: an hour of video at one frame a second would take ten hours."""
_RUNS = 7
_OUTPUTS_BY_TASK = {
    ModelTask.DETECTION: ("boxes", "scores", "labels"),
    ModelTask.CLASSIFICATION: ("scores",),
    ModelTask.CLIP_CLASSIFICATION: ("scores",),
}
_SHOWN_SIZES = ((1920, 1080), (1080, 1920), (640, 480), (4000, 500))
"""Videos for whose input sizes the model is tried."""
_SAME = 1e-3
"""Pixels, and scores: how far a frame in a batch may be from the frame alone."""

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What a model needs."""

    reasons: list[str]
    """Why it is not canonical; empty if it is."""
    peak_rss_mb: float
    """Of the process, Python and onnxruntime included."""
    rss_of_model_mb: float
    """What the model added to it."""
    cpu_ms_by_input: dict[str, float]
    """Median CPU milliseconds of a run with one frame or clip, on one thread, by input size."""


def try_model(folder: Path, limits: Limits = TRIAL_LIMITS, check: Callable[[], None] = lambda: None) -> TrialReport:
    """Run the model of `folder` and see that it is canonical.

    Raises:
        ModelRefused: it is not, or it crashed, or it took more than its limits: MODEL_INVALID, MODEL_TIMEOUT or
            RESOURCE_LIMIT.
    """
    ended = run_limited("gpu_batch.compiler.trial", [str(folder.resolve())], folder, limits, check)
    if ended.failure:
        raise ModelRefused("the model", [f"its trial {ended.failure}"], code=ended.code)
    report = TrialReport(**json.loads(ended.output))
    if report.rss_of_model_mb > MAX_MODEL_MB:
        reason = f"it must run in {MAX_MODEL_MB} MB of memory but takes {report.rss_of_model_mb:.0f} MB"
        raise ModelRefused("the model", [*report.reasons, reason], code=ErrorCode.RESOURCE_LIMIT)
    slowest = max(report.cpu_ms_by_input.values(), default=0.0)
    if slowest > MAX_CPU_MS:
        reason = f"one frame must take at most {MAX_CPU_MS} ms of CPU time but takes {slowest:.0f} ms"
        raise ModelRefused("the model", [*report.reasons, reason], code=ErrorCode.MODEL_TIMEOUT)
    if any(map(is_out_of_memory, report.reasons)):
        reason = f"running it {needs_memory(limits)}"
        raise ModelRefused("the model", [reason, *report.reasons], code=ErrorCode.RESOURCE_LIMIT)
    refuse_if_any("the model", report.reasons)
    return report


def golden_frames(count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Pictures made by arithmetic, the same everywhere: waves with shapes on them, noise, black; uint8 (N, H, W, 3)."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([127 + 120 * np.sin(x / 23.0 + k) * np.cos(y / (17.0 + 5 * k)) for k in range(3)], axis=-1)
    waves[(x - width // 3) ** 2 + (y - height // 2) ** 2 < (height // 5) ** 2] = (220, 60, 40)
    card = np.rint(waves).clip(0, 255).astype(np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    kinds = [card, noise, np.zeros_like(card)]
    return np.stack([np.roll(kinds[index % 3], 7 * index, axis=1) for index in range(count)])


def main(folder: Path) -> None:
    """Print the report as JSON."""
    manifest = manifest_from_json(json.loads((folder / "manifest.json").read_text()))
    before = _rss_mb()
    reasons, cpu_ms = _run_all(folder, manifest)
    peak = _rss_mb()
    sys.stdout.write(json.dumps(asdict(TrialReport(reasons, peak, peak - before, cpu_ms))))


def _run_all(folder: Path, manifest: Manifest) -> tuple[list[str], dict[str, float]]:
    if (size := (folder / "model.onnx").stat().st_size) > MAX_MODEL_BYTES:
        return [f"a model must have at most {MAX_MODEL_BYTES} bytes but has {size}"], {}
    cpu_ms: dict[str, float] = {}
    reasons: list[str] = []
    try:
        if manifest.task in TASKS_OF_JOBS:
            # The worker's own way to open a model: digest, safety, warm-up.
            load_folder(folder)
        session = open_session(folder / "model.onnx")
        for width, height in sorted({input_size(manifest, *shown)[:2] for shown in _SHOWN_SIZES}):
            cpu_ms[f"{width}x{height}"], found = _run_size(session, manifest, width, height)
            reasons += [reason for reason in found if reason not in reasons]
    except BadOrder as error:
        reasons.append(error.failure.detail)
    except ORT_ERRORS as error:
        reasons.append(f"onnxruntime does not run it: {error}")
    return reasons, cpu_ms


def open_session(path: Path) -> Any:
    """The model on one thread of the CPU, as the worker opens it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run_size(session: Any, manifest: Manifest, width: int, height: int) -> tuple[float, list[str]]:
    frames_each = manifest.clip_frames or 1
    pictures = golden_frames(3 * frames_each, height, width)
    if manifest.task is ModelTask.CLIP_CLASSIFICATION:
        pictures = pictures.reshape(3, frames_each, height, width, 3)
    reasons: list[str] = []
    times: list[float] = []
    alone = []
    for picture in pictures:
        start = time.process_time()
        alone.append(_run(session, manifest, picture[np.newaxis]))
        if (milliseconds := (time.process_time() - start) * 1000) > MAX_CPU_MS:
            # More of these would only take the time of the trial.
            return milliseconds, reasons
        start = time.process_time()
        again = _run(session, manifest, picture[np.newaxis])
        times.append(time.process_time() - start)
        if any(alone[-1][name].tobytes() != again[name].tobytes() for name in again):
            reasons.append(f"two runs on the same input of {width} x {height} must give the same bytes but do not")
        reasons += find_output_reasons(manifest, again, 1)
    for _ in range(_RUNS - len(times)):
        start = time.process_time()
        _run(session, manifest, pictures[:1])
        times.append(time.process_time() - start)
    if not isinstance(session.get_inputs()[0].shape[0], int):
        together = _run(session, manifest, pictures)
        reasons += find_output_reasons(manifest, together, len(pictures))
        if not reasons and not _are_same(together, alone):
            reasons.append("a frame in a batch must give what it gives alone but does not: export it with a batch of 1")
    return statistics.median(times) * 1000, reasons


def _run(session: Any, manifest: Manifest, pictures: npt.NDArray[np.uint8]) -> Arrays:
    names = _OUTPUTS_BY_TASK[manifest.task]
    input_name = "clips" if manifest.task is ModelTask.CLIP_CLASSIFICATION else "frames"
    return dict(zip(names, session.run(list(names), {input_name: pictures}), strict=True))


def _are_same(together: Arrays, alone: list[Arrays]) -> bool:
    return all(np.allclose(together["scores"][index], one["scores"][0], atol=_SAME) for index, one in enumerate(alone))


def find_output_reasons(manifest: Manifest, outputs: Arrays, count: int) -> list[str]:
    """Why the outputs of `count` frames are not canonical; empty if they are."""
    k = manifest.max_detections
    expected: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "boxes": ("float32", (count, k, 4)),
        "scores": ("float32", (count, k or len(manifest.labels))),
        "labels": ("int64", (count, k)),
    }
    reasons = [
        f"{name} must be {expected[name]} but is {(value.dtype.name, value.shape)}"
        for name, value in outputs.items()
        if (value.dtype.name, value.shape) != expected[name]
    ]
    if reasons:
        return reasons
    scores = outputs["scores"]
    if not all(np.isfinite(value).all() for value in outputs.values()):
        return ["outputs must be finite but are not: is the normalisation (--scale, --mean, --std) right?"]
    if scores.min() < 0 or scores.max() > 1 + 1e-5:
        reasons.append(
            f"scores must be 0..1 but are {scores.min():.3g}..{scores.max():.3g}: choose another --activation"
        )
    if manifest.task is ModelTask.DETECTION:
        is_empty = scores == 0
        if (np.diff(scores) > 0).any():
            reasons.append("scores must be descending")
        if outputs["labels"].min() < 0 or outputs["labels"].max() >= len(manifest.labels):
            reasons.append(f"labels must be below {len(manifest.labels)}")
        if outputs["boxes"][is_empty].any() or outputs["labels"][is_empty].any():
            reasons.append("rows after the last hit must be zero")
        hits = outputs["boxes"][~is_empty]
        if len(hits) and not (hits[:, 2:] > hits[:, :2]).all(axis=1).any():
            reasons.append(f"boxes must have x1 < x2 and y1 < y2 but none of {len(hits)} has: is --box-form right?")
    return reasons


def _rss_mb() -> float:
    """Peak resident memory of this process so far.

    Source: proc(5), VmHWM. That of getrusage(2) counts from what the process was before it became this program.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
