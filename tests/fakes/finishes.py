"""What the finish of a job leaves in the fakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.contracts import table_keys
from chalicelib.contracts.tracks import TrackRow
from chalicelib.contracts.tree_fold import TreeFold, build_track_tree, summarize_segment
from chalicelib.domain.jobs import Job
from tests.fakes.results import FakeResultStore


def write_finish(
    results: FakeResultStore,
    job: Job,
    chunks: Sequence[Sequence[TrackRow]],
    ids_by_key: Mapping[str, bytes],
    frames_before: Sequence[int | None],
) -> None:
    """Tracks, id columns and both summary trees; `frames_before` is of each segment, committed or not."""
    tree, nodes = TreeFold(len(job.models)), []
    for entry in results.list_index(job.tenant, job.job_id, 0, len(frames_before)):
        nodes += tree.push(summarize_segment(entry, frames_before[entry.segment]))
    results.write_nodes(job.tenant, job.job_id, table_keys.SEGMENT_TREE, nodes + tree.finish())
    results.write_tracks(job.tenant, job.job_id, chunks, ids_by_key)
    track_tree = build_track_tree(chunks, [ref.name for ref in job.models])
    results.write_nodes(job.tenant, job.job_id, table_keys.TRACK_TREE, track_tree)
