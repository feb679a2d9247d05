"""The wire: requests and answers of the REST API, as in its OpenAPI document. No rules, only forms."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from chalicelib.api.cost_schemas import JobCostOut, Usd
from chalicelib.domain.sampling import MAX_PER_SECOND, MAX_WITHIN_SECONDS

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
ContentType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.+-]+/[A-Za-z0-9_.+-]+$", max_length=100)]
HexSha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[Decimal, Field(allow_inf_nan=False, ge=0, max_digits=24)]
Rounded = AfterValidator(lambda number: round(number, 4))
Score = Annotated[float, Field(ge=0, le=1), Rounded]
"""Kept in ten-thousandths; a finer number would mean nothing, and the least floats are none that DynamoDB takes."""
MIN_PER_SECOND = 0.00001
"""Once in 28 hours: less often than that is once in any video."""
Limit = Annotated[int, Field(ge=1, le=1000)]
Version = Annotated[int, Field(ge=0, le=9999)]
"""Of a job's tracks."""
Cursor = Annotated[str, StringConstraints(max_length=2000)]


class In(BaseModel):
    """Something that a client sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """Something that a client receives.

    A field with a default is absent when it is not known (never null); the others are always there.
    """

    model_config = ConfigDict(extra="forbid")


class EveryFrameIn(In):
    """Analyse every frame."""

    kind: Literal["every_frame"]


class PerSecondIn(In):
    """Analyse, for every 1/n of a second, the frame that is nearest to it."""

    kind: Literal["per_second"]
    n: Annotated[float, Field(ge=MIN_PER_SECOND, le=MAX_PER_SECOND)]


class KeyframesIn(In):
    """Analyse keyframes only, reading only their bytes.

    With `n` and `within_seconds`: for every 1/n of a second the keyframe nearest to it, if there is one so near.
    """

    kind: Literal["keyframes"]
    n: Annotated[float, Field(ge=MIN_PER_SECOND, le=MAX_PER_SECOND)] | None = None
    within_seconds: Annotated[float, Field(gt=0, le=MAX_WITHIN_SECONDS)] | None = None


SamplingForm = Annotated[EveryFrameIn | PerSecondIn | KeyframesIn, Field(discriminator="kind")]


class AnalysisIn(In):
    """What an analysis does: in a job, or under the name of a pipeline."""

    models: Annotated[list[Text], Field(min_length=1, max_length=8, examples=[["nanodet-g"]])]
    sampling: SamplingForm = EveryFrameIn(kind="every_frame")
    score_min: Score | None = None
    """What a reader gets who asks for no other score; unset: each model's default threshold."""
    labels: Annotated[list[Text], Field(max_length=100)] | None = None
    """Show these only; unset: all."""
    segment_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None
    """A hint; segments are whole groups of pictures."""
    tracking: bool = True

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        if len(set(self.models)) != len(self.models):
            raise ValueError("models must be distinct")
        return self


class JobIn(AnalysisIn):
    """An analysis to be done: that of a pipeline, or what is told here."""

    models: list[Text] = Field(default_factory=list, min_length=1, max_length=8, examples=[["nanodet-g"]])
    """To be left out when there is a pipeline, and only then."""
    pipeline: Annotated[str, StringConstraints(min_length=1, max_length=80)] | None = None
    """`people` (its newest version) or `people@3`, instead of all that says what to do."""
    promote: bool = True
    """Whether `latest` of the video and pipeline moves to the job when it ends with results."""
    max_cost_usd: Usd | None = None
    """What all work for the job may cost at the prices of the list: its analysis, retries, re-tracking and exports."""

    @model_validator(mode="after")
    def _is_of_a_pipeline_or_told(self) -> Self:
        told = sorted(self.model_fields_set & AnalysisIn.model_fields.keys())
        if self.pipeline is not None and told:
            raise ValueError(f"a pipeline says what to do: leave {', '.join(told)} out")
        if self.pipeline is None and not self.models:
            raise ValueError("models (or a pipeline) must be given")
        return self


class SourceIn(In):
    """An object that already lies in S3."""

    s3_uri: Annotated[str, StringConstraints(min_length=6, max_length=1200)]


class VideoIn(In):
    """A video to be uploaded, or taken from where it lies."""

    filename: Text | None = None
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    content_type: ContentType | None = None
    sha256: HexSha256 | None = None
    analyze: JobIn | None = None
    source: SourceIn | None = None

    @model_validator(mode="after")
    def _is_upload_or_import(self) -> VideoIn:
        if self.source is not None:
            if self.size_bytes is not None or self.sha256 is not None or self.filename is not None:
                raise ValueError("source is taken as it is: leave filename, size_bytes and sha256 out")
        elif self.filename is None or self.size_bytes is None:
            raise ValueError("filename and size_bytes are required for an upload (or source for an import)")
        return self


class StartJobQuery(In):
    """Whether to start it."""

    dry_run: bool = False
    """Answer what it would cost, and start nothing."""


class Nothing(In):
    """An empty body."""


class PageQuery(In):
    """Where to go on in a list."""

    limit: Limit = 100
    cursor: Cursor | None = None


class DetectionsQuery(PageQuery):
    """Which detections."""

    label: Text | None = None
    model: Text | None = None
    from_: Annotated[Seconds | None, Field(alias="from")] = None
    to: Seconds | None = None
    score_min: Score | None = None
    track_id: Annotated[int, Field(ge=1)] | None = None
    track_version: Version | None = None


class TracksQuery(PageQuery):
    """Which tracks."""

    label: Text | None = None
    from_: Annotated[Seconds | None, Field(alias="from")] = None
    to: Seconds | None = None
    version: Version | None = None


