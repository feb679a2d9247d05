"""What `services/take_over.py` needs of the tables: the results of one job, written as those of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.contracts.attribute_values import Item
from chalicelib.domain.jobs import Job
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import Unit


@dataclass(frozen=True, slots=True)
class StoredResults:
    """What a finished job left in its partition of table `results`: items as they lie there, without their `pk`."""

    entry_by_segment: Mapping[int, Item]
    """INDEX."""
    roots: Sequence[Item]
    """Of its summary trees: what readers begin with."""
    others: Sequence[Item]
    """Further nodes of the trees, and version 0 of its tracks and their ids."""


@dataclass(frozen=True, slots=True)
class TakenSegment:
    """A segment that is done from the start, with the entry that its commit makes readable."""

    segment: Segment
    unit: Unit
    facts: Item
    """Further attributes, those that a worker's commit has."""
    entry: Item
    """Without its `pk`."""


class TakeOverStore(Protocol):
    """Both tables at once."""

    def read_results(self, source: Job, *, max_items: int, max_bytes: int) -> StoredResults | None:
        """All of it, consistently; None when it is more than this."""
        ...

    def write(self, target: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        """Write these items and commit these segments of `target`, all or nothing.

        False, and nothing is written, when `target` is not of the version that it was read as, or a segment is there
        already. At most 100 items in all, two of them for a segment.
        """
        ...

    def finish(self, ended: Job, source: Job, items: Sequence[Item], segments: Sequence[TakenSegment]) -> bool:
        """As `write`; and in the same moment the job ends as `ended` says, whose version is the one that was read.

        False as well when the results of `source` may not be taken over any more.
        """
        ...
