"""The finish of a job: a fold over its committed segments in order of time.

It can be broken off and taken up again anywhere. It gives tracks, summary trees (with the frame counts before each
segment), the ranges that are missing, and the summary; then ends the job in one transaction.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib.contracts import object_keys, outcomes, table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.items import failure_from_map, failure_to_map, missing_from_map, missing_to_map, time_to_text
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.summary import SummaryFold
from chalicelib.contracts.tracks import TrackRow
from chalicelib.contracts.tree_fold import PlacedNode, TreeFold, summarize_segment
from chalicelib.contracts.views import view_of
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.jobs import JobState, MissingRange, join_missing
from chalicelib.domain.models import manifest_from_json
from chalicelib.domain.sampling import PointCount, Sampling, gap_seconds, points_before
from chalicelib.domain.segments import Segment
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.domain.usage import JobUsage, Usage
from gpu_batch.aws import Cloud, Superseded
from gpu_batch.errors import BadInput, BadOrder
from gpu_batch.job_results import JobResults, ResultBlock
from gpu_batch.lease import Stop, holding
from gpu_batch.log import logger
from gpu_batch.meter import Meter
from gpu_batch.receipt import ReceiptFold
from gpu_batch.track_writer import TrackWriter

SEGMENTS_PER_CHECKPOINT = 16
DAMAGE_HINT = "Upload the file again from its origin; what is sound of it was analysed"


@dataclass(slots=True)
class _Progress:
    """How far the fold has come; with the folds' own states, all that a checkpoint holds."""

    next_segment: int = 0
    frames_shown: int = 0
    frames_analyzed: int = 0
    frames_inferred: int = 0
    usage: Item = field(default_factory=dict)
    """Of the segments so far (domain/usage.py)."""
    missing: list[Item] = field(default_factory=list)
    segments_failed: int = 0
    points_covered: int = 0
    next_point: int = 0
    """See `PointCount`."""


def run_finish(cloud: Cloud, order: WorkOrder, *, claimed_by: str, stop: Stop) -> None:
    """Finish the job of an order, unless somebody else does or did."""
    if order.media is None:
        raise BadOrder("an order to finish must have media facts", code=ErrorCode.INTERNAL)
    claim = cloud.claim(UnitKey(order.pk, UnitKind.FINISH), claimed_by=claimed_by, lease_seconds=order.lease_seconds)
    if claim is None:
        logger.info("finish is not to be had")
        return
    meter = Meter()
    try:
        with holding(cloud, claim, order, stop, meter) as check:
            fold = _Finish(cloud, order, order.media, str(claim.item.get("opened_as", order.submission)))
            fold.run(check)
            tracks = fold.write_tracks()
        spent = meter.spent_on(claim.item)
        ended = {**fold.outcome(tracks), "usage": fold.usage_with(spent)}
        cloud.end(
            claim,
            UnitState.DONE,
            facts={"usage": spent},
            more=[outcomes.job_finished(cloud.meta_table, order.pk, **ended)],
        )
    except Superseded:
        logger.warning("finish was taken away")
        return
    except (BadInput, BadOrder) as error:
        facts = {"usage": meter.spent_on(claim.item)}
        cloud.end(claim, UnitState.FAILED, failure=failure_to_map(error.failure), facts=facts)
        raise
    logger.info("job finished", state=ended["state"], tracks=len(tracks))


