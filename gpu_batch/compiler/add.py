"""From an exported network and a recipe to a model in canonical form."""

from __future__ import annotations

import json
from dataclasses import replace

import onnx
from onnx import TensorProto

from chalicelib.domain.models import BY_ASPECT, Manifest, ModelInput, ModelTask
from gpu_batch.compiler.adapters import ADAPTER_BY_NAME
from gpu_batch.compiler.builder import GraphBuilder
from gpu_batch.compiler.canonical import frames_input
from gpu_batch.compiler.heads import Adapter, Heads
from gpu_batch.compiler.model_folder import digest_of
from gpu_batch.compiler.network import Network, read_network
from gpu_batch.compiler.pixels import to_network
from gpu_batch.compiler.recipe import Recipe
from gpu_batch.compiler.refusal import ModelRefused, refuse_if_any

MANIFEST_PROPERTY = "reelscan.manifest"
"""Among the metadata of a compiled model."""
_ABOUT_THE_FILE = frozenset({"sha256", "version", "licence", "source"})
"""Fields of a manifest that change no result."""
_ANY_SIZE = 320
"""Where nothing is said of a size, the shapes of the outputs are looked at with this one."""


def compile_network(content: bytes, recipe: Recipe) -> tuple[onnx.ModelProto, Manifest]:
    """The canonical graph of an exported network, and its manifest.

    Raises:
        ModelRefused: with every reason that was found.
    """
    adapter = ADAPTER_BY_NAME[recipe.adapter]
    reasons = _find_recipe_reasons(adapter, recipe)
    try:
        network = read_network(content, adapter.task, recipe.outputs)
    except ModelRefused as error:
        raise ModelRefused("the network", [*reasons, *error.reasons]) from error
    recipe, size_reasons = _settle_sizes(network, recipe)
    reasons += size_reasons
    width, height = (recipe.sizes or ((_ANY_SIZE, _ANY_SIZE),))[0]
    height = height or width
    sizes = {"N": 1, "T": recipe.clip_frames or 1, "H": network.size_by_axis["H"] or height}
    outputs = network.run(sizes | {"W": network.size_by_axis["W"] or width}, recipe.outputs)
    input_name = "clips" if adapter.task is ModelTask.CLIP_CLASSIFICATION else "frames"
    heads = Heads(outputs, input_name, width, height)
    reasons += adapter.find_reasons(heads, recipe)
    refuse_if_any("the network", reasons)
    model = _build(network, adapter, heads, recipe)
    return model, _manifest_of(model, adapter, recipe)


def _find_recipe_reasons(adapter: Adapter, recipe: Recipe) -> list[str]:
    reasons = []
    if recipe.activation not in adapter.activations:
        known = ", ".join(sorted(adapter.activations))
        reasons.append(f"--activation must be one of {known} for {adapter.name} but is {recipe.activation}")
    reasons += [
        f"--{option.replace('_', '-')} means nothing to {adapter.name}: leave it out"
        for option in recipe.head.given()
        if option not in adapter.head_options
    ]
    if recipe.clip_frames is not None and adapter.task is not ModelTask.CLIP_CLASSIFICATION:
        reasons.append(f"--clip-frames means nothing to {adapter.name}: leave it out")
    return reasons


def _settle_sizes(network: Network, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe with the sizes that the network fixes, and what contradicts them."""
    reasons = []
    clip_frames = network.size_by_axis.get("T", recipe.clip_frames)
    if "T" in network.size_by_axis:
        if clip_frames is None and recipe.clip_frames is None:
            reasons.append("the network takes clips of any length: say --clip-frames")
        elif clip_frames and recipe.clip_frames not in (None, clip_frames):
            reasons.append(f"the network takes clips of {clip_frames} frames but --clip-frames is {recipe.clip_frames}")
        clip_frames = clip_frames or recipe.clip_frames
    width, height = network.size_by_axis["W"], network.size_by_axis["H"]
    if not recipe.sizes and (width is None or height is None):
        reasons.append(f"the network takes frames of any size: say --input-size, such as 640x384 or 640x{BY_ASPECT}")
    reasons += [
        f"the network takes frames of {width or 'any'} x {height or 'any'} but --input-size has {w}x{h or BY_ASPECT}"
        for w, h in recipe.sizes
        if (width is not None and w != width) or (height is not None and h != height)
    ]
    if width is not None and height is not None:
        # The one shape that there is fits itself: it need not be a multiple of anything.
        return replace(recipe, sizes=((width, height),), multiple=1, clip_frames=clip_frames), reasons
    return replace(recipe, clip_frames=clip_frames), reasons


def _build(network: Network, adapter: Adapter, heads: Heads, recipe: Recipe) -> onnx.ModelProto:
    builder = GraphBuilder(network.opset, network.model.ir_version)
    batch = network.size_by_axis["N"] or "N"
    (width, height), *others = recipe.sizes
    fixed: tuple[int | str, int | str] = ("H", "W") if others or height is None else (height, width)
    if adapter.task is ModelTask.CLIP_CLASSIFICATION:
        assert recipe.clip_frames is not None
        frames = builder.input("clips", TensorProto.UINT8, [batch, recipe.clip_frames, *fixed, 3])
    else:
        frames = frames_input(builder, *fixed, batch)
    numbers = to_network(builder, frames, recipe.pixels, network.layout)
    builder.embed(network.model.graph, {network.input: numbers})
    adapter.decode(builder, heads, recipe)
    try:
        return builder.model(recipe.name)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelRefused("the network", [f"its graph is not valid: {error}"]) from error


def _manifest_of(model: onnx.ModelProto, adapter: Adapter, recipe: Recipe) -> Manifest:
    """The manifest; what of it decides the results is noted in the model, so that a digest stands for all of it.

    Two files with the same weights and other labels must not have the same digest: stored results are found by it.
    """
    (width, height), *others = recipe.sizes
    is_detector = adapter.task is ModelTask.DETECTION
    try:
        manifest = Manifest(
            name=recipe.name,
            version=recipe.version,
            sha256="0" * 64,
            task=adapter.task,
            labels=recipe.labels,
            input=ModelInput(
                recipe.policy,
                width,
                height,
                recipe.multiple,
                tuple((w, h) for w, h in others if h is not None),
            ),
            score_floor=recipe.score_floor,
            score_default=recipe.score_default,
            max_detections=recipe.max_detections if is_detector else None,
            nms_iou=recipe.nms_iou if adapter.suppresses else None,
            clip_frames=recipe.clip_frames if adapter.task is ModelTask.CLIP_CLASSIFICATION else None,
            licence=recipe.licence,
            source=recipe.source,
            adapter=f"gpu_batch.compiler {adapter.name}",
        )
    except ValueError as error:
        raise ModelRefused("the manifest", [str(error)]) from error
    deciding = {name: value for name, value in manifest.to_json().items() if name not in _ABOUT_THE_FILE}
    model.metadata_props.add(key=MANIFEST_PROPERTY, value=json.dumps(deciding, sort_keys=True))
    return replace(manifest, sha256=digest_of(model))
