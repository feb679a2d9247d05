"""What an export's side step holds beside the unit: its parameters, and its result.

Parameters (JSON): version (EXPORT_VERSION), filename (of the video), tracks_version (null: without tracks), tracking
(what the tracker was told for that version), and `request`: format, score_min?, labels, models, gzip.

Result: file_name, content_type, size_bytes, sha256 (hex), statement (what the export says of itself), and how many
frames and detections it has.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.exports import EXPORT_VERSION, ExportFormat, ExportRequest
from chalicelib.domain.ids import derive_id

EXPORT_PREFIX = "exp"


@dataclass(frozen=True, slots=True)
class ExportParameters:
    """Everything that decides the bytes of an export, besides the job's results."""

    request: ExportRequest
    filename: str
    tracks_version: int | None
    tracking: dict[str, Any] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """As the side step holds it."""
        request = self.request
        return {
            "version": EXPORT_VERSION,
            "filename": self.filename,
            "tracks_version": self.tracks_version,
            "tracking": self.tracking,
            "request": {
                "format": request.format.value,
                "score_min": request.score_min,
                "labels": list(request.labels),
                "models": list(request.models),
                "gzip": request.is_packed,
            },
        }

    def export_id(self, job_id: str, job_finished_at: str, attempt: int) -> str:
        """The same for the same question about the same finish of a job; `attempt` counts those that failed before."""
        form = [job_id, job_finished_at, attempt, self.to_json()]
        text = json.dumps(form, sort_keys=True, separators=(",", ":"))
        return derive_id(EXPORT_PREFIX, hashlib.sha256(text.encode()).digest())


def from_json(form: dict[str, Any]) -> ExportParameters:
    """What `to_json` wrote.

    Of any version: an export stays to be had when a later release would make it otherwise.

    Raises:
        KeyError, ValueError: it was written by another release, which knew other parameters.
    """
    request = form["request"]
    return ExportParameters(
        ExportRequest(
            format=ExportFormat(request["format"]),
            score_min=request.get("score_min"),
            labels=tuple(request["labels"]),
            models=tuple(request["models"]),
            is_packed=request["gzip"],
        ),
        form["filename"],
        form.get("tracks_version"),
        form["tracking"],
    )
