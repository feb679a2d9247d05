"""How answers are written."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api import schemas, version_schemas
from chalicelib.api.present import detections_json, detections_out
from chalicelib.services.results import FoundDetection

quarters = st.integers(-(2**31), 2**31 - 1).map(lambda side: side / 16)
detections = st.builds(
    FoundDetection,
    pts=st.integers(-(2**62), 2**62),
    timebase=st.just(Fraction(1)),
    frame_index=st.none() | st.integers(0, 2**40),
    model=st.text(),
    label=st.text(),
    score=st.integers(0, 10_000).map(lambda score: score / 10_000),
    box=st.tuples(quarters, quarters, quarters, quarters),
    track_id=st.none() | st.integers(1, 2**32 - 1),
)
timebases = st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**9))


@given(st.lists(detections, max_size=4), timebases, st.none() | st.text())
def test_a_page_is_written_as_its_model_would_write_it(
    found: list[FoundDetection], timebase: Fraction, cursor: str | None
) -> None:
    found = [one._replace(timebase=timebase) for one in found]
    written = detections_json(found, cursor)
    assert written == detections_out(found, cursor).model_dump_json(exclude_unset=True)
    version = version_schemas.VersionDetectionsPage(
        job_id="job_1", items=detections_out(found, None).items, next_cursor=cursor
    )
    assert detections_json(found, cursor, job_id="job_1") == version.model_dump_json(exclude_unset=True)
    # And so it is what the OpenAPI document says.
    schemas.DetectionsPage.model_validate_json(written)
