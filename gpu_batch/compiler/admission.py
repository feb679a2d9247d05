"""Compiles an uploaded network by its recipe, in a limited process: `python -m gpu_batch.compiler.admission`.

In the working directory: `source.onnx` and `recipe.json` (contracts/model_recipe.py). It leaves the folder of a model,
`model.onnx` and `manifest.json`, or `refusal.json` with every reason. A file that breaks it ends the process, which
whoever started it takes for a refusal (`gpu_batch/admit_step.py`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from chalicelib.contracts.model_recipe import ModelRecipe
from chalicelib.domain.models import ResizePolicy
from gpu_batch.compiler.adapters import make_recipe
from gpu_batch.compiler.add import compile_network
from gpu_batch.compiler.model_folder import write_model_folder
from gpu_batch.compiler.recipe import Activation, BoxForm, ChannelOrder, HeadOptions, Said
from gpu_batch.compiler.refusal import ModelRefused

SOURCE, RECIPE, REFUSAL = "source.onnx", "recipe.json", "refusal.json"
FIELD_BY_OPTION = {
    "input-size": "input.shapes",
    "multiple": "input.multiple",
    "resize": "input.policy",
    "channel-order": "input.channel_order",
    "scale": "input.scale",
    "mean": "input.mean",
    "std": "input.std",
    "activation": "head.activation",
    "outputs": "head.outputs",
    "decoded": "head.decoded",
    "strides": "head.strides",
    "cell-centre": "head.cell_centre",
    "box-form": "head.box_form",
    "anchors": "head.anchors",
    "variances": "head.variances",
    "score-floor": "score_floor",
    "score-default": "score_default",
    "nms-iou": "nms_iou",
    "max-detections": "max_detections",
    "clip-frames": "clip_frames",
}
"""What the options of the command are called in a manifest of `POST /models`."""


def main(folder: Path = Path()) -> None:
    """Compile, or say why not."""
    told = ModelRecipe.from_json(json.loads((folder / RECIPE).read_text()))
    try:
        model, manifest = compile_network((folder / SOURCE).read_bytes(), make_recipe(told.adapter, as_said(told)))
    except ModelRefused as refusal:
        reasons = [in_words_of_manifests(reason) for reason in refusal.reasons]
        (folder / REFUSAL).write_text(json.dumps({"reasons": reasons}))
    else:
        write_model_folder(folder, manifest, model)


def as_said(told: ModelRecipe) -> Said:
    """The same recipe in the compiler's own types."""
    return Said(
        name=told.name,
        version=told.version,
        columns=told.labels,
        policy=ResizePolicy(told.policy),
        sizes=told.shapes,
        multiple=told.multiple,
        channel_order=ChannelOrder(told.channel_order) if told.channel_order else None,
        scale=told.scale,
        mean=told.mean,
        deviation=told.std,
        activation=Activation(told.activation) if told.activation else None,
        score_floor=told.score_floor,
        score_default=told.score_default,
        nms_iou=told.nms_iou,
        max_detections=told.max_detections,
        clip_frames=told.clip_frames,
        outputs=told.outputs,
        head=HeadOptions(
            decoded=told.decoded or None,
            strides=told.strides,
            cell_centre=told.cell_centre,
            box_form=BoxForm(told.box_form) if told.box_form else None,
            anchors=np.asarray(told.anchors, np.float32) if told.anchors else None,
            variances=(told.variances[0], told.variances[1]) if told.variances else None,
        ),
        licence=told.licence,
        source=told.source,
    )


def in_words_of_manifests(reason: str) -> str:
    """A reason with fields of the manifest in place of options of the command."""
    return re.sub(r"--([a-z][a-z-]*[a-z])", lambda option: FIELD_BY_OPTION.get(option[1], option[1]), reason)


if __name__ == "__main__":
    main()
