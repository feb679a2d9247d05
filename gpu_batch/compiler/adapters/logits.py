"""Classifiers of frames and of clips: one output [N, C], a number for each label.

Frames go in as [N, 3, H, W] or [N, H, W, 3]; clips as [N, T, 3, H, W] (transformers: VideoMAE, TimeSformer),
[N, 3, T, H, W] (torchvision, pytorchvideo) or [N, T, H, W, 3] (TensorFlow). The numbers are logits of labels of which
one holds (softmax), or of which any may (`--activation sigmoid`), or scores already (`--activation none`). RGB,
normalised as ImageNet is.

Source: torchvision, `torchvision.models` (ImageClassification and VideoClassification transforms).
"""

from __future__ import annotations

from onnx import TensorProto

from chalicelib.domain.models import ModelTask
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.heads import Adapter, Heads, activate, choose_columns, does_not_fit, names_of
from gpu_batch.compiler.recipe import Activation, ChannelOrder, Pixels, Recipe

_IMAGENET = Pixels(ChannelOrder.RGB, 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def _find_reasons(heads: Heads, recipe: Recipe) -> list[str]:
    columns = len(recipe.columns)
    if len(heads.outputs) == 1 and not does_not_fit(heads.outputs[0], (None, columns)):
        return []
    return [f"{recipe.adapter} needs one output [N, {columns}], a number for each label, but has {names_of(heads)}"]


def _decode(builder: GraphBuilder, heads: Heads, recipe: Recipe) -> None:
    scores = activate(builder, heads.outputs[0].tensor, recipe.activation, axis=1)
    scores = choose_columns(builder, scores, recipe, axis=1)
    builder.output(scores, "scores", TensorProto.FLOAT, ["N", len(recipe.labels)])


ADAPTER = Adapter(
    name="logits",
    task=ModelTask.CLASSIFICATION,
    pixels=_IMAGENET,
    activation=Activation.SOFTMAX,
    activations=frozenset(Activation),
    head_options=frozenset(),
    suppresses=False,
    find_reasons=_find_reasons,
    decode=_decode,
    score_default=0.5,
)

CLIP_ADAPTER = Adapter(
    name="clip-logits",
    task=ModelTask.CLIP_CLASSIFICATION,
    pixels=_IMAGENET,
    activation=Activation.SOFTMAX,
    activations=frozenset(Activation),
    head_options=frozenset(),
    suppresses=False,
    find_reasons=_find_reasons,
    decode=_decode,
    score_default=0.5,
)
