"""The committed segments of a job that can hold what is asked for, in order, within a budget of reads.

A job that has finished is read through its summary tree; any other, through its INDEX entries one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chalicelib.contracts import table_keys
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary_tree import Wanted
from chalicelib.domain.jobs import STATES_WITH_RESULTS, Job
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports
from chalicelib.services.tree_reader import TreeReader

TREE_READS_PER_PAGE = 32
"""Nodes and entries."""
RUNNING_ENTRIES_PER_PAGE = 60
RUNNING_ENTRIES_PER_READ = 20


class IndexedSegment(NamedTuple):
    """What a commit made readable, and where it stands among the frames."""

    entry: IndexEntry
    frames_before: int | None
    """Shown; None when not known."""


class IndexReader:
    """One reading of the index of a job that has a plan."""

    def __init__(self, ports: Ports, job: Job, wanted: Wanted) -> None:
        """The segments that can hold what is wanted."""
        self._ports = ports
        self._job = job
        self._wanted = wanted
        self._next: int | None = None
        # A job that was retried and then cancelled still has the tree of its first finish, which lacks what came since.
        is_finished = job.state in STATES_WITH_RESULTS
        tree = TreeReader(ports, job, table_keys.SEGMENT_TREE, budget=TREE_READS_PER_PAGE) if is_finished else None
        self._tree = tree if tree is not None and tree.root is not None else None

    @property
    def next_segment(self) -> int | None:
        """Where to go on, when the budget ended the reading."""
        return self._tree.next_leaf if self._tree is not None else self._next

    @property
    def is_finished(self) -> bool:
        """Whether a finish has been here: frames are numbered and tracks are known."""
        return self._tree is not None

    def batches(self, first: int | None) -> Iterator[list[IndexedSegment]]:
        """Segments from `first` on, as they are read; None: from the first that can hold it."""
        if self._tree is None:
            yield from self._running(self._first_segment() if first is None else first)
            return
        job = self._job
        for batch in self._tree.batches(self._wanted, first or 0):
            entries = self._ports.results.get_index(job.tenant, job.job_id, [leaf.number for leaf in batch])
            found = [(entries.get(leaf.number), leaf.frames_before) for leaf in batch]
            yield [IndexedSegment(entry, before) for entry, before in found if entry is not None]

    def _running(self, first: int) -> Iterator[list[IndexedSegment]]:
        job, to_pts = self._job, self._wanted.to_pts
        for _ in range(RUNNING_ENTRIES_PER_PAGE // RUNNING_ENTRIES_PER_READ):
            entries = self._ports.results.list_index(job.tenant, job.job_id, first, RUNNING_ENTRIES_PER_READ)
            asked = [entry for entry in entries if to_pts is None or entry.start_pts < to_pts]
            yield [IndexedSegment(entry, None) for entry in asked]
            if len(asked) < RUNNING_ENTRIES_PER_READ:
                return
            first = entries[-1].segment + 1
        self._next = first

    def _first_segment(self) -> int:
        if self._wanted.from_pts is None or self._job.plan is None:
            return 0
        return self._ports.units.find_segment(owner_of(self._job), self._job.plan.segments, self._wanted.from_pts)
