"""Searching across videos: each is asked for itself, newest first, and pages may end anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import Job, JobState, PipelineRef
from chalicelib.domain.query import ast
from chalicelib.domain.query.format import format_query
from chalicelib.domain.result_versions import ResultVersion
from chalicelib.services.ports import Ports
from chalicelib.services.query import VIDEOS_PER_PAGE, QueryHit, search
from chalicelib.services.result_versions import promote, roll_back
from chalicelib.services.videos import get_video
from tests.domain.query_oracle import answer
from tests.domain.query_trees import queries
from tests.fakes.finish import write_finish
from tests.fakes.make import make_fakes
from tests.fakes.makers import TENANT, make_job, make_video
from tests.fakes.versions import FakeResultVersionStore
from tests.services.query_archive import QueryArchive
from tests.services.test_query import told

ZERO = ("bucket", None, None, None, 0)
MAX_PAGES = 5000


def video_id(number: int) -> VideoId:
    return VideoId(f"vid_{number:026d}")


def job_id(number: int) -> JobId:
    return JobId(f"job_{number:026d}")


@cache
def library(seed: int) -> tuple[Ports, list[QueryArchive]]:
    """Three videos with a finished job each, the oldest first; between them videos without one."""
    fakes = make_fakes()
    archives = []
    for number in range(3):
        archives.append(
            QueryArchive(3 * seed + number, fakes, video_id=video_id(2 * number), job_id=job_id(10 * number + 5))
        )
        fakes.ports.videos.add(make_video(video_id=video_id(2 * number + 1)), None)
    # A newer job that still runs, and an older one that finished, say nothing.
    running = make_job(job_id=job_id(6), video_id=video_id(0), state=JobState.RUNNING)
    fakes.ports.jobs.add(running, None)
    fakes.ports.jobs.add(replace(archives[1].job, job_id=job_id(14), plan=None), None)
    return fakes.ports, archives


def walk(ports: Ports, text: str, *, limit: int, budget: int = 48, tenant: TenantId = TENANT) -> list[QueryHit]:
    hits: list[QueryHit] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = search(ports, tenant, text, limit=limit, cursor=cursor, blocks_budget=budget)
        assert len(page.items) <= limit
        hits += page.items
        if page.next_cursor is None:
            return hits
        cursor = page.next_cursor
    raise AssertionError(f"the walk did not end in {MAX_PAGES} pages")


@settings(max_examples=15)
@given(
    query=queries,
    seed=st.integers(0, 1),
    limit=st.sampled_from([1, 3, 1000]),
    budget=st.sampled_from([1, 4]),
)
def test_a_search_is_the_answers_of_the_videos_newest_first(
    query: ast.Query, seed: int, limit: int, budget: int
) -> None:
    ports, archives = library(seed)
    text = format_query(query)
    whole = walk(ports, text, limit=1_000_000, budget=1_000_000)
    expected = [
        (archive.job.video_id, archive.job.job_id, item)
        for archive in reversed(archives)
        for item in answer(query, archive.told)
        if item != ZERO
    ]
    found = [(hit.video_id, hit.job_id, told(hit)) for hit in whole]
    # Pairs of one video come in the product's order; the videos must stay in theirs.
    assert sorted(found, key=lambda one: (one[0], repr(one))) == sorted(expected, key=lambda one: (one[0], repr(one)))
    assert [one[0] for one in found] == sorted((one[0] for one in found), reverse=True)
    assert walk(ports, text, limit=limit, budget=budget) == whole


def version(archive: QueryArchive, number: int, *, pipeline: str | None = None, is_canary: bool = False) -> Job:
    """One more job of an archive's video with the same detections; it succeeded, and nobody was told."""
    request = replace(
        archive.job.request, pipeline=PipelineRef(pipeline, 1) if pipeline else None, promote=not is_canary
    )
    job = replace(archive.job, job_id=job_id(number), state=JobState.SUCCEEDED, request=request)
    archive.ports.jobs.add(job, None)
    results, entries = archive.fakes.results, archive.ports.results.list_index(TENANT, archive.job.job_id, 0, 100)
    for entry in entries:
        results.write_index(TENANT, job.job_id, entry)
    write_finish(results, job, [None] * (max(entry.segment for entry in entries) + 1), [], {})
    return job


def asked(ports: Ports) -> set[JobId]:
    """The jobs that a search has its items from."""
    return {hit.job_id for hit in walk(ports, "detections where score > 0", limit=1000)}


def test_a_canary_answers_no_search_until_it_is_promoted() -> None:
    archive = QueryArchive(4)
    canary = version(archive, 6, is_canary=True)
    assert asked(archive.ports) == {archive.job.job_id}
    video = get_video(archive.ports, TENANT, archive.job.video_id)
    promote(archive.ports, video, canary, cause="as good", by="somebody")
    assert asked(archive.ports) == {canary.job_id}
    roll_back(archive.ports, video, "default", cause="it was not", by="somebody")
    assert asked(archive.ports) == {archive.job.job_id}


