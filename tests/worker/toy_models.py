"""A detector that needs no graph: what it finds is computed from the pixels, so that a wrong frame gives other rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chalicelib.domain.models import Manifest, ModelInput, ResizePolicy
from gpu_batch.models.loader import Model
from tests.models.makers import a_manifest

SIZE = ModelInput(ResizePolicy.STRETCH, 64, 32, 1)
LABELS = ("zebra", "ant", "dog")
"""Not in order of their names, which is the order that blocks have them in."""


class ToySession:
    """Stands in for onnxruntime's session: two rows a frame, after `before` was called."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.frames_seen = 0
        self._before = before

    def run(self, names: Sequence[str], feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        self._before()
        self.frames_seen += 1
        pixels = feeds["frames"][0].astype(np.int64)
        total = int((pixels * np.arange(pixels.size).reshape(pixels.shape)).sum() % 9973)
        x, y = total % 40, total // 40 % 20
        boxes = np.array([[[x, y, x + 12.5, y + 8], [y, 2, y + 20, 24]]], np.float32)
        scores = np.array([[0.5 + total / 20_000, 0.3]], np.float32)
        return [boxes, scores, np.array([[total % 3, 1]], np.int64)]


def a_model(session: ToySession | None = None, **changes: Any) -> Model:
    """The toy as a model that is ready to run."""
    manifest: Manifest = a_manifest(labels=LABELS, input=SIZE, max_detections=3)
    return Model(replace(manifest, **changes), "cpu", "a toy", session or ToySession())
