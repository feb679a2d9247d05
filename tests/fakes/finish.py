"""What the finish of a job writes, on the fakes."""

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
    frames_before: Sequence[int | None],
    chunks: Sequence[Sequence[TrackRow]],
    ids_by_key: Mapping[str, bytes],
) -> None:
    """The trees of a job whose index is there, its tracks and their ids; `frames_before` is by segment."""
    tree = TreeFold(len(job.models))
    entries = results.list_index(job.tenant, job.job_id, 0, len(frames_before))
    nodes = [node for entry in entries for node in tree.push(summarize_segment(entry, frames_before[entry.segment]))]
    results.write_nodes(job.tenant, job.job_id, table_keys.SEGMENT_TREE, nodes + tree.finish())
    results.write_tracks(job.tenant, job.job_id, chunks, ids_by_key)
    names = [model.name for model in job.models]
    results.write_nodes(job.tenant, job.job_id, table_keys.track_tree(0), build_track_tree(chunks, names))
