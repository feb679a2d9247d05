"""Results of a job in a narrower view than the one that left them, without a worker (`contracts/views.py`).

The index, the summary tree of segments and the ids of rows are the same in every view. Fewer tracks are listed, in new
chunks and another tree. The summary of fewer labels follows from the wider one; that of a higher score is counted anew
from the blocks, as the finish counts, which is done for short videos only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import Block, unpack_block
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary import SummaryFold
from chalicelib.contracts.tracks import TrackRow, cut_chunks, track_item, unpack_tracks
from chalicelib.contracts.tree_fold import build_track_tree
from chalicelib.contracts.views import View, narrow_summary, view_of
from chalicelib.domain.jobs import Job, JobRequest
from chalicelib.domain.models import Manifest
from chalicelib.domain.sampling import gap_seconds
from chalicelib.domain.videos import Video
from chalicelib.services.ports import Ports
from chalicelib.services.take_over_port import StoredResults

MAX_FRAMES_COUNTED = 2000
"""Frames whose rows are counted anew within a request, each model's: docs/reuse.md has what that takes."""
BLOCKS_PER_READ = 16
TRACK_TREE = table_keys.track_tree(0)


def view_of_request(manifests: Sequence[Manifest], request: JobRequest) -> View:
    """What a job with this request shows."""
    score_high = request.tracker.score_high if request.tracker else None
    return view_of(manifests, request.score_min, request.labels, score_high)


def can_narrow(source: Job, request: JobRequest, manifests: Sequence[Manifest]) -> bool:
    """Whether the results of a job with a wider view can be narrowed in the time of a request."""
    if source.summary is None or "labels" not in source.summary:
        return False
    if view_of_request(manifests, request).floors == view_of_request(manifests, source.request).floors:
        return True
    return int(str(source.summary["frames_analyzed"])) * len(manifests) <= MAX_FRAMES_COUNTED


def narrow_results(
    ports: Ports, job: Job, source: Job, video: Video, manifests: Sequence[Manifest], stored: StoredResults
) -> tuple[StoredResults, dict[str, Any]] | None:
    """What the job would have left, and its summary, from what `source` left; None when blocks of it are gone."""
    view, wider = view_of_request(manifests, job.request), view_of_request(manifests, source.request)
    tracks = [track for track in _tracks_of(stored) if view.shows(track)]
    summary = dict(source.summary or {})
    if view.floors == wider.floors:
        summary = narrow_summary(summary, tracks, view.labels)
    else:
        counted = _count_again(ports, job, video, view, stored)
        if counted is None:
            return None
        frames = {name: summary[name] for name in ("frames_shown", "frames_analyzed", "frames_inferred")}
        summary |= counted.result(tracks, **{name: int(str(count)) for name, count in frames.items()})
    return _with_tracks(stored, tracks, [manifest.name for manifest in manifests]), summary


def _tracks_of(stored: StoredResults) -> Iterator[TrackRow]:
    chunks = sorted((item for item in stored.others if item["kind"] == "TRACKS"), key=lambda item: str(item["sk"]))
    for chunk in chunks:
        yield from unpack_tracks(chunk["body"])


def _with_tracks(stored: StoredResults, tracks: Sequence[TrackRow], models: Sequence[str]) -> StoredResults:
    """With these tracks and their tree in place of what was listed."""
    chunks = cut_chunks(tracks)
    nodes = [node.to_item(TRACK_TREE) for node in build_track_tree(chunks, models)]
    kept = [item for item in stored.others if item["kind"] != "TRACKS" and not str(item["sk"]).startswith(TRACK_TREE)]
    others = [track_item(0, number, chunk) for number, chunk in enumerate(chunks)]
    return replace(
        stored,
        roots=[
            *(item for item in stored.roots if item["sk"] != TRACK_TREE),
            *(node for node in nodes if node["sk"] == TRACK_TREE),
        ],
        others=[*kept, *others, *(node for node in nodes if node["sk"] != TRACK_TREE)],
    )


def _count_again(ports: Ports, job: Job, video: Video, view: View, stored: StoredResults) -> SummaryFold | None:
    """As the finish counts: segment by segment, model by model, in order of time."""
    if video.media is None:
        return None
    fold = SummaryFold(
        floors=view.floors,
        labels=job.request.labels,
        timebase=video.media.timebase,
        gap_seconds=gap_seconds(job.request.sampling),
    )
    for _, item in sorted(stored.entry_by_segment.items()):
        entry = IndexEntry.from_item(item)
        for model in range(len(entry.cells_by_model)):
            blocks = _blocks_of(ports, video, entry, model)
            if blocks is None:
                return None
            for block in blocks:
                fold.push(block, model)
    return fold


def _blocks_of(ports: Ports, video: Video, entry: IndexEntry, model: int) -> list[Block] | None:
    """The blocks of one model in one segment, in order of time; None when one was removed."""
    refs = [ref for cell in entry.cells_by_model[model] for ref in cell.blocks]
    blocks: list[Block] = []
    for first in range(0, len(refs), BLOCKS_PER_READ):
        batch = refs[first : first + BLOCKS_PER_READ]
        found = ports.results.get_blocks(video.tenant, video.source.content_digest, batch)
        if any(ref.sk not in found for ref in batch):
            return None
        blocks += [unpack_block(found[ref.sk]) for ref in batch]
    return blocks
