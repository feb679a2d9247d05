"""One module for each family of exports: its layout, and how it becomes canonical."""

from __future__ import annotations

from gpu_batch.compiler.adapters import detr, logits, nanodet, ssd, yolov8, yolox
from gpu_batch.compiler.heads import Adapter
from gpu_batch.compiler.recipe import Pixels, Recipe, Said

ADAPTERS: tuple[Adapter, ...] = (
    yolox.ADAPTER,
    yolov8.ADAPTER,
    detr.ADAPTER,
    ssd.ADAPTER,
    nanodet.ADAPTER,
    logits.ADAPTER,
    logits.CLIP_ADAPTER,
)
ADAPTER_BY_NAME = {adapter.name: adapter for adapter in ADAPTERS}


def make_recipe(adapter_name: str, said: Said) -> Recipe:
    """What was said, with the usual values of the adapter for the rest."""
    adapter = ADAPTER_BY_NAME[adapter_name]
    usual = adapter.pixels

    def known(value: float | None, default: float) -> float:
        return default if value is None else value

    score_floor = known(said.score_floor, adapter.score_floor)
    return Recipe(
        name=said.name,
        version=said.version,
        adapter=adapter.name,
        columns=said.columns,
        policy=said.policy,
        sizes=said.sizes,
        multiple=said.multiple,
        pixels=Pixels(
            said.channel_order or usual.channel_order,
            known(said.scale, usual.scale),
            said.mean or usual.mean,
            said.deviation or usual.deviation,
        ),
        activation=said.activation or adapter.activation,
        score_floor=score_floor,
        score_default=known(said.score_default, max(adapter.score_default, score_floor)),
        nms_iou=known(said.nms_iou, adapter.nms_iou),
        max_detections=said.max_detections,
        clip_frames=said.clip_frames,
        outputs=said.outputs,
        head=said.head,
        licence=said.licence,
        source=said.source,
    )
