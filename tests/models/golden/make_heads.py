"""Makes `heads.npz`: what TensorFlow.js itself computes from the two packages, on one picture, for some anchors.

`python -m tests.models.golden.make_heads HUMAN_MODELS_DIR COCO_SSD_DIR`, in the root of the repository, where also
`npm install @tensorflow/tfjs@4.22.0` was run (leave no trace of it in git).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.models.pictures import colour_card

HERE = Path(__file__).parent
KEPT_ANCHORS = 96
NANODET_HEADS = ["Identity", "Identity_1", "Identity_2", "Identity_3", "Identity_4", "Identity_5"]
"""Scores at strides 8, 16 and 32, then distances."""
SSD_HEADS = ["Postprocessor/ExpandDims_1", "Postprocessor/Slice"]


def main(human_models: Path, coco_ssd: Path) -> None:
    """Run both packages and keep the anchors of best score."""
    rgb = colour_card(416, 416).astype(np.float32)
    mean, deviation = np.array([[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]], np.float32)
    bgr = (rgb[..., ::-1] - mean) / deviation
    planes = np.ascontiguousarray(bgr.transpose(2, 0, 1)[np.newaxis])
    heads = run_tfjs(human_models / "nanodet.json", "input_1", planes, NANODET_HEADS)
    scores = np.concatenate([head.reshape(-1, 80) for head in heads[:3]])
    distances = np.concatenate([head.reshape(-1, 44) for head in heads[3:]])
    nanodet = best(scores)

    frame = colour_card(300, 300).astype(np.float32)[np.newaxis]
    ssd_boxes, ssd_scores = run_tfjs(coco_ssd / "model.json", "image_tensor", frame, SSD_HEADS)
    ssd = best(ssd_scores.reshape(-1, 90))
    np.savez_compressed(
        HERE / "heads.npz",
        nanodet_anchors=nanodet,
        nanodet_scores=scores[nanodet],
        nanodet_distances=distances[nanodet],
        ssd_anchors=ssd,
        ssd_boxes=ssd_boxes.reshape(-1, 4)[ssd],
        ssd_scores=ssd_scores.reshape(-1, 90)[ssd],
    )


def run_tfjs(
    model: Path, input_name: str, values: npt.NDArray[np.float32], outputs: list[str]
) -> list[npt.NDArray[np.float32]]:
    """The outputs of a TFJS model, flat."""
    with tempfile.TemporaryDirectory() as folder:
        source, prefix = Path(folder) / "in", Path(folder) / "out"
        values.tofile(source)
        shape = str(list(values.shape))
        command = ["node", str(HERE / "run_tfjs.js"), str(model), input_name, shape, str(source), str(prefix), *outputs]
        subprocess.run(command, check=True)
        return [np.fromfile(f"{prefix}{index}", np.float32) for index in range(len(outputs))]


def best(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Indices of the anchors with the highest scores, ascending."""
    return np.sort(np.argsort(-scores.max(axis=1), kind="stable")[:KEPT_ANCHORS])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
