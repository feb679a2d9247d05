"""Diffs: the sums of a walk are those of looking at every pair, however it is split and whatever it leaves unread."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.diff import NO_DIFF, Diff, DiffSums
from chalicelib.domain.errors import Conflict, InvalidRequest
from chalicelib.domain.jobs import Job, JobState
from chalicelib.services import diff_walk
from chalicelib.services.diff import DiffQuery, diff_jobs, find_scope
from chalicelib.services.diff_changes import Change, ChangeKind, list_changes
from chalicelib.services.diff_pieces import find_pieces
from chalicelib.services.walk import BLOCKS_PER_PAGE
from tests.fakes.results import CountingResults
from tests.services.diff_archive import LABELS, DiffArchive

MAX_CALLS = 3000
USUAL = DiffQuery()
EVERYTHING = DiffQuery(score_min=0.0)
seeds = st.integers(0, 2**32)


def sum_of(
    archive: DiffArchive,
    query: DiffQuery = USUAL,
    *,
    ranges: int = 7,
    budget: int = 1_000_000,
    jobs: tuple[Job, Job] | None = None,
) -> Diff:
    """The sum of all calls."""
    a, b = jobs or (archive.a.job, archive.b.job)
    total, cursor = NO_DIFF, None
    for _ in range(MAX_CALLS):
        diff, cursor = diff_jobs(archive.ports, a, b, cursor, query=query, ranges=ranges, blocks_budget=budget)
        total += diff
        if cursor is None:
            return total
    raise AssertionError(f"the diff did not end in {MAX_CALLS} calls")


def changes_of(
    archive: DiffArchive, query: DiffQuery, *, kind: ChangeKind | None = None, limit: int = 1000
) -> list[Change]:
    """All changes, page by page."""
    found: list[Change] = []
    cursor = None
    for _ in range(MAX_CALLS):
        page, cursor = list_changes(
            archive.ports, archive.a.job, archive.b.job, query, kind=kind, limit=limit, cursor=cursor
        )
        assert len(page) <= limit
        found += page
        if cursor is None:
            return found
    raise AssertionError(f"the changes did not end in {MAX_CALLS} pages")


def mirrored(sums: DiffSums) -> DiffSums:
    return replace(sums, a_count=sums.b_count, b_count=sums.a_count, score_change_sum=-sums.score_change_sum)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=seeds, ranges=st.sampled_from([1, 3, 60]), budget=st.sampled_from([1, 2, 5, 1_000_000]))
def test_the_sums_are_those_of_looking_at_every_pair(seed: int, ranges: int, budget: int) -> None:
    archive = DiffArchive(seed)
    query = archive.draw_query()
    assert sum_of(archive, query, ranges=ranges, budget=budget) == archive.answer(query, ranges)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=seeds, steps=st.integers(1, 30), budget=st.integers(1, 9))
def test_a_walk_that_is_split_anywhere_gives_the_same_sum(seed: int, steps: int, budget: int) -> None:
    archive = DiffArchive(seed)
    query = archive.draw_query()
    whole = sum_of(archive, query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff_walk, "STEPS_PER_WALK", steps)
        assert sum_of(archive, query, budget=budget) == whole


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=seeds)
def test_a_job_agrees_with_itself(seed: int) -> None:
    archive = DiffArchive(seed)
    for job in (archive.a.job, archive.b.job):
        diff = sum_of(archive, replace(archive.draw_query(), model_a=None, model_b=None), jobs=(job, job))
        total = diff.total
        assert (total.matched, total.moved, total.score_change_sum) == (total.a_count, 0, 0)
        assert (total.b_count, total.iou_sum) == (total.a_count, total.matched * 1_000_000)
        assert diff.agreement == 1
        assert (diff.frames.only_a, diff.frames.only_b) == (0, 0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=seeds)
def test_a_diff_is_the_mirror_of_the_other_way_round(seed: int) -> None:
    archive = DiffArchive(seed)
    query = archive.draw_query()
    there = sum_of(archive, query)
    back = sum_of(
        archive, replace(query, model_a=query.model_b, model_b=query.model_a), jobs=(archive.b.job, archive.a.job)
    )
    assert {label: mirrored(sums) for label, sums in back.labels.items()} == there.labels
    assert tuple(map(mirrored, back.over_time)) == there.over_time
    assert (back.missing_b, back.missing_a) == (there.missing_a, there.missing_b)
    assert (back.frames.only_b, back.frames.both) == (there.frames.only_a, there.frames.both)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=seeds)
def test_the_diffs_of_the_labels_make_the_diff_of_all(seed: int) -> None:
    archive = DiffArchive(seed)
    query = replace(archive.draw_query(), label=None)
    whole = sum_of(archive, query)
    parts = [sum_of(archive, replace(query, label=label)) for label in LABELS]
    assert {label: sums for part in parts for label, sums in part.labels.items()} == whole.labels
    assert (
        tuple(sum(sums, DiffSums()) for sums in zip(*(part.over_time for part in parts), strict=True))
        == whole.over_time
    )
    assert {part.frames for part in parts} == {whole.frames}
    assert {part.missing_a for part in parts} == {whole.missing_a}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=seeds)
def test_what_is_left_unread_is_what_reading_it_would_have_given(seed: int) -> None:
    archive = DiffArchive(seed, is_alike=True)
    query = archive.draw_query()
    skipped = sum_of(archive, query)
    with pytest.MonkeyPatch.context() as patch:
        # Two rules of sampling that are never the same: no cell is settled.
        patch.setattr("chalicelib.services.diff_pieces._same_facts", lambda _: None)
        assert sum_of(archive, query) == skipped


def test_blocks_that_both_jobs_have_are_counted_without_being_read() -> None:
    archive = DiffArchive(3, cells=12, is_alike=True)
    results: Any = CountingResults(archive.ports.results)
    archive.ports = replace(archive.ports, results=results)
    job = archive.a.job
    diff = sum_of(archive, EVERYTHING, ranges=1, jobs=(job, job))
    assert (diff.total.matched > 10, results.blocks_read) == (True, 0)
    # By a threshold the index cannot tell the counts: each block is read once, not once for each job.
    blocks = sum(
        len(cell.blocks) for entry in _entries(archive, job) for of_model in entry.cells_by_model for cell in of_model
    )
    sum_of(archive, DiffQuery(score_min=0.35), jobs=(job, job))
    assert 0 < results.blocks_read <= blocks


def _entries(archive: DiffArchive, job: Job) -> Any:
    return archive.fakes.results.list_index(job.tenant, job.job_id, 0, 1000)


def test_a_model_that_was_added_is_counted_without_comparing() -> None:
    archive = next(
        drawn
        for drawn in (DiffArchive(seed, is_alike=True) for seed in range(100))
        if {ref.name for ref in drawn.a.job.models} < {ref.name for ref in drawn.b.job.models}
    )
    scope, _ = find_scope(archive.ports, archive.a.job, archive.b.job, EVERYTHING, 1)
    a, b = (_entries(archive, job) for job in (archive.a.job, archive.b.job))
    end_pts = min(a[0].end_pts, b[0].end_pts)
    pieces, _ = find_pieces((a[0], b[0]), scope, diff_walk.EARLIEST, end_pts)
    assert pieces
    assert all(piece.is_counted and not piece.needs_block for piece in pieces)


def test_no_call_reads_more_blocks_than_its_budget() -> None:
    archive = DiffArchive(11, cells=60, is_alike=False)
    read: list[int] = []
    cursor = None
    while cursor or not read:
        results: Any = CountingResults(archive.ports.results)
        ports = replace(archive.ports, results=results)
        _, cursor = diff_jobs(ports, archive.a.job, archive.b.job, cursor, query=DiffQuery(score_min=0.35))
        read.append(results.blocks_read)
    assert len(read) > 2
    assert max(read) <= BLOCKS_PER_PAGE


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=seeds, limit=st.sampled_from([1, 2, 5, 1000]))
def test_the_changes_are_those_that_the_sums_count(seed: int, limit: int) -> None:
    archive = DiffArchive(seed)
    query = archive.draw_query()
    diff = sum_of(archive, query)
    changes = changes_of(archive, query, limit=limit)
    counted = Counter((change.kind, change.label) for change in changes)
    assert counted == Counter(
        {
            (kind, label): number
            for label, sums in diff.labels.items()
            for kind, number in (("added", sums.added), ("removed", sums.removed), ("moved", sums.moved))
            if number
        }
    )
    assert [(c.pts) for c in changes] == sorted(c.pts for c in changes)
    for kind in ChangeKind:
        assert changes_of(archive, query, kind=kind, limit=limit) == [c for c in changes if c.kind is kind]
    for change in changes:
        assert (change.a is None, change.b is None) == (
            change.kind is ChangeKind.ADDED,
            change.kind is ChangeKind.REMOVED,
        )


def test_changes_do_not_depend_on_where_pages_end() -> None:
    archive = DiffArchive(5, cells=30, is_alike=True)
    whole = changes_of(archive, EVERYTHING)
    assert len(whole) > 30
    assert changes_of(archive, EVERYTHING, limit=1) == changes_of(archive, EVERYTHING, limit=7) == whole


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seeds=st.lists(st.integers(0, 10_000), min_size=3, max_size=3))
def test_diffs_of_many_videos_add_up_in_any_order(seeds: list[int]) -> None:
    diffs = [sum_of(archive, archive.draw_query()) for archive in map(DiffArchive, seeds)]
    one, two, three = diffs
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one
    assert NO_DIFF + one == one == one + NO_DIFF
    assert sum(diffs, NO_DIFF).total == one.total + two.total + three.total
    for diff in (*diffs, sum(diffs, NO_DIFF)):
        assert Diff.from_json(diff.to_json()) == diff


def test_a_cursor_of_another_diff_is_refused() -> None:
    archive = DiffArchive(11, cells=60, is_alike=False)
    a, b = archive.a.job, archive.b.job
    _, cursor = diff_jobs(archive.ports, a, b, query=DiffQuery(score_min=0.35))
    assert cursor
    for jobs, query in (((b, a), DiffQuery(score_min=0.35)), ((a, b), DiffQuery(score_min=0.4))):
        with pytest.raises(InvalidRequest):
            diff_jobs(archive.ports, *jobs, cursor, query=query)


def test_jobs_of_other_content_are_not_compared() -> None:
    archive = DiffArchive(1)
    video = archive.ports.videos.get(archive.a.job.tenant, archive.a.job.video_id)
    assert video is not None
    other = replace(video, video_id="vid_" + "0" * 25 + "2", source=replace(video.source, content_digest="e" * 64))  # type: ignore[arg-type]
    archive.ports.videos.add(other, None)
    foreign = replace(archive.b.job, video_id=other.video_id)
    with pytest.raises(Conflict, match="same content"):
        diff_jobs(archive.ports, archive.a.job, foreign)
    # The same file under another name is the same content.
    twin = replace(other, video_id="vid_" + "0" * 25 + "3", source=video.source)  # type: ignore[arg-type]
    archive.ports.videos.add(twin, None)
    assert sum_of(archive, jobs=(archive.a.job, replace(archive.b.job, video_id=twin.video_id))) == sum_of(archive)


def test_a_job_that_has_no_plan_is_not_compared() -> None:
    archive = DiffArchive(1)
    with pytest.raises(Conflict, match="PENDING"):
        diff_jobs(archive.ports, archive.a.job, replace(archive.b.job, plan=None, state=JobState.PENDING))


def test_a_model_that_a_job_does_not_have_is_refused() -> None:
    archive = DiffArchive(random.Random(1).randrange(100))
    with pytest.raises(InvalidRequest, match="'nobody'"):
        diff_jobs(archive.ports, archive.a.job, archive.b.job, query=DiffQuery(model_b="nobody"))
