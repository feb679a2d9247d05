from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import JobState, PlanFacts
from chalicelib.services.index_reader import RUNNING_ENTRIES_PER_PAGE
from chalicelib.services.jobs import forget_job, get_job_to_read
from chalicelib.services.ports import Ports
from chalicelib.services.results import (
    DetectionQuery,
    FoundDetection,
    find_detections,
    find_tracks,
)
from chalicelib.services.shared_reads import SharedReads
from chalicelib.services.walk import BLOCKS_PER_PAGE
from tests.fakes.finish import write_finish
from tests.fakes.makers import TIMEBASE, make_job, make_media, make_video
from tests.fakes.results import CountingResults
from tests.services.archive import Archive
from tests.services.world import World, make_entry

EVERYTHING = DetectionQuery(score_min=0.0)
MAX_PAGES = 3000


def walk(archive: Archive, query: DetectionQuery, limit: int) -> list[Sequence[FoundDetection]]:
    """The pages from the first to the last."""
    pages: list[Sequence[FoundDetection]] = []
    cursor = None
    while len(pages) < MAX_PAGES:
        page, cursor = find_detections(archive.ports, archive.job, query, limit=limit, cursor=cursor)
        pages.append(page)
        if cursor is None:
            return pages
    raise AssertionError(f"the walk did not end in {MAX_PAGES} pages")


def joined(pages: Sequence[Sequence[FoundDetection]]) -> list[FoundDetection]:
    return [found for page in pages for found in page]


class Noting:
    """A port, with a note of every call."""

    def __init__(self, port: Any, calls: list[str]) -> None:
        self._port, self._calls = port, calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._calls.append(name)
            return method(*arguments, **options)

        return call


def counting(ports: Ports) -> tuple[Ports, CountingResults]:
    results: Any = CountingResults(ports.results)
    return replace(ports, results=results), results


@settings(max_examples=120, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), segments=st.integers(1, 12), limit=st.sampled_from([1, 2, 3, 7, 50, 1000]))
def test_a_cursor_walk_equals_the_unpaged_answer(seed: int, segments: int, limit: int) -> None:
    archive = Archive(seed, segments=segments)
    for _ in range(3):
        query = archive.draw_query()
        pages = walk(archive, query, limit)
        assert joined(pages) == archive.answer(query)
        assert max(len(page) for page in pages) <= limit


def test_a_walk_over_more_blocks_than_a_page_reads_equals_the_unpaged_answer() -> None:
    archive = Archive(7, segments=60, failed=False)
    pages = walk(archive, EVERYTHING, limit=100_000)
    assert len(pages) > 3
    assert joined(pages) == archive.answer(EVERYTHING)


def test_no_page_reads_more_blocks_than_its_budget() -> None:
    archive = Archive(7, segments=60, failed=False)
    read_by_page: list[int] = []
    cursor = None
    while cursor or not read_by_page:
        ports, results = counting(archive.ports)
        _, cursor = find_detections(ports, archive.job, EVERYTHING, limit=100_000, cursor=cursor)
        read_by_page.append(results.blocks_read)
    assert (len(read_by_page) > 3, max(read_by_page) <= BLOCKS_PER_PAGE) == (True, True)


def test_a_track_that_there_is_not_is_found_to_be_missing_without_reading_a_block() -> None:
    archive = Archive(7, segments=60, failed=False)
    ports, results = counting(archive.ports)
    found = find_detections(ports, archive.job, replace(EVERYTHING, track_id=99), limit=10, cursor=None)
    assert (found, results.blocks_read) == (([], None), 0)


def test_a_question_about_a_moment_reads_only_the_blocks_of_that_moment() -> None:
    archive = Archive(7, segments=60, failed=False)
    late = Fraction(archive.end_pts, 90)
    ports, results = counting(archive.ports)
    query = DetectionQuery(score_min=0.0, from_seconds=late - Fraction(1, 10))
    find_detections(ports, archive.job, query, limit=100, cursor=None)
    assert results.blocks_read <= 12


def test_a_walk_over_thousands_of_empty_segments_ends() -> None:
    world = World()
    job = world.running(cells=6)
    segments = 2 * RUNNING_ENTRIES_PER_PAGE + 50
    for segment in range(segments):
        world.fakes.results.write_index(job.tenant, job.job_id, make_entry(segment))
    pages, cursor = 0, None
    while cursor or not pages:
        page, cursor = find_detections(world.ports, job, DetectionQuery(), limit=10, cursor=cursor)
        assert page == []
        pages += 1
    assert pages == 3


def test_a_job_that_is_not_planned_has_no_results_yet() -> None:
    world = World()
    assert find_detections(world.ports, make_job(), DetectionQuery(), limit=10, cursor=None) == ([], None)


def test_a_block_that_was_swept_is_said_to_be_gone() -> None:
    archive = Archive(11, segments=4, failed=False)
    archive.ports.results.drop_reference(archive.job.tenant, "d" * 64, archive.job.video_id)
    with pytest.raises(NotFound, match="were removed"):
        find_detections(archive.ports, archive.job, EVERYTHING, limit=10, cursor=None)


