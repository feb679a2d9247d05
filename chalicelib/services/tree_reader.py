"""Going down a summary tree to the leaves that can hold what is asked for, within a budget of reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from chalicelib.contracts.summary_tree import FAN_OUT, Child, Node, Wanted
from chalicelib.domain.jobs import Job
from chalicelib.services.ports import Ports

LEAVES_PER_READ = 8


class TreeReader:
    """One tree of one job; its root is read at once."""

    def __init__(self, ports: Ports, job: Job, tree: str, *, budget: int) -> None:
        """`budget` is of nodes below the root, and of leaves; it must be more than a tree has levels."""
        self.next_leaf: int | None = None
        """Where to go on, when the budget ended the reading."""
        self.root = ports.results.get_root(job.tenant, job.job_id, tree)
        self._ports = ports
        self._job = job
        self._tree = tree
        self._left = budget

    def batches(self, wanted: Wanted, first: int) -> Iterator[list[Child]]:
        """The leaves from a number on that can hold it, in order; the caller reads each batch.

        Small ones first: most readers need no more than one or two leaves.
        """
        if self.root is None:
            return
        leaves = self._leaves(self.root, wanted, first)
        size = 1
        while batch := list(islice(leaves, size)):
            affordable = batch[: max(self._left, 0)]
            self._left -= len(batch)
            if affordable:
                yield affordable
            if len(affordable) < len(batch):
                self.next_leaf = batch[len(affordable)].number
                return
            size = min(size * 2, LEAVES_PER_READ)

    def find_track(self, model_index: int, track_id: int, *, at_most: int) -> list[int] | None:
        """The leaves that can hold a track, in order; None when these, or the nodes above them, are more than that."""
        if self.root is None:
            return []
        found = self.root.find_track(model_index, track_id)
        for level in range(self.root.level - 1, 0, -1):
            if len(found) > at_most:
                return None
            nodes = [self._read(level, child.number) for child in found]
            found = [child for node in nodes for child in node.find_track(model_index, track_id)]
        return [child.number for child in found] if len(found) <= at_most else None

    def _leaves(self, node: Node, wanted: Wanted, first: int) -> Iterator[Child]:
        leaves_below = FAN_OUT ** (node.level - 1)
        for child in node.find(wanted):
            if (child.number + 1) * leaves_below <= first:
                continue
            if node.level == 1:
                yield child
            elif self._left > 0 and self.next_leaf is None:
                self._left -= 1
                yield from self._leaves(self._read(node.level - 1, child.number), wanted, first)
            else:
                # Nobody may pay for the node; what lies below it comes on the next page.
                self.next_leaf = self.next_leaf or max(first, child.number * leaves_below)
                return

    def _read(self, level: int, number: int) -> Node:
        return self._ports.results.get_node(self._job.tenant, self._job.job_id, self._tree, level, number)