class ErrorOut(Out):
    """Why something ended badly."""

    code: str
    title: str
    detail: str
    hint: str


class MediaOut(Out):
    """The container's facts about the video stream."""

    container: str
    codec: str
    width: int
    height: int
    rotation: int
    timebase: str
    duration_seconds: float
    frame_count: int | None = None
    keyframes: int


class VideoOut(Out):
    """A video."""

    video_id: str
    filename: str
    state: str
    size_bytes: int
    created_at: str
    media: MediaOut | None = None
    error: ErrorOut | None = None


class UploadOut(Out):
    """How to send the bytes."""

    kind: Literal["post", "multipart"]
    url: str | None = None
    fields: dict[str, str] | None = None
    part_size_bytes: int | None = None
    part_count: int | None = None
    expires_at: str


class ModelRefOut(Out):
    """The exact model that was used.

    Of one whose `task` is `classification`, detections are labels of frames: their box is the whole frame, and they are
    on no track.
    """

    name: str
    version: str
    sha256: str
    task: str


class PipelineRefOut(Out):
    """The version of a pipeline that a job is of."""

    name: str
    version: int


class PlanOut(Out):
    """What the planner decided."""

    segments: int
    cells: int
    reason: str | None = None
    """Why only one segment: NOT_INDEXED, UNPROVED_KEYFRAMES, NOT_MONOTONIC or SHORT."""


class ProgressOut(Out):
    """How far a job is."""

    segments_total: int
    segments_done: int
    segments_failed: int


class MissingOut(Out):
    """A range without results, and why."""

    start_seconds: float
    end_seconds: float
    error: ErrorOut


class ModelReuseOut(Out):
    """What one model of a job did not do again."""

    name: str
    cells: int
    cells_reused: int
    frames: int
    frames_inferred: int


class ReusedOut(Out):
    """What a finished job did not pay again; the sums are over its models."""

    job_id: str | None = None
    """The job whose results were taken over whole: no worker was started."""
    cells: int
    cells_reused: int
    """Their results were stored already."""
    frames: int
    """Those that the sampling chose."""
    frames_inferred: int
    """Those that a model really saw for this job."""
    models: list[ModelReuseOut]


class JobOut(Out):
    """A job."""

    job_id: str
    video_id: str
    state: str
    pipeline: PipelineRefOut | None
    """Null: what to do was told in the request."""
    promote: bool
    """Whether `latest` moves to it when it ends with results."""
    models: list[ModelRefOut]
    sampling: dict[str, Any]
    score_min: float | None = None
    labels: list[str] | None = None
    segment_seconds: float | None = None
    tracking: bool
    plan: PlanOut | None = None
    progress: ProgressOut
    created_at: str
    finished_at: str | None = None
    summary: dict[str, Any] | None = None
    reused: ReusedOut | None = None
    """Once it has finished."""
    missing: list[MissingOut] | None = None
    cost: JobCostOut | None = None
    """Once its video is known."""
    error: ErrorOut | None = None


class VideoCreatedOut(Out):
    """A new video, how to send it, and the job that waits for it."""

    video: VideoOut
    upload: UploadOut | None = None
    job: JobOut | None = None


class VideoEnvelope(Out):
    """One video."""

    video: VideoOut


class JobEnvelope(Out):
    """One job."""

    job: JobOut


class SourceOut(Out):
    """Where the source plays from."""

    url: str
    expires_at: str


class SegmentOut(Out):
    """A segment of a job."""

    index: int
    start_pts: int
    end_pts: int
    state: str
    attempt: int
    lane: str
    provider: str | None = None
    """The provider class that its models ran on (cpu, cuda or tensorrt), once it is done; with commas, by model, where
    they differ."""
    error: ErrorOut | None = None


class DetectionOut(Out):
    """One detection: a box in pixels of the frame as shown, origin top left; all of it for a label of the frame."""

    pts: int
    timebase: str
    time_seconds: float
    frame_index: int | None
    model: str
    label: str
    score: float
    box: tuple[float, float, float, float]
    track_id: int | None = None


class TrackOut(Out):
    """One track."""

    track_id: int
    model: str
    label: str
    first_pts: int
    last_pts: int
    first_seconds: float
    last_seconds: float
    frames: int
    score_max: float


class ModelOut(Out):
    """A model that jobs can name."""

    name: str
    version: str
    sha256: str
    task: str
    labels: list[str]
    licence: str
    score_floor: float
    score_default: float
    state: str | None = None
    """Of the caller's own: READY."""


class HealthOut(Out):
    """The service answers."""

    status: Literal["ok"]
    version: str


class VideosPage(Out):
    """A page of videos, newest first."""

    items: list[VideoOut]
    next_cursor: str | None


class JobsPage(Out):
    """A page of jobs, newest first."""

    items: list[JobOut]
    next_cursor: str | None


class SegmentsPage(Out):
    """A page of segments, in order."""

    items: list[SegmentOut]
    next_cursor: str | None


class DetectionsPage(Out):
    """A page of detections in order of pts, score descending, label, box.

    It may be short, or empty, and still have a cursor.
    """

    items: list[DetectionOut]
    next_cursor: str | None


class TracksPage(Out):
    """A page of tracks in order of their first frame."""

    items: list[TrackOut]
    next_cursor: str | None


def fraction(value: Decimal | float | None) -> Fraction | None:
    """The exact number that the client wrote."""
    if value is None:
        return None
    # A zero may come with any exponent, and a fraction would write all its digits down.
    return Fraction(str(value)) if value else Fraction(0)
