"""One module for each family of exports: its layout, and how it becomes canonical."""

from __future__ import annotations

from gpu_batch.compiler.adapters import detr, logits, nanodet, ssd, yolov8, yolox
from gpu_batch.compiler.heads import Adapter

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
