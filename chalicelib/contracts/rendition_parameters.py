"""What a rendition's side step holds beside the unit: its parameters, and its result.

Parameters (JSON): version (RENDITION_VERSION), filename (of the video), kind, options (width, or height_max), sampling
(which frames it shows).

Result: file_name, content_type, size_bytes, sha256 (hex), and
    of thumbnails  tiles (columns, rows, width, height, timebase, pts), end_pts (of the video)
    of a proxy     width, height, frames, timebase ("1/90000"), first_pts (of the video, in ticks of it), and
                   missing (contracts/items.py), when there is any
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.ids import derive_id
from chalicelib.domain.renditions import RENDITION_VERSION, RenditionRequest, options_of, request_of
from chalicelib.domain.sampling import Sampling

RENDITION_PREFIX = "ren"


@dataclass(frozen=True, slots=True)
class RenditionParameters:
    """Everything that decides the bytes of a rendition, besides those of the video."""

    request: RenditionRequest
    filename: str
    sampling: Sampling

    def to_json(self) -> dict[str, Any]:
        """As the side step holds it."""
        return {
            "version": RENDITION_VERSION,
            "filename": self.filename,
            "kind": self.request.kind.value,
            "options": options_of(self.request),
            "sampling": self.sampling.to_json(),
        }

    def rendition_id(self, video_id: str, content_digest: str, attempt: int) -> str:
        """The same for the same question about the same bytes; `attempt` counts those that failed before."""
        form = [video_id, content_digest, attempt, self.to_json()]
        text = json.dumps(form, sort_keys=True, separators=(",", ":"))
        return derive_id(RENDITION_PREFIX, hashlib.sha256(text.encode()).digest())


def from_json(form: Mapping[str, Any]) -> RenditionParameters:
    """What `to_json` wrote, of any version: a rendition stays to be had when a later release would make it otherwise.

    Raises:
        KeyError, TypeError, ValueError, InvalidRequest: it was written by another release, which knew other parameters.
    """
    request = request_of(form["kind"], form["options"])
    return RenditionParameters(request, form["filename"], Sampling.from_json(form["sampling"]))
