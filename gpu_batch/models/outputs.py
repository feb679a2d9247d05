"""What comes out of a canonical model, by its task; docs/models.md says what the arrays mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chalicelib.domain.models import Manifest, ModelTask


class OutputForm(NamedTuple):
    """One output of a model."""

    name: str
    dtype: type[np.float32 | np.int64]
    shape: tuple[int, ...]
    """Of one frame: without the batch."""


def output_forms(manifest: Manifest) -> tuple[OutputForm, ...]:
    """The outputs that a model must have, in the order in which they are asked for.

    Raises:
        ValueError: no worker runs models of that task.
    """
    if manifest.task is ModelTask.DETECTION:
        k = manifest.max_detections or 0
        boxes, scores = OutputForm("boxes", np.float32, (k, 4)), OutputForm("scores", np.float32, (k,))
        return boxes, scores, OutputForm("labels", np.int64, (k,))
    if manifest.task is ModelTask.CLASSIFICATION:
        return (OutputForm("scores", np.float32, (len(manifest.labels),)),)
    raise ValueError(f"a model must be for detection or classification but {manifest.name} is for {manifest.task}")
