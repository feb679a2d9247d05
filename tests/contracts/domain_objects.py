"""Any video, job and unit, for hypothesis: every field may have every value that its type allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import strategies as st

from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.events import CommittedRange, JobEvent, JobEventKind, LabelCount
from chalicelib.domain.ids import JobId, SubmissionId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobRequest, JobState, MissingRange, ModelRef, PipelineRef, PlanFacts
from chalicelib.domain.media import Media, WholeReason
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.result_versions import End, Move, MoveKind, ResultVersion
from chalicelib.domain.reuse import Made, ModelReuse, ReuseReceipt
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.side_steps import SideStep
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.units import SIDE_KINDS, Lane, Unit, UnitKind, UnitState
from chalicelib.domain.videos import Index, Source, Upload, UploadKind, Video, VideoState

texts = st.text(max_size=20)
naturals = st.integers(0, 2**40)
seconds = st.floats(0, 1e9) | st.integers(0, 10**9).map(float)
scores = st.none() | st.floats(0, 1) | st.sampled_from([0.0, 1.0])
fractions = st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**6))
moments = st.integers(0, 10**12).map(lambda number: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number))
tenants = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True).map(TenantId)
video_ids = st.from_regex(r"vid_[0-9A-HJKMNP-TV-Z]{26}", fullmatch=True).map(VideoId)
job_ids = st.from_regex(r"job_[0-9A-HJKMNP-TV-Z]{26}", fullmatch=True).map(JobId)

failures = st.builds(Failure, st.sampled_from(ErrorCode), texts, texts)
samplings = st.sampled_from([Sampling(), Sampling(SamplingKind.KEYFRAMES)]) | st.sampled_from(
    [Fraction(2), Fraction(1, 2), Fraction(2997, 100), Fraction(1, 10), Fraction(1000)]
).map(lambda n: Sampling(SamplingKind.PER_SECOND, n))

media = st.builds(
    Media,
    container=texts,
    codec=texts,
    width=naturals,
    height=naturals,
    rotation=st.sampled_from([0, 90, 180, 270]),
    timebase=fractions,
    duration_seconds=seconds,
    frame_count=st.none() | naturals,
    keyframes=naturals,
)
indexes = st.builds(
    Index,
    cells_key=texts,
    table_key=texts,
    cell_count=naturals,
    decoder=texts,
    start_pts=st.integers(-(2**40), 2**40),
    end_pts=naturals,
    whole_reason=st.none() | st.sampled_from(WholeReason),
)
videos = st.builds(
    Video,
    tenant=tenants,
    video_id=video_ids,
    filename=texts,
    state=st.sampled_from(VideoState),
    created_at=moments,
    content_type=texts,
    upload=st.builds(Upload, st.sampled_from(UploadKind), moments, texts, naturals, naturals),
    source=st.builds(Source, texts, texts, naturals, texts, texts, texts),
    sha256=texts,
    media=st.none() | media,
    index=st.none() | indexes,
    failure=st.none() | failures,
    version=naturals,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
model_refs = st.lists(st.builds(ModelRef, texts, texts, texts), max_size=3).map(tuple)
trackers = st.builds(
    TrackingParameters,
    score_high=st.none() | st.floats(0.01, 1),
    lost_seconds=st.none() | st.floats(0, 60),
    confirm_hits=st.none() | st.integers(1, 60),
    labels=st.lists(texts, max_size=3).map(tuple),
)
requests = st.builds(
    JobRequest,
    models=st.lists(texts, max_size=3).map(tuple),
    sampling=samplings,
    score_min=scores,
    labels=st.lists(texts, max_size=3).map(tuple),
    segment_seconds=st.none() | fractions,
    tracking=st.booleans(),
    tracker=st.none() | trackers,
    pipeline=st.none() | st.builds(PipelineRef, texts, st.integers(1, 9999)),
    promote=st.booleans(),
)
jobs = st.builds(
    Job,
    tenant=tenants,
    job_id=job_ids,
    video_id=video_ids,
    state=st.sampled_from(JobState),
    request=requests,
    models=model_refs,
    created_at=moments,
    deadline_at=moments,
    plan=st.none() | st.builds(PlanFacts, naturals, naturals, st.none() | st.sampled_from(WholeReason)),
    finished_at=st.none() | moments,
    summary=st.none() | st.dictionaries(texts, json_values, max_size=3),
    missing=st.lists(st.builds(MissingRange, seconds, seconds, failures), max_size=3).map(tuple),
    failure=st.none() | failures,
    version=naturals,
    made=st.none() | st.builds(Made, texts, st.lists(texts, max_size=3).map(tuple)),
    reused=st.none()
    | st.builds(
        ReuseReceipt,
        st.lists(st.builds(ModelReuse, naturals, naturals, naturals, naturals), max_size=3).map(tuple),
        st.none() | job_ids,
    ),
)


names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
pipelines = st.builds(
    Pipeline,
    tenant=tenants,
    name=names,
    version=st.integers(1, 9999),
    request=requests,
    models=model_refs,
    created_at=moments,
    created_by=texts,
)
result_versions = st.builds(
    ResultVersion,
    tenant=tenants,
    video_id=video_ids,
    pipeline_name=names,
    alias=st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True),
    moves=st.lists(
        st.builds(Move, st.sampled_from(MoveKind), st.none() | job_ids, job_ids, texts, texts, moments), max_size=3
    ).map(tuple),
    newest_end=st.none() | st.builds(End, st.booleans(), job_ids),
    version=naturals,
)
ranges = st.builds(
    CommittedRange,
    segment_index=naturals,
    start_pts=st.integers(-(2**40), 2**40),
    end_pts=naturals,
    start_seconds=seconds,
    end_seconds=seconds,
    labels=st.lists(st.builds(LabelCount, texts, naturals, st.floats(0, 1)), max_size=3).map(tuple),
)
_event_base = {
    "tenant": tenants,
    "job_id": job_ids,
    "video_id": video_ids,
    "origin": texts,
    "created_at": moments,
    "seq": naturals,
}
events = st.builds(
    JobEvent,
    **_event_base,
    kind=st.just(JobEventKind.JOB_STATE_CHANGED),
    state=st.sampled_from(JobState),
    failure=st.none() | failures,
) | st.builds(JobEvent, **_event_base, kind=st.just(JobEventKind.SEGMENT_COMMITTED), committed=ranges)


NO_NAME = st.just("")


def units(kind: UnitKind, names: st.SearchStrategy[str] = NO_NAME) -> st.SearchStrategy[Unit]:
    """Units of one kind, in any state."""
    return st.builds(
        Unit,
        kind=st.just(kind),
        index=st.integers(0, 99_999),
        state=st.sampled_from(UnitState),
        attempt=naturals,
        attempts_allowed=naturals,
        fence=texts,
        lease_until=seconds,
        claimed_by=texts,
        submission=texts.map(SubmissionId),
        child=naturals,
        lane=st.sampled_from(Lane),
        failure=st.none() | failures,
        name=names,
        provider=st.sampled_from(["", "cpu", "cuda,cpu"]),
        analyses=st.lists(texts, max_size=3).map(tuple),
    )


side_steps = st.builds(
    SideStep,
    unit=st.sampled_from(sorted(SIDE_KINDS)).flatmap(
        lambda kind: units(kind, st.from_regex(r"[0-9a-z]{1,4}(_[0-9A-Z#]{1,8})?", fullmatch=True))
    ),
    parameters=st.dictionaries(texts, json_values, max_size=3),
    created_at=moments,
    deadline_at=moments,
    job_finished_at=st.none() | moments,
    finished_at=st.none() | moments,
    result=st.none() | st.dictionaries(texts, json_values, max_size=3),
)
