"""A video: an uploaded file and its record, from the upload ticket to the facts of the probe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.errors import Failure
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.media import Media, Pts, WholeReason


class VideoState(StrEnum):
    """Where a video stands."""

    AWAITING_UPLOAD = "AWAITING_UPLOAD"
    UPLOADED = "UPLOADED"
    """The object is in S3 and pinned; the probe has not ended yet."""
    READY = "READY"
    REJECTED = "REJECTED"


class UploadKind(StrEnum):
    """How the bytes come in."""

    POST = "post"
    MULTIPART = "multipart"
    IMPORT = "import"
    """The object already lies in a bucket that the deployment may read."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What the client was told to do with the bytes."""

    kind: UploadKind
    expires_at: datetime
    upload_id: str = ""
    """S3's id of the multipart upload."""
    part_size_bytes: int = 0
    part_count: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """The uploaded object in S3, pinned to one version of its bytes."""

    bucket: str
    key: str
    size_bytes: int
    etag: str = ""
    version_id: str = ""
    content_digest: str = ""
    """Names the bytes for the store of results: hex SHA-256 of the bytes when S3 checked it, else of ETag and size."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where the probe left what it read, and what a decoder must be told."""

    cells_key: str
    """S3 key of the packed cell list that the planner reads."""
    table_key: str
    """S3 key of the packed sample table; empty when workers open the container as a whole."""
    cell_count: int
    decoder: str
    """DecoderConfig as JSON; empty when workers open the container as a whole."""
    start_pts: Pts
    end_pts: Pts
    """The shown timeline is [start_pts, end_pts); an estimate when there is no sample table."""
    whole_reason: WholeReason | None = None
    """Why the video cannot be cut, when it cannot."""


@dataclass(frozen=True, slots=True)
class Video:
    """The record of one video."""

    tenant: TenantId
    video_id: VideoId
    filename: str
    state: VideoState
    created_at: datetime
    content_type: str
    upload: Upload
    source: Source
    sha256: str = ""
    """Hex digest that the client declared; empty when it did not."""
    media: Media | None = None
    index: Index | None = None
    failure: Failure | None = None
    version: int = 1