@pytest.mark.parametrize(
    "change", [{"label": "dog"}, {"from_seconds": Fraction(0)}, {"score_min": 0.1}, {"model": "ant"}]
)
def test_a_cursor_is_good_only_for_the_question_that_it_came_from(change: dict[str, Any]) -> None:
    archive = Archive(11, segments=4, failed=False)
    _, cursor = find_detections(archive.ports, archive.job, EVERYTHING, limit=1, cursor=None)
    with pytest.raises(InvalidRequest):
        find_detections(archive.ports, archive.job, replace(EVERYTHING, **change), limit=1, cursor=cursor)


def test_a_cursor_of_another_tenant_is_refused() -> None:
    archive = Archive(11, segments=4, failed=False)
    _, cursor = find_detections(archive.ports, archive.job, EVERYTHING, limit=1, cursor=None)
    stranger = replace(archive.job, tenant=TenantId("stranger"))
    video = archive.ports.videos.get(archive.job.tenant, archive.job.video_id)
    assert video is not None
    archive.ports.videos.add(replace(video, tenant=stranger.tenant), None)
    with pytest.raises(InvalidRequest):
        find_detections(archive.ports, stranger, EVERYTHING, limit=1, cursor=cursor)


# --- tracks -----------------------------------------------------------------------------------------------------------


def draw_tracks(seed: int) -> tuple[World, list[TrackRow]]:
    """A job with its tracks in chunks of a few."""
    chance, world = random.Random(seed), World()
    world.ports.videos.add(make_video(media=make_media()), None)
    starts = sorted(chance.randint(0, 5000) for _ in range(chance.randint(0, 90)))
    tracks = [
        TrackRow(number, "toy", chance.choice(["person", "dog"]), start, start + chance.randint(0, 2000), 5, 9000)
        for number, start in enumerate(starts, start=1)
    ]
    size = chance.randint(1, 4)
    chunks = [tracks[first : first + size] for first in range(0, len(tracks), size)]
    job = make_job()
    write_finish(world.fakes.results, job, [], chunks, {})
    return world, tracks


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    limit=st.sampled_from([1, 3, 1000]),
    label=st.sampled_from([None, "person"]),
    window=st.tuples(*(st.one_of(st.none(), st.fractions(0, 7, max_denominator=1001)) for _ in range(2))),
)
def test_a_walk_over_tracks_equals_the_unpaged_answer(
    seed: int, limit: int, label: str | None, window: tuple[Fraction | None, Fraction | None]
) -> None:
    world, tracks = draw_tracks(seed)
    job = make_job(plan=PlanFacts(1, 1))
    start, end = window
    expected = [
        track
        for track in tracks
        if label in (None, track.label)
        and (start is None or track.last_pts * TIMEBASE >= start)
        and (end is None or track.first_pts * TIMEBASE < end)
    ]
    found: list[TrackRow] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page, _, cursor = find_tracks(
            world.ports, job, label=label, from_seconds=start, to_seconds=end, limit=limit, cursor=cursor
        )
        assert len(page) <= limit
        found += page
        if cursor is None:
            break
    assert found == expected


def test_a_job_that_is_not_planned_has_no_tracks_yet() -> None:
    found, _, cursor = find_tracks(
        World().ports, make_job(), label=None, from_seconds=None, to_seconds=None, limit=10, cursor=None
    )
    assert (list(found), cursor) == ([], None)


def a_finished_job(segments: int) -> Archive:
    """One whose tree has been written."""
    return next(archive for seed in count(1) if (archive := Archive(seed, segments=segments)).is_finished)


def test_the_pages_of_a_second_share_what_does_not_change() -> None:
    archive = a_finished_job(4)
    ports = replace(archive.ports, polled=SharedReads(1.0))
    reads: list[str] = []
    noted: Any = Noting(ports.jobs, reads), Noting(ports.videos, reads), Noting(ports.models, reads)
    ports = replace(ports, jobs=noted[0], videos=noted[1], models=noted[2])
    for _ in range(3):
        job = get_job_to_read(ports, archive.job.tenant, archive.job.job_id)
        find_detections(ports, job, EVERYTHING, limit=10, cursor=None)
    assert len(reads) == 2 + len(archive.job.models)


def test_a_job_that_runs_is_read_for_every_page() -> None:
    archive = a_finished_job(4)
    ports = replace(archive.ports, polled=SharedReads(1.0))
    running = ports.jobs.save(replace(archive.job, state=JobState.RUNNING), None)
    before = get_job_to_read(ports, running.tenant, running.job_id)
    ports.jobs.save(replace(running, state=JobState.SUCCEEDED), None)
    after = get_job_to_read(ports, running.tenant, running.job_id)
    assert (before.state, after.state) == (JobState.RUNNING, JobState.SUCCEEDED)


def test_a_retry_is_seen_at_once_by_the_process_that_made_it() -> None:
    archive = a_finished_job(4)
    ports = replace(archive.ports, polled=SharedReads(1.0))
    ended = get_job_to_read(ports, archive.job.tenant, archive.job.job_id)
    ports.jobs.save(replace(ended, state=JobState.RUNNING), None)
    forget_job(ports, ended.tenant, ended.job_id)
    assert get_job_to_read(ports, ended.tenant, ended.job_id).state is JobState.RUNNING
