"""Pages of queries: what is read, what a cursor carries, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.errors import Conflict, InvalidRequest, LimitExceeded
from chalicelib.domain.jobs import Job, JobState, PlanFacts
from chalicelib.domain.query.ast import Pairs, ResultKind
from chalicelib.domain.query.found import Bucket, Found
from chalicelib.domain.query.parse import parse_query
from chalicelib.domain.videos import VideoState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports
from chalicelib.services.query import MAX_CURSOR_CHARS, _answer, _write_state, run_query
from chalicelib.services.query_page import Filling, Source
from chalicelib.services.query_rows import fold_rows
from chalicelib.services.results import DetectionQuery, find_detections
from tests.contracts.block_makers import make_block
from tests.fakes.finish import write_finish
from tests.fakes.make import make_fakes
from tests.fakes.makers import TIMEBASE, make_job, make_manifest, make_media, make_segment, make_unit, make_video
from tests.fakes.results import CountingResults
from tests.services.query_archive import QueryArchive, archive_of

BIG = 7


def blocks_read(archive: QueryArchive, text: str, budget: int = 100_000) -> int:
    """Of the first page."""
    results: Any = CountingResults(archive.ports.results)
    ports = replace(archive.ports, results=results)
    run_query(ports, archive.job, text, limit=1000, cursor=None, blocks_budget=budget)
    return int(results.blocks_read)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ("detections where time in [1s, 1.2s)", "detections"),
        ("detections where time < 0.5s or time in [1s, 1.2s) and score > 0.2", "detections"),
        ('appearances where label = "bicycle" and time < 1s', "appearances"),
        ("count detections where score > 0.9", "count detections where score > 0"),
        ("tracks where track = 1 and score > 0", "tracks where score > 0"),
        ("tracks where time < 0.3s and score > 0", "tracks where score > 0"),
        ('detections where model = "nobody"', "detections"),
    ],
)
def test_blocks_that_cannot_match_are_not_read(narrow: str, wide: str) -> None:
    archive = archive_of(BIG)
    assert blocks_read(archive, narrow) < blocks_read(archive, wide)


@pytest.mark.parametrize(
    "text",
    [
        "tracks",
        'tracks where not label = "dog"',
        "count tracks",
        "count tracks by label",
        "tracks overlaps tracks",
        'detections where label = "unicorn"',
        'detections where label = "dog" and label = "person"',
    ],
)
def test_what_the_list_of_tracks_or_the_index_says_costs_no_block(text: str) -> None:
    assert blocks_read(archive_of(BIG), text) == 0


@pytest.mark.parametrize("text", ["appearances longest 2", "count detections by label", "best detection per track"])
def test_a_page_reads_no_more_blocks_than_its_budget(text: str) -> None:
    archive = archive_of(BIG)
    assert blocks_read(archive, text) > 10
    assert blocks_read(archive, text, budget=7) <= 7


@pytest.mark.parametrize("text", ["appearances longest 2", "count detections", "count tracks where score > 0 by label"])
def test_an_answer_that_is_known_only_at_the_end_comes_with_the_last_pages(text: str) -> None:
    archive = archive_of(BIG)
    cursor: str | None = None
    counts: list[int] = []
    while cursor or not counts:
        page = run_query(archive.ports, archive.job, text, limit=100, cursor=cursor, blocks_budget=5)
        counts.append(len(page.items))
        cursor = page.next_cursor
    assert counts[-1] > 0
    assert set(counts[:-1]) == {0}


def test_a_page_compares_a_bounded_number_of_detections_with_each_other() -> None:
    archive = archive_of(4)
    source, query = Source(archive.ports, archive.job), parse_query("detections together with detections")
    assert isinstance(query, Pairs)
    whole = Filling(100_000, 100_000)
    walked: list[Found] = []
    assert fold_rows(source, query, whole, None) is None
    state: Any = None
    pages = 0
    while state is not None or not pages:
        page = Filling(100_000, 100_000, steps_left=1)
        state = fold_rows(source, query, page, state)
        walked += page.found
        pages += 1
    assert walked == whole.found
    assert pages > 10


@pytest.mark.parametrize(
    "text",
    [
        "detections",
        "count detections by label",
        "appearances",
        "detections together with detections",
        "tracks",
        "tracks where score > 0",
        "best detection per track",
        "count tracks where score > 0 by label",
    ],
)
def test_a_page_that_may_do_one_step_gets_on_and_finds_what_one_page_finds(text: str) -> None:
    archive = archive_of(4)
    source, query = Source(archive.ports, archive.job), parse_query(text)
    whole = Filling(100_000, 100_000, 100_000, 10**9)
    assert _answer(source, query, whole, None) is None
    walked: list[Found] = []
    state: Any = None
    pages = 0
    while pages < 2000 and (state is not None or not pages):
        page = Filling(100_000, 100_000, 100_000, steps_left=1)
        state = _answer(source, query, page, state)
        walked += page.found
        pages += 1
    assert walked == whole.found
    assert 1 < pages < 2000


def test_a_condition_that_takes_long_ends_a_page_sooner() -> None:
    archive = archive_of(BIG)
    polygon = ", ".join(f"({number % 2 * 9000}, {number})" for number in range(100))
    left = []
    for text in ("count detections where score > 0", f"count detections where score > 0 and inside polygon({polygon})"):
        page = Filling(100, 100_000, steps_left=10**9)
        _answer(Source(archive.ports, archive.job), parse_query(text), page, None)
        left.append(10**9 - page.steps_left)
    assert 0 < 5 * left[0] < left[1]


def test_cursors_stay_short_enough_for_a_url() -> None:
    archive = archive_of(BIG)
    texts = ["best detection per track", "tracks where crosses line((0,0),(60,60))", "count tracks by 50ms, label"]
    lengths = []
    for text in texts:
        cursor = None
        for _ in range(400):
            page = run_query(archive.ports, archive.job, text, limit=5, cursor=cursor, blocks_budget=2)
            cursor = page.next_cursor
            if cursor is None:
                break
            lengths.append(len(cursor))
    assert 1000 < max(lengths) < MAX_CURSOR_CHARS


def test_a_state_that_no_cursor_can_carry_is_said_to_be_too_large() -> None:
    archive = archive_of(0)
    state = [[f"label {number} {number**7}", number**5, number**6] for number in range(500)]
    with pytest.raises(LimitExceeded, match="too much goes on at once"):
        _write_state(archive.ports, archive.job.tenant, "scope", state)


def job_of(tracks: Mapping[int, Sequence[int]]) -> tuple[Ports, Job]:
    """A finished job with these tracks of persons: by id the times, in milliseconds, at which each is seen."""
    fakes = make_fakes()
    fakes.models.register(make_manifest())
    video = make_video(state=VideoState.READY, media=make_media())
    fakes.ports.videos.add(replace(video, source=replace(video.source, content_digest="d" * 64)), None)
    job = make_job(state=JobState.SUCCEEDED, plan=PlanFacts(1, 1))
    times = sorted({pts for seen in tracks.values() for pts in seen})
    present = {pts: [track_id for track_id, seen in sorted(tracks.items()) if pts in seen] for pts in times}
    # Boxes in order of ids: rows of one score and label stand in the order of their boxes.
    frames = [
        (pts, 0, rank, 0, [(0, 9000, track_id, 0, track_id + 9, 9) for track_id in present[pts]])
        for rank, pts in enumerate(times)
    ]
    block = make_block(TIMEBASE, ["person"], frames)
    packed = pack_block(block)
    fakes.results.write_block(job.tenant, "d" * 64, "block", packed)
    cell = CellResult(0, len(times), len(times), (), (make_ref(block, packed, "block"),))
    fakes.results.write_index(job.tenant, job.job_id, IndexEntry(0, 0, times[-1] + 1, len(times), ((cell,),)))
    fakes.ports.units.add_segments(owner_of(job), [(make_segment(0), make_unit())])
    ids = [track_id for pts in times for track_id in present[pts]]
    rows = [TrackRow(number, "toy", "person", seen[0], seen[-1], len(seen), 9000) for number, seen in tracks.items()]
    rows.sort(key=lambda track: (track.first_pts, track.track_id))
    (packed_ids,) = pack_track_ids([IdColumn(block.counts, ids)])
    ids_by_key = {table_keys.track_ids(0, 0, 0): packed_ids}
    write_finish(fakes.results, job, [0], [rows], ids_by_key)
    return fakes.ports, job


def test_tracks_that_last_are_counted_in_every_round_whatever_their_batch() -> None:
    lasting = {3: [0, 200_000], 45: [0, 200_000, 700_000]}
    ports, job = job_of({**{track_id: [0] for track_id in range(1, 51)}, **lasting, 60: [900_500]})
    page = run_query(ports, job, "count tracks by 1s", limit=100, cursor=None)
    counted = {hit.found.start: hit.found.count for hit in page.items if isinstance(hit.found, Bucket)}
    assert counted == {Fraction(start): count for start, count in ((0, 50), (200, 2), (700, 1), (900, 1))}
    assert page.next_cursor is None


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.RUNNING, JobState.FINISHING, JobState.CANCELLED])
@pytest.mark.parametrize(
    "text",
    [
        "tracks",
        "count tracks",
        "best detection per track",
        "dwell inside polygon((0,0),(9,0),(9,9))",
        "tracks overlaps tracks",
        "detections where track = 1",
    ],
)
def test_tracks_of_a_job_that_has_not_finished_are_a_conflict(text: str, state: JobState) -> None:
    archive = archive_of(0)
    with pytest.raises(Conflict, match="has no tracks: it is"):
        run_query(archive.ports, replace(archive.job, state=state), text, limit=1, cursor=None)


def test_detections_of_a_job_that_runs_are_answered() -> None:
    archive = archive_of(4)
    page = run_query(archive.ports, replace(archive.job, state=JobState.RUNNING), "detections", limit=1, cursor=None)
    assert (page.kind, len(page.items)) == (ResultKind.DETECTIONS, 1)


def test_a_job_that_is_not_planned_has_no_results_yet() -> None:
    archive = archive_of(0)
    page = run_query(archive.ports, make_job(), "detections", limit=1, cursor=None)
    assert (page.items, page.next_cursor) == ([], None)


def test_a_cursor_is_good_for_its_query_however_that_is_written() -> None:
    archive = archive_of(4)
    cursor = run_query(archive.ports, archive.job, "detections where time > 0s", limit=1, cursor=None).next_cursor
    assert run_query(archive.ports, archive.job, "detections where time>0ms", limit=1, cursor=cursor).items
    with pytest.raises(InvalidRequest):
        run_query(archive.ports, archive.job, "detections where time > 1s", limit=1, cursor=cursor)


def test_a_cursor_among_tracks_is_refused_when_another_version_of_them_is_read() -> None:
    archive = archive_of(7)
    later = replace(archive.job, tracks_version=1)
    of_tracks = run_query(archive.ports, archive.job, "tracks", limit=1, cursor=None).next_cursor
    of_rows = run_query(archive.ports, archive.job, "detections", limit=1, cursor=None).next_cursor
    assert of_tracks is not None
    with pytest.raises(InvalidRequest):
        run_query(archive.ports, later, "tracks", limit=1, cursor=of_tracks)
    assert run_query(archive.ports, later, "detections", limit=1, cursor=of_rows).items


def test_a_job_that_was_retried_and_cancelled_shows_what_was_committed_after_its_first_finish() -> None:
    ports, job = job_of({1: [0]})
    results: Any = ports.results
    entry = results.get_index(job.tenant, job.job_id, [0])[0]
    results.write_index(job.tenant, job.job_id, replace(entry, segment=1))
    cancelled = replace(job, state=JobState.CANCELLED, plan=PlanFacts(2, 2))
    found, _ = find_detections(ports, cancelled, DetectionQuery(), limit=10, cursor=None)
    assert len(found) == 2
