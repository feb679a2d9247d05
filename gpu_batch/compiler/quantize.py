"""Static int8 quantisation of a canonical detector, judged against its fp32 form on frames that it was not made with.

The convolutions that lose most stay in fp32: as many as it takes for the loss on the frames of the calibration to be
half of what is allowed; the loss that is reported and refused is that on the other frames.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import onnx

from chalicelib.domain.models import Manifest, ModelTask
from gpu_batch.compiler.int8_choice import keep_what_loses_most
from gpu_batch.compiler.int8_graph import Int8Candidates
from gpu_batch.compiler.int8_report import QuantizationReport, judge
from gpu_batch.compiler.model_folder import write_model_folder
from gpu_batch.compiler.refusal import QuantizationRefused
from gpu_batch.compiler.sample_frames import read_clips
from gpu_batch.compiler.trial import try_model
from gpu_batch.models.loader import load_folder


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """An int8 model, its manifest, and how far it can be trusted."""

    model: onnx.ModelProto
    manifest: Manifest
    report: QuantizationReport


def quantize_model(
    folder: Path,
    videos: Sequence[Path],
    holdout: Sequence[Path] = (),
    *,
    max_ap_loss: float = 0.01,
    aim: float | None = None,
) -> QuantizedModel:
    """The int8 form of the detector in `folder`: the same bytes for the same files and versions.

    It is calibrated on `videos` and judged on `holdout`; without a holdout, on every other frame of `videos` each.
    `aim` is the AP50 that may be lost on the frames of the calibration: half of `max_ap_loss` unless said otherwise.

    Raises:
        QuantizationRefused: it loses more AP50 than `max_ap_loss`, or there is nothing to quantise or judge by.
        BadOrder: the model is not one that the worker opens, or its new name is no name.
        BadInput: a video cannot be read.
    """
    fp32 = load_folder(folder)
    if fp32.manifest.task is not ModelTask.DETECTION:
        reason = f"it must be for detection, since int8 is judged by boxes, but is for {fp32.manifest.task}"
        raise QuantizationRefused(f"int8 of {fp32.manifest.name}", [reason])
    calibration = read_clips(videos, fp32.manifest)
    judged = read_clips(holdout, fp32.manifest) or [clip.every_other(1) for clip in calibration]
    if not holdout:
        calibration = [clip.every_other(0) for clip in calibration]
    with tempfile.TemporaryDirectory() as work:
        candidates = Int8Candidates(folder / "model.onnx", Path(work), calibration)
        kept, int8 = keep_what_loses_most(candidates, fp32, calibration, max_ap_loss / 2 if aim is None else aim)
        model = candidates.make(without=kept)
    report = QuantizationReport(
        calibrated_on={clip.name: len(clip.frames) for clip in calibration},
        judged_on="other videos" if holdout else "every other frame of the same videos",
        clips=[judge(clip, fp32, int8) for clip in judged],
        convolutions=len(candidates.convolutions),
        kept_in_fp32=kept,
        versions={name: version(name) for name in ("onnx", "onnxruntime", "numpy")},
    )
    if report.ap_loss > max_ap_loss:
        raise QuantizationRefused(
            f"int8 of {fp32.manifest.name}",
            [
                f"{clip.video}: AP50 must be at least {1 - max_ap_loss:.4f} of fp32 but is {clip.agreement.ap50:.4f}"
                for clip in report.clips
                if clip.agreement.ap50 is not None and 1 - clip.agreement.ap50 > max_ap_loss
            ],
        )
    return QuantizedModel(model, int8.manifest, report)


def write_quantized(
    folder: Path,
    videos: Sequence[Path],
    holdout: Sequence[Path],
    out: Path,
    *,
    max_ap_loss: float = 0.01,
    aim: float | None = None,
) -> tuple[Path, QuantizationReport]:
    """Write the folder of the int8 model into `out`, with its report in `quantization.json`; gives the folder's path.

    Raises:
        ModelRefused, BadOrder, BadInput: as `quantize_model`; nothing is written then.
    """
    made = quantize_model(folder, videos, holdout, max_ap_loss=max_ap_loss, aim=aim)
    with tempfile.TemporaryDirectory() as trial:
        write_model_folder(Path(trial), made.manifest, made.model)
        try_model(Path(trial))
    target = out / made.manifest.name
    write_model_folder(target, made.manifest, made.model)
    (target / "quantization.json").write_text(json.dumps(asdict(made.report), indent=2) + "\n")
    # What the licence of the weights asks to be kept with them.
    if (notice := folder / "NOTICE").exists():
        shutil.copyfile(notice, target / "NOTICE")
    return target, made.report
