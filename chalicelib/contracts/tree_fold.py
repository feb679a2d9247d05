"""Building a summary tree: a fold over its leaves in order, that can be broken off and taken up again anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary_tree import FAN_OUT, Counted, Summary, pack_node
from chalicelib.contracts.tracks import TrackRow


class PlacedNode(NamedTuple):
    """A packed node and where it belongs."""

    level: int
    number: int | None
    """None: it is the root."""
    body: bytes

    def to_item(self, tree: str) -> Item:
        """Its item in this tree, without its `pk`."""
        return {"sk": table_keys.tree_node(tree, self.level, self.number), "kind": "NODE", "body": self.body}


class TreeFold:
    """Builds a tree of leaves that come in order of their numbers; its state is plain JSON."""

    def __init__(self, models: int) -> None:
        self._models = models
        self._open: list[list[Summary]] = [[]]
        """By level below the node's own: children of the node that is not complete yet."""
        self._done: list[int] = [0]
        """By level: nodes that are complete."""

    def push(self, leaf: Summary) -> list[PlacedNode]:
        """Take the next leaf; the nodes that are complete now."""
        return self._push(leaf, 0)

    def finish(self) -> list[PlacedNode]:
        """The nodes that were still open; the root comes last."""
        nodes: list[PlacedNode] = []
        level = 0
        while self._done[level]:
            nodes += self._close(level)
            level += 1
        children = self._open[level]
        return [*nodes, PlacedNode(level + 1, None, pack_node(level + 1, children, self._models))]

    def state(self) -> list[Any]:
        """Everything, as JSON."""
        return [[[child.to_json() for child in children] for children in self._open], self._done]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on from where `state()` was taken."""
        opened, done = state
        self._open = [[Summary.from_json(child) for child in children] for children in opened]
        self._done = list(done)

    def _push(self, child: Summary, level: int) -> list[PlacedNode]:
        children = self._open[level]
        closed = self._close(level) if children and children[0].number // FAN_OUT != child.number // FAN_OUT else []
        self._open[level].append(child)
        return closed

    def _close(self, level: int) -> list[PlacedNode]:
        """Complete the open node of a level."""
        children, self._open[level] = self._open[level], []
        self._done[level] += 1
        if level + 1 == len(self._open):
            self._open.append([])
            self._done.append(0)
        number = children[0].number // FAN_OUT
        node = PlacedNode(level + 1, number, pack_node(level + 1, children, self._models))
        return [node, *self._push(_add_up(number, children, self._models), level + 1)]


def build_track_tree(chunks: Sequence[Sequence[TrackRow]], models: Sequence[str]) -> list[PlacedNode]:
    """The tree of a job's chunks of tracks, the root last; `models` are the names of the job's."""
    fold = TreeFold(len(models))
    nodes: list[PlacedNode] = []
    for number, chunk in enumerate(chunks):
        nodes += fold.push(summarize_tracks(number, chunk, models))
    return nodes + fold.finish()


def summarize_segment(entry: IndexEntry, frames_before: int | None) -> Summary:
    """The leaf of a committed segment."""
    labels = tuple(add_up(ref.labels for cell in cells for ref in cell.blocks) for cells in entry.cells_by_model)
    return Summary(entry.segment, entry.start_pts, entry.end_pts, frames_before, labels)


def summarize_tracks(number: int, tracks: Sequence[TrackRow], models: Sequence[str]) -> Summary:
    """The leaf of a chunk of tracks, which has at least one."""
    by_model = [[track for track in tracks if track.model == name] for name in models]
    ids = tuple(_join_ids([(track.track_id, track.track_id) for track in of_model]) for of_model in by_model)
    labels = tuple(add_up({track.label: (1, track.score_max)} for track in of_model) for of_model in by_model)
    end_pts = max(track.last_pts for track in tracks) + 1
    return Summary(number, tracks[0].first_pts, end_pts, None, labels, ids)


def _add_up(number: int, children: Sequence[Summary], models: int) -> Summary:
    """What is in all of them."""
    has_ids = bool(children[0].ids)
    return Summary(
        number,
        min(child.start_pts for child in children),
        max(child.end_pts for child in children),
        children[0].frames_before,
        tuple(add_up(child.labels[model] for child in children) for model in range(models)),
        tuple(_join_ids([child.ids[model] for child in children]) for model in range(models)) if has_ids else (),
    )


def add_up(counted: Iterable[Counted]) -> Counted:
    """Counts added, the best of the best scores."""
    total: Counted = {}
    for labels in counted:
        for name, (count, best) in labels.items():
            known_count, known_best = total.get(name, (0, 0))
            total[name] = (known_count + count, max(known_best, best))
    return total


def _join_ids(ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    known = [pair for pair in ranges if pair != (0, 0)]
    return (min(least for least, _ in known), max(greatest for _, greatest in known)) if known else (0, 0)
