"""What decides the bytes of a job's results: versions of what makes them, and a digest of all that a worker is told.

A block is keyed by its *analysis*, so that blocks answer any job. The rest of what a job leaves (its index, trees,
tracks and summary) follows from its *recipe*: jobs of one tenant with the same recipe leave the same, byte for byte.
The finish records the recipe of its job; the service makes the same digest of a job that is about to start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chalicelib.contracts.blocks import analysis_id
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.cells import CELL_RULE

PREPROCESSING_VERSION = 2
"""Part of the key of stored results: count up with any change in `gpu_batch/models/preprocess.py`, or in the major
version of OpenCV or libswscale, that can change a byte of an input, and with any in `gpu_batch/models/detect.to_rows`
that can change a row. 2: boxes are rounded by the size of the frame."""
FINISH_VERSION = 1
"""Count up with any change to what a finish makes of the same blocks: tracks and their ids, trees, the summary. Held by
`tests/worker/test_finish_golden.py`."""

# Who does the work, when, and where things lie. Whatever else is in an order is part of the recipe, so that a field
# that comes later is never forgotten here: at worst, jobs that are alike are not seen to be.
_NO_PART_OF_IT = (
    "kind",
    "tenant",
    "video_id",
    "job_id",
    "model_id",
    "submission",
    "source",
    "lease_seconds",
    "heartbeat_seconds",
    "provider_class",
    "children",
    "step",
    "job_finished_at",
)
_NO_PART_OF_MEDIA = ("cells_key", "table_key", "decoder")


def current_analysis(*, model_sha256: str, sampling: dict[str, Any], provider_class: str) -> str:
    """What this release keys the blocks of a model by, when it runs on this class of provider."""
    return analysis_id(
        model_sha256=model_sha256,
        preprocessing=PREPROCESSING_VERSION,
        sampling=sampling,
        provider_class=provider_class,
        cell_rule=CELL_RULE,
    )


def recipe_of(order: WorkOrder, analyses: Sequence[str]) -> str:
    """The recipe of the job that an order to finish is for, in hex; `analyses` are those of its models.

    The order must have the segments of the whole job.
    """
    form = {name: value for name, value in asdict(order).items() if name not in _NO_PART_OF_IT}
    media = form["media"] or {}
    form |= {
        "finish": FINISH_VERSION,
        "content": order.source.content_digest,
        "analyses": list(analyses),
        "media": {name: value for name, value in media.items() if name not in _NO_PART_OF_MEDIA},
        # Where a model lies is no part of what it is.
        "models": [model.manifest for model in order.models],
        # From a client or from the table: the same number.
        "score_min": None if order.score_min is None else float(order.score_min),
        # In a view, their order means nothing.
        "labels": sorted(order.labels),
        # Of a finish: what the tracker is told. To be told nothing is to track by default.
        "parameters": {name: told for name, told in (order.parameters or {}).items() if told},
    }
    return hashlib.sha256(json.dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
