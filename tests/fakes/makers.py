"""Small valid things, with what a test cares about as keywords."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.cells import Cell
from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.events import CommittedRange, JobEvent, JobEventKind, LabelCount
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobRequest, JobState, ModelRef
from chalicelib.domain.media import Media
from chalicelib.domain.models import Manifest, ModelInput, ModelTask, ResizePolicy
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState
from chalicelib.domain.videos import Index, Source, Upload, UploadKind, Video, VideoState
from chalicelib.services.ports import Owner, Submission

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANT = TenantId("acme")
VIDEO_ID = VideoId("vid_" + "0" * 25 + "1")
JOB_ID = JobId("job_" + "0" * 25 + "1")
TIMEBASE = Fraction(1, 1000)
A_FAILURE = Failure(ErrorCode.INTERNAL, "it broke", "mend it")


def make_video(**changes: Any) -> Video:
    """A video that awaits 100 bytes."""
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "video_id": VIDEO_ID,
        "filename": "street.mp4",
        "state": VideoState.AWAITING_UPLOAD,
        "created_at": NOW,
        "content_type": "video/mp4",
        "upload": Upload(UploadKind.POST, NOW + timedelta(hours=1)),
        "source": Source("bucket", "key", 100),
    }
    return Video(**{**fields, **changes})


def make_media(**changes: Any) -> Media:
    """Ten seconds of H.264 in ticks of a millisecond."""
    fields: dict[str, Any] = {
        "container": "mp4",
        "codec": "h264",
        "width": 640,
        "height": 360,
        "rotation": 0,
        "timebase": TIMEBASE,
        "duration_seconds": 10.0,
        "frame_count": 250,
        "keyframes": 10,
    }
    return Media(**{**fields, **changes})


def make_index(cells_key: str = "cells", **changes: Any) -> Index:
    """What a probe says of a file that can be cut."""
    fields: dict[str, Any] = {
        "cells_key": cells_key,
        "table_key": "table",
        "cell_count": 10,
        "decoder": "{}",
        "start_pts": 0,
        "end_pts": 10_000,
    }
    return Index(**{**fields, **changes})


def make_cells(count: int, *, ticks: int = 2000, start_pts: int = 0) -> list[Cell]:
    """Cells of equal length, one after the other."""
    return [
        Cell(i, start_pts + i * ticks, start_pts + (i + 1) * ticks, i * 100, 100, i * 1000, (i + 1) * 1000, ticks // 40)
        for i in range(count)
    ]


def make_job(**changes: Any) -> Job:
    """A job that waits for its video."""
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "job_id": JOB_ID,
        "video_id": VIDEO_ID,
        "state": JobState.PENDING,
        "request": JobRequest(("toy",), Sampling()),
        "models": (ModelRef("toy", "1", "a" * 64),),
        "created_at": NOW,
        "deadline_at": NOW + timedelta(days=1),
    }
    return Job(**{**fields, **changes})


def make_state_event(version: int = 1, **changes: Any) -> JobEvent:
    """That the job of `make_job` has a new state."""
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "job_id": JOB_ID,
        "video_id": VIDEO_ID,
        "origin": f"JOB#{version}",
        "kind": JobEventKind.JOB_STATE_CHANGED,
        "created_at": NOW,
        "state": JobState.RUNNING,
    }
    return JobEvent(**{**fields, **changes})


def make_commit_event(segment_index: int = 0, **changes: Any) -> JobEvent:
    """That a segment of two seconds of it can be read."""
    start = segment_index * 2000
    labels = (LabelCount("person", 3, 0.9), LabelCount("dog", 1, 0.5))
    committed = CommittedRange(segment_index, start, start + 2000, start / 1000, start / 1000 + 2, labels)
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "job_id": JOB_ID,
        "video_id": VIDEO_ID,
        "origin": f"SEG#{segment_index:05d}",
        "kind": JobEventKind.SEGMENT_COMMITTED,
        "created_at": NOW,
        "committed": committed,
    }
    return JobEvent(**{**fields, **changes})


def make_manifest(name: str = "toy", **changes: Any) -> Manifest:
    """A detector of persons and bicycles; each name and version has a file of its own."""
    version = changes.get("version", "1")
    is_usual = (name, version) == ("toy", "1")
    fields: dict[str, Any] = {
        "name": name,
        "version": version,
        "sha256": "a" * 64 if is_usual else hashlib.sha256(f"{name}@{version}".encode()).hexdigest(),
        "task": ModelTask.DETECTION,
        "labels": ("person", "bicycle", "dog"),
        "input": ModelInput(ResizePolicy.STRETCH, 320, 320, 32),
        "score_floor": 0.1,
        "score_default": 0.4,
        "max_detections": 100,
        "nms_iou": 0.5,
        "licence": "Apache-2.0",
        "source": "made up",
        "adapter": "none",
    }
    return Manifest(**{**fields, **changes})


def make_segment(index: int, *, ticks: int = 2000) -> Segment:
    """The segment of one cell of `make_cells`."""
    return Segment(index, index * ticks, (index + 1) * ticks, index, index + 1)


def make_unit(kind: UnitKind = UnitKind.SEGMENT, index: int = 0, **changes: Any) -> Unit:
    """A unit that may be claimed."""
    fields: dict[str, Any] = {"state": UnitState.OPEN, "submission": SubmissionId("analyze")}
    return Unit(kind, index, **{**fields, **changes})


def make_submission(owner: Owner, submission_id: str = "analyze", **changes: Any) -> Submission:
    """Two children with two segments each, not sent yet."""
    fields: dict[str, Any] = {
        "kind": OrderKind.ANALYZE,
        "children": ((0, 2), (1, 3)),
        "lane": Lane.CPU,
        "created_at": NOW,
    }
    return Submission(owner, SubmissionId(submission_id), **{**fields, **changes})
