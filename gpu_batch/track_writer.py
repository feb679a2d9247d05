"""One version of a job's tracks, from its blocks to what is stored: for the finish, and for each re-tracking.

Blocks go in as they come, segment by segment; ids are written for a whole segment at a time, once all of them are
settled. What is written is named by version, segment and model, so that a second run writes the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import count
from typing import Any

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.track_ids import IdColumn, pack_track_ids
from chalicelib.contracts.tracks import TrackRow, cut_chunks, track_item
from chalicelib.contracts.tree_fold import build_track_tree
from chalicelib.contracts.views import view_of
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.models import Manifest, ModelTask
from chalicelib.domain.tracking import TrackingParameters
from gpu_batch.aws import Cloud
from gpu_batch.job_results import ResultBlock
from gpu_batch.track_job import DEFAULTS, ModelTracks


class TrackWriter:
    """Tracks the blocks that are pushed, and stores what comes of it."""

    def __init__(
        self,
        cloud: Cloud,
        order: WorkOrder,
        media: OrderedMedia,
        manifests: Sequence[Manifest],
        *,
        version: int = 0,
        parameters: TrackingParameters = DEFAULTS,
    ) -> None:
        """Version 0 is that of the finish."""
        self._cloud = cloud
        self._order = order
        self._version = version
        self._names = [manifest.name for manifest in manifests]
        self._view = view_of(manifests, order.score_min, order.labels, parameters.score_high)
        self._is_tracked = [manifest.task is ModelTask.DETECTION for manifest in manifests]
        timebase = Fraction(media.timebase)
        self._models = [
            _Model(
                ModelTracks(
                    manifest,
                    index,
                    len(manifests),
                    width=media.width,
                    height=media.height,
                    timebase=timebase,
                    parameters=parameters,
                )
            )
            for index, manifest in enumerate(manifests)
        ]

    def push(self, found: ResultBlock) -> None:
        """Take the next block of its model; a label of the frame as a whole is on no track."""
        if not self._is_tracked[found.model]:
            return
        model = self._models[found.model]
        self._write_ids(found.model, model.take(found))

    def finish(self) -> list[TrackRow]:
        """Store what is left, and the tracks that the job's view shows with their tree; these tracks, in order."""
        for index, model in enumerate(self._models):
            self._write_ids(index, model.finish())
        tracks = sorted(
            (track for model in self._models for track in model.tracks.closed if self._view.shows(track)),
            key=lambda track: (track.first_pts, track.track_id),
        )
        chunks = cut_chunks(tracks)
        self._put([track_item(self._version, number, chunk) for number, chunk in enumerate(chunks)])
        # An earlier finish, before segments were retried, may have left more.
        self._delete_chunks_from(len(chunks))
        tree = table_keys.track_tree(self._version)
        self._put([node.to_item(tree) for node in build_track_tree(chunks, self._names)])
        return tracks

    def state(self) -> list[Any]:
        """Everything between two segments, as JSON."""
        return [model.state() for model in self._models]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on from where `state()` was taken."""
        for model, saved in zip(self._models, state, strict=True):
            model.restore(saved)

    def forget(self) -> None:
        """Delete what was written, as far as it was."""
        pk, table = self._order.pk, self._cloud.results_table
        self._delete_chunks_from(0)
        keys = [
            table_keys.track_ids(self._version, segment.index, model)
            for segment in self._order.segments
            for model in range(len(self._models))
        ]
        for sk in [*keys, table_keys.track_tree(self._version)]:
            self._cloud.delete_from(table, pk, [sk])

    def _write_ids(self, model: int, settled: Sequence[tuple[int, list[IdColumn]]]) -> None:
        self._put(
            [
                {
                    "sk": table_keys.track_ids(self._version, segment, model, part),
                    "kind": "TRACKIDS",
                    "body": body,
                }
                for segment, columns in settled
                for part, body in enumerate(pack_track_ids(columns))
            ]
        )

    def _delete_chunks_from(self, first: int) -> None:
        keys = (table_keys.track_chunk(self._version, number) for number in count(first))
        self._cloud.delete_from(self._cloud.results_table, self._order.pk, keys)

    def _put(self, items: list[Item]) -> None:
        if items:
            self._cloud.put_many(self._cloud.results_table, [{"pk": self._order.pk, **item} for item in items])


class _Model:
    """The blocks of one model, gathered by segment until all of a segment's are settled."""

    def __init__(self, tracks: ModelTracks) -> None:
        self.tracks = tracks
        self._expected: list[list[int]] = []
        """[segment, its blocks], for each segment that is not written; the last one may get more."""
        self._settled: list[IdColumn] = []
        """Columns of these segments so far, in order."""

    def take(self, found: ResultBlock) -> list[tuple[int, list[IdColumn]]]:
        """The segments that are settled now, with their columns."""
        if not self._expected or self._expected[-1][0] != found.segment:
            self._expected.append([found.segment, 0])
        self._expected[-1][1] += 1
        self._settled += self.tracks.push(found.block)
        return self._complete(len(self._expected) - 1)

    def finish(self) -> list[tuple[int, list[IdColumn]]]:
        """The segments that are left."""
        self._settled += self.tracks.finish()
        return self._complete(len(self._expected))

    def state(self) -> dict[str, Any]:
        settled = [[list(column.counts), list(column.ids)] for column in self._settled]
        return {"fold": self.tracks.state(), "expected": self._expected, "settled": settled}

    def restore(self, state: dict[str, Any]) -> None:
        self.tracks.restore(state["fold"])
        self._expected = state["expected"]
        self._settled = [IdColumn(counts, ids) for counts, ids in state["settled"]]

    def _complete(self, over: int) -> list[tuple[int, list[IdColumn]]]:
        """Of the first `over` segments, which get no more blocks, those whose columns are all there."""
        complete = []
        for segment, blocks in self._expected[:over]:
            if len(self._settled) < blocks:
                break
            complete.append((segment, self._settled[:blocks]))
            del self._settled[:blocks]
        del self._expected[: len(complete)]
        return complete
