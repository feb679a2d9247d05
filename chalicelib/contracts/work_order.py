"""The work order: what a child job is told to do. JSON in S3, named by an environment variable of the Batch job.

    REELSCAN_WORK_ORDER    s3://bucket/key of the order

One order serves all children of a submission; AWS_BATCH_JOB_ARRAY_INDEX (absent for a plain job: 0) says which child
one is. An order holds facts, not promises: what a unit's state is must be asked of its item by claiming it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import Segment

VERSION = 1
ENVIRONMENT_NAME = "REELSCAN_WORK_ORDER"


class OrderKind(StrEnum):
    """What kind of unit the order is for."""

    PROBE = "probe"
    ANALYZE = "analyze"
    FINISH = "finish"
    TRACKS = "tracks"
    EXPORT = "export"
    RENDITION = "rendition"
    ADMIT = "admit"


@dataclass(frozen=True, slots=True)
class OrderedSource:
    """The bytes to read, pinned."""

    bucket: str
    key: str
    version_id: str
    etag: str
    size_bytes: int
    content_digest: str


@dataclass(frozen=True, slots=True)
class OrderedModel:
    """A model to run, pinned by digest."""

    name: str
    key: str
    """S3 key of the ONNX file."""
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderedMedia:
    """What a worker must know of the video besides its bytes."""

    width: int
    """Pixels of the frame as shown."""
    height: int
    rotation: int
    timebase: str
    cells_key: str
    table_key: str
    """Empty: open the container as a whole."""
    decoder: str
    """DecoderConfig as JSON; empty with `table_key`."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """See the module's docstring."""

    kind: OrderKind
    tenant: str
    video_id: str
    submission: SubmissionId
    source: OrderedSource
    lease_seconds: float
    heartbeat_seconds: float
    job_id: str = ""
    media: OrderedMedia | None = None
    models: tuple[OrderedModel, ...] = ()
    sampling: dict[str, Any] | None = None
    provider_class: str = "cpu"
    children: tuple[tuple[int, ...], ...] = ((0,),)
    """By child: the segments that it takes, in order."""
    segments: tuple[Segment, ...] = ()
    """Of the whole job, for a finish or a side step of it; empty otherwise."""
    score_min: float | None = None
    labels: tuple[str, ...] = ()
    tracking: bool = True
    step: str = ""
    """Name of the side step that the order is for; empty otherwise."""
    parameters: dict[str, Any] | None = None
    """Of the side step; of an admission, the recipe of the model (contracts/model_recipe.py); of a finish,
    `{"tracking": …}` when it is to track otherwise than by default."""
    job_finished_at: str = ""
    """RFC 3339: the finish of the job whose results a side step is about; empty for one of a video."""
    model_id: str = ""
    """Of the model that is to be admitted, whose file `source` is; empty otherwise, and then there is a video."""

    @property
    def pk(self) -> str:
        """The partition of the units that the order is for."""
        return table_keys.partition(self.tenant, self.job_id or self.model_id or self.video_id)

    @property
    def parsed_sampling(self) -> Sampling:
        """Which frames to analyse."""
        if self.sampling is None:
            raise InvalidRequest("an order to analyse must have a sampling but got none")
        return Sampling.from_json(self.sampling)

    @property
    def parsed_timebase(self) -> Fraction:
        """Seconds per tick."""
        if self.media is None:
            raise InvalidRequest("an order to analyse must have media facts but got none")
        return Fraction(self.media.timebase)

    def to_bytes(self) -> bytes:
        """JSON, UTF-8."""
        form = {"version": VERSION, **asdict(self)}
        # Workers of release 0.1 know none of these; one that would have to do as they say must stop there.
        if not self.model_id:
            del form["model_id"]
        for name in ("step", "job_finished_at"):
            if not self.step:
                del form[name]
        if self.parameters is None:
            del form["parameters"]
        return json.dumps(form, separators=(",", ":")).encode()

    @staticmethod
    def from_bytes(text: bytes) -> WorkOrder:
        """The order that `to_bytes` wrote.

        Raises:
            InvalidRequest: an order of a later version.
        """
        form = json.loads(text)
        if form.pop("version") != VERSION:
            raise InvalidRequest(
                f"a work order must be of version {VERSION}; run a worker image of the same release as the service"
            )
        media = form.pop("media")
        return WorkOrder(
            kind=OrderKind(form.pop("kind")),
            source=OrderedSource(**form.pop("source")),
            media=OrderedMedia(**media) if media else None,
            models=tuple(OrderedModel(**model) for model in form.pop("models")),
            children=tuple(tuple(units) for units in form.pop("children")),
            segments=tuple(Segment(**segment) for segment in form.pop("segments")),
            labels=tuple(form.pop("labels")),
            **form,
        )
