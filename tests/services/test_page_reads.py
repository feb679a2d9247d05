"""What a page reads does not grow with the video."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow
from chalicelib.domain.jobs import Job, JobState, PlanFacts
from chalicelib.domain.models import ModelTask
from chalicelib.domain.videos import VideoState
from chalicelib.services.index_reader import TREE_READS_PER_PAGE
from chalicelib.services.ports import Ports
from chalicelib.services.results import DetectionQuery, find_detections, find_tracks
from chalicelib.services.track_reader import CHUNKS_PER_PAGE
from chalicelib.services.walk import BLOCKS_PER_PAGE
from tests.contracts.block_makers import make_block
from tests.fakes.finish import write_finish
from tests.fakes.make import make_fakes
from tests.fakes.makers import TIMEBASE, make_job, make_manifest, make_media, make_video

DIGEST = "d" * 64
TICKS = 1000
LENGTHS = (10, 1000)
"""Segments."""


class Reads:
    """The port `ResultStore`, with a count of items by the method that reads them."""

    def __init__(self, results: Any) -> None:
        self._results = results
        self.items: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._results, name)

        def call(*arguments: Any) -> Any:
            asked = arguments[2] if name == "get_index" else arguments[-1]
            self.items[name] = self.items.get(name, 0) + (len(asked) if isinstance(asked, list) else 1)
            return method(*arguments)

        return call


@cache
def a_long_job(segments: int) -> tuple[Ports, Job]:
    """A finished job: every segment has a person and a dog, the last but one a comet and a score of 0.99 too.

    A track goes through every second segment.
    """
    fakes = make_fakes()
    labels = ("comet", "dog", "person")
    fakes.models.register(make_manifest(labels=labels))
    video = make_video(state=VideoState.READY, media=make_media())
    fakes.ports.videos.add(replace(video, source=replace(video.source, content_digest=DIGEST)), None)
    job = make_job(state=JobState.SUCCEEDED, plan=PlanFacts(segments, segments))
    tracks, ids = [], {}
    for index in range(segments):
        rows = [(2, 9000, 0, 0, 16, 16), (1, 5000, 0, 0, 16, 16)]
        if index == segments - 2:
            rows.insert(0, (0, 9900, 0, 0, 16, 16))
        block = make_block(TIMEBASE, labels, [(index * TICKS, 0, 0, 0, rows)])
        packed = pack_block(block)
        ref = make_ref(block, packed, f"a#{index:06d}")
        fakes.results.write_block(job.tenant, DIGEST, ref.sk, packed)
        entry = IndexEntry(index, index * TICKS, (index + 1) * TICKS, 25, ((CellResult(index, 25, 1, (), (ref,)),),))
        fakes.results.write_index(job.tenant, job.job_id, entry)
        if index % 2 == 0:
            tracks.append(TrackRow(index // 2 + 1, "toy", "person", index * TICKS, index * TICKS, 1, 9000))
            column = IdColumn([len(rows)], [0] * (len(rows) - 2) + [index // 2 + 1, 0])
            (ids[table_keys.track_ids(0, index, 0)],) = pack_track_ids([column])
    chunks = [tracks[first : first + 5] for first in range(0, len(tracks), 5)]
    write_finish(fakes.results, job, [index * 25 for index in range(segments)], chunks, ids)
    return fakes.ports, job


def items_of(segments: int, query: DetectionQuery, limit: int = 3) -> tuple[int, dict[str, int]]:
    """How many detections a first page has, and the items that it reads."""
    ports, job = a_long_job(segments)
    reads: Any = Reads(ports.results)
    found, _ = find_detections(replace(ports, results=reads), job, query, limit=limit, cursor=None)
    return len(found), reads.items


@pytest.mark.parametrize(
    "query",
    [
        DetectionQuery(),
        DetectionQuery(label="comet"),
        DetectionQuery(score_min=0.95),
        DetectionQuery(track_id=2),
        DetectionQuery(from_seconds=Fraction(5)),
    ],
    ids=str,
)
def test_a_page_of_a_long_video_reads_as_much_as_one_of_a_short_video(query: DetectionQuery) -> None:
    (found, short), (found_in_long, long) = (items_of(segments, query) for segments in LENGTHS)
    assert found == found_in_long > 0
    # One more node for each level of a tree.
    assert long.pop("get_node", 0) <= 2
    assert long == short


def test_a_track_that_there_is_not_costs_a_look_at_the_root() -> None:
    assert [items_of(segments, DetectionQuery(track_id=5000)) for segments in LENGTHS] == [(0, {"get_root": 1})] * 2


def test_a_page_that_looks_for_much_stops_at_its_budgets() -> None:
    found, items = items_of(1000, DetectionQuery(), limit=1000)
    assert found == 2 * BLOCKS_PER_PAGE
    assert items["get_blocks"] == BLOCKS_PER_PAGE
    assert items["get_index"] + items["get_node"] <= TREE_READS_PER_PAGE


@pytest.mark.parametrize("window", [(None, None), (Fraction(900), Fraction(910))])
def test_a_page_of_tracks_reads_no_more_than_its_budget(window: tuple[Fraction | None, Fraction | None]) -> None:
    ports, job = a_long_job(1000)
    reads: Any = Reads(ports.results)
    found, _, cursor = find_tracks(
        replace(ports, results=reads),
        job,
        label=None,
        from_seconds=window[0],
        to_seconds=window[1],
        limit=1000,
        cursor=None,
    )
    assert found
    assert (cursor is None) == (window[0] is not None)
    assert reads.items["get_track_chunks"] + reads.items["get_node"] <= CHUNKS_PER_PAGE


def test_a_track_that_a_strict_job_does_not_list_is_still_found_by_its_rows() -> None:
    ports, job = a_long_job(10)
    results: Any = WithoutTracks(ports.results)
    strict = replace(job, request=replace(job.request, score_min=0.95))
    query = DetectionQuery(track_id=2, score_min=0.0)
    found, _ = find_detections(replace(ports, results=results), strict, query, limit=10, cursor=None)
    assert [detection.track_id for detection in found] == [2]


class WithoutTracks:
    """The port `ResultStore` of a job whose tracks are all hidden by its own score."""

    def __init__(self, results: Any) -> None:
        self._results = results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._results, name)

    def get_root(self, tenant: Any, job_id: Any, tree: str) -> Any:
        return self._results.get_root(tenant, job_id, tree) if tree == table_keys.SEGMENT_TREE else None


def test_a_job_that_is_done_again_is_read_by_its_entries_alone() -> None:
    ports, job = a_long_job(10)
    reads: Any = Reads(ports.results)
    running = replace(job, state=JobState.RUNNING)
    found, _ = find_detections(replace(ports, results=reads), running, DetectionQuery(), limit=100, cursor=None)
    assert {(detection.frame_index, detection.track_id) for detection in found} == {(None, None)}
    assert set(reads.items) == {"list_index", "get_blocks"}


def test_no_track_ids_are_read_for_labels_of_whole_frames() -> None:
    ports, job = a_long_job(LENGTHS[0])
    models = tuple(replace(ref, task=ModelTask.CLASSIFICATION) for ref in job.models)
    reads: Any = Reads(ports.results)
    classified = replace(job, models=models)
    found, _ = find_detections(replace(ports, results=reads), classified, DetectionQuery(), limit=3, cursor=None)
    assert [detection.track_id for detection in found] == [None] * 3
    assert "get_blocks" in reads.items
    assert "get_track_ids" not in reads.items