def test_a_search_asks_the_newest_of_what_the_pipelines_have() -> None:
    archive = QueryArchive(4)
    people = version(archive, 6, pipeline="people")
    assert asked(archive.ports) == {people.job_id}
    plain = version(archive, 7)
    version(archive, 8, pipeline="people", is_canary=True)
    assert asked(archive.ports) == {plain.job_id}


def test_a_latest_that_is_retried_is_not_asked_for_tracks() -> None:
    archive = QueryArchive(4)
    assert walk(archive.ports, "tracks", limit=100) != []
    detections = len(walk(archive.ports, "detections", limit=1000))
    archive.ports.jobs.save(replace(archive.job, state=JobState.RUNNING), None)
    assert walk(archive.ports, "tracks", limit=100) == []
    assert len(walk(archive.ports, "detections", limit=1000)) == detections


def test_a_video_that_is_deleted_while_its_latest_is_looked_for_is_passed_over() -> None:
    archive = QueryArchive(4)

    class Deleted(FakeResultVersionStore):
        def save(self, version: ResultVersion) -> ResultVersion:
            archive.ports.jobs.delete(archive.job)
            return super().save(version)

    ports = replace(archive.ports, versions=Deleted(archive.fakes.memory))
    assert search(ports, TENANT, "detections", limit=10, cursor=None).items == []


def test_a_search_sees_nothing_of_another_tenant() -> None:
    ports, _ = library(0)
    assert walk(ports, "detections", limit=100, tenant=TenantId("stranger")) == []


class Counting:
    """The port `ResultStore`, with a count of the calls that it took."""

    def __init__(self, results: Any) -> None:
        self._results = results
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        self.calls += 1
        return getattr(self._results, name)


def with_summary(labels: Sequence[str]) -> tuple[Ports, Counting]:
    """A video whose job has this in its summary."""
    archive = QueryArchive(2)
    assert archive.job.request.labels == ()
    summary: dict[str, object] = {"labels": [{"label": label, "detections": 1} for label in labels]}
    archive.ports.jobs.save(replace(archive.job, summary=summary), None)
    results: Any = Counting(archive.ports.results)
    return replace(archive.ports, results=results), results


@pytest.mark.parametrize(
    ("text", "is_passed_over"),
    [
        ('detections where label = "unicorn"', True),
        ('count detections where label in ("unicorn", "griffin")', True),
        ('appearances where label = "unicorn" before appearances within 1s', True),
        ('appearances where label = "dog"', False),
        ('detections where label = "unicorn" or track = 1', False),
        # The summary has only what reached the default threshold.
        ('detections where label = "unicorn" and score > 0.01', False),
        ("detections", False),
    ],
)
def test_a_video_whose_summary_has_no_such_label_costs_no_read_of_results(text: str, is_passed_over: bool) -> None:
    ports, results = with_summary(["dog"])
    search(ports, TENANT, text, limit=10, cursor=None)
    assert (results.calls == 0) is is_passed_over


def test_a_page_looks_at_a_bounded_number_of_videos() -> None:
    fakes = make_fakes()
    for number in range(VIDEOS_PER_PAGE + 10):
        fakes.ports.videos.add(make_video(video_id=video_id(number)), None)
    page = search(fakes.ports, TENANT, "detections", limit=10, cursor=None)
    assert (page.items, page.next_cursor is not None) == ([], True)
    assert search(fakes.ports, TENANT, "detections", limit=10, cursor=page.next_cursor).next_cursor is None


def test_a_video_that_is_deleted_between_two_pages_is_passed_over() -> None:
    archive = QueryArchive(4)
    page = search(archive.ports, TENANT, "detections", limit=1, cursor=None)
    archive.ports.jobs.delete(archive.job)
    rest = search(archive.ports, TENANT, "detections", limit=1, cursor=page.next_cursor)
    assert (rest.items, rest.next_cursor) == ([], None)


def test_a_video_whose_blocks_were_removed_is_passed_over() -> None:
    archive = QueryArchive(4)
    video = archive.ports.videos.get(TENANT, archive.job.video_id)
    assert video is not None
    archive.ports.results.drop_reference(TENANT, video.source.content_digest, video.video_id)
    assert walk(archive.ports, "detections", limit=10) == []


def test_a_cursor_of_one_search_is_none_of_another() -> None:
    ports, _ = library(0)
    cursor = search(ports, TENANT, "detections", limit=1, cursor=None).next_cursor
    with pytest.raises(InvalidRequest):
        search(ports, TENANT, "tracks", limit=1, cursor=cursor)