class _Finish:
    def __init__(self, cloud: Cloud, order: WorkOrder, media: OrderedMedia, round_name: str) -> None:
        self._cloud = cloud
        self._order = order
        self._round_name = round_name
        self._timebase = order.parsed_timebase
        self._checkpoint_key = object_keys.checkpoint_key(order.tenant, order.job_id)
        manifests = [manifest_from_json(model.manifest) for model in order.models]
        parameters = _parameters_of(order)
        view = view_of(manifests, order.score_min, order.labels, parameters.score_high)
        self._summary = SummaryFold(
            floors=view.floors,
            labels=order.labels,
            timebase=self._timebase,
            gap_seconds=gap_seconds(order.parsed_sampling),
        )
        self._tracks = TrackWriter(cloud, order, media, manifests, parameters=parameters)
        sampling = order.parsed_sampling
        self._thinned = sampling if sampling.within_seconds is not None else None
        self._tree = TreeFold(len(manifests))
        self._receipt = ReceiptFold(len(manifests))
        self._progress = _Progress()
        self._restore()

    def run(self, check: Callable[[], None]) -> None:
        """Fold over the segments that are left."""
        results, segments = JobResults(self._cloud, self._order, check), self._order.segments
        while self._progress.next_segment < len(segments):
            segment = segments[self._progress.next_segment]
            entry, unit = results.entry(segment.index), results.unit(segment.index)
            self._progress.usage = (
                Usage.from_json(self._progress.usage) + Usage.from_json(unit.get("usage"))
            ).to_json()
            if entry is None:
                self._miss(segment, unit)
            else:
                self._take(results, entry, unit)
            self._progress.next_segment += 1
            if self._progress.next_segment % SEGMENTS_PER_CHECKPOINT == 0:
                self._save()

    def write_tracks(self) -> list[TrackRow]:
        """Store the summary trees and the tracks that the job's view shows, which are the answer."""
        tracks = self._tracks.finish()
        self._put_nodes(table_keys.SEGMENT_TREE, self._tree.finish())
        return tracks

    def usage_with(self, finish: Item) -> Item:
        """What the job took, with what its finish did: `JobUsage` as JSON."""
        return JobUsage(Usage.from_json(self._progress.usage), Usage.from_json(finish)).to_json()

    def outcome(self, tracks: list[TrackRow]) -> dict[str, Any]:
        """How the job ends: the arguments of `outcomes.job_finished`."""
        progress = self._progress
        summary = self._summary.result(
            tracks,
            frames_shown=progress.frames_shown,
            frames_analyzed=progress.frames_analyzed,
            frames_inferred=progress.frames_inferred,
        )
        if self._thinned is not None:
            points = points_before(self._thinned, self._order.segments[-1].end_pts, self._timebase)
            summary |= {"points": points, "points_skipped": points - progress.points_covered}
        missing = [missing_to_map(gap) for gap in join_missing(map(missing_from_map, progress.missing))]
        state = JobState.SUCCEEDED
        if missing:
            state = JobState.PARTIAL if progress.frames_analyzed else JobState.FAILED
        return {
            "state": state,
            "summary": summary,
            "missing": missing,
            "failure": missing[0]["failure"] if missing else None,
            "finished_at": time_to_text(datetime.now(UTC)),
            "made": self._receipt.made(self._order),
            "reused": self._receipt.receipt(),
        }

    def _take(self, results: JobResults, entry: IndexEntry, unit: Item) -> None:
        progress = self._progress
        self._receipt.push(entry, unit)
        frames_before = None if progress.segments_failed else progress.frames_shown
        self._put_nodes(table_keys.SEGMENT_TREE, self._tree.push(summarize_segment(entry, frames_before)))
        progress.frames_shown += entry.frames_shown
        progress.frames_inferred += int(unit.get("frames_inferred", 0))
        for model in range(len(entry.cells_by_model)):
            for found in results.blocks(entry, model):
                self._push(found)
        for cell in entry.cells_by_model[0]:
            progress.frames_analyzed += cell.frames_analyzed
            for gap in cell.damage:
                failure = Failure(ErrorCode.DAMAGED_RANGES, gap.detail, DAMAGE_HINT)
                self._note_missing(gap.start_pts, gap.end_pts, failure)

    def _push(self, found: ResultBlock) -> None:
        self._summary.push(found.block, found.model)
        if self._thinned is not None and not found.model:
            self._count_points(self._thinned, found.block.pts)
        if self._order.tracking:
            self._tracks.push(found)

    def _count_points(self, sampling: Sampling, sampled_pts: Iterable[int]) -> None:
        progress, end_pts = self._progress, self._order.segments[-1].end_pts
        points = PointCount(progress.points_covered, progress.next_point)
        for pts in sampled_pts:
            points.add(sampling, pts, end_pts, self._timebase)
        progress.points_covered, progress.next_point = points.covered, points.next_point

    def _miss(self, segment: Segment, unit: Item) -> None:
        self._progress.segments_failed += 1
        self._receipt.miss()
        unknown = Failure(ErrorCode.INTERNAL, f"segment {segment.index} has no results", "Retry the job")
        self._note_missing(segment.start_pts, segment.end_pts, failure_from_map(unit.get("failure")) or unknown)

    def _note_missing(self, start_pts: int, end_pts: int, failure: Failure) -> None:
        start, end = float(start_pts * self._timebase), float(end_pts * self._timebase)
        self._progress.missing.append(missing_to_map(MissingRange(start, end, failure)))

    def _put(self, items: list[Item]) -> None:
        if items:
            self._cloud.put_many(self._cloud.results_table, [{"pk": self._order.pk, **item} for item in items])

    def _put_nodes(self, tree: str, nodes: list[PlacedNode]) -> None:
        self._put([node.to_item(tree) for node in nodes])

    def _save(self) -> None:
        progress = {name: getattr(self._progress, name) for name in _Progress.__dataclass_fields__}
        state = {
            "round": self._round_name,
            "progress": progress,
            "summary": self._summary.state,
            "tree": self._tree.state(),
            "tracks": self._tracks.state(),
            "receipt": self._receipt.state(),
        }
        self._cloud.put_object(self._checkpoint_key, zlib.compress(json.dumps(state).encode()))

    def _restore(self) -> None:
        packed = self._cloud.find_object(self._checkpoint_key)
        if packed is None:
            return
        state = json.loads(zlib.decompress(packed))
        # After a retry of segments the fold starts anew: what was missing then may be there now.
        if state["round"] != self._round_name:
            return
        self._progress = _Progress(**state["progress"])
        self._summary.state = state["summary"]
        self._tree.restore(state["tree"])
        self._tracks.restore(state["tracks"])
        self._receipt.restore(state.get("receipt"))
        logger.info("finish goes on", segment_index=self._progress.next_segment)


def _parameters_of(order: WorkOrder) -> TrackingParameters:
    told = (order.parameters or {}).get("tracking", {})
    return TrackingParameters.from_json(told)
