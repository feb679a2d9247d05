"""What a query found, as the API shows it."""

from __future__ import annotations

import math
from typing import Any

from chalicelib.api import query_schemas as schemas
from chalicelib.api.present import detection_out, timebase_text
from chalicelib.contracts.blocks import BOX_UNITS, SCORE_UNITS
from chalicelib.domain.query.ast import ResultKind
from chalicelib.domain.query.found import Appearance, Bucket, Dwell, FoundRow, FoundTrack, Pair, Side
from chalicelib.services.query import QueryHit, QueryPage, detection_of

PAGE_BY_KIND: dict[ResultKind, Any] = {
    ResultKind.DETECTIONS: schemas.FoundDetectionsOut,
    ResultKind.TRACKS: schemas.FoundTracksOut,
    ResultKind.APPEARANCES: schemas.FoundAppearancesOut,
    ResultKind.PAIRS: schemas.FoundPairsOut,
    ResultKind.BUCKETS: schemas.FoundBucketsOut,
    ResultKind.DWELLS: schemas.FoundDwellsOut,
}


def query_page_out(page: QueryPage) -> schemas.QueryPageOut:
    """A page, as the model of its kind."""
    items = [_item_out(hit) for hit in page.items]
    return schemas.QueryPageOut(
        PAGE_BY_KIND[page.kind](kind=page.kind.value, items=items, next_cursor=page.next_cursor)
    )


def _item_out(hit: QueryHit) -> schemas.ItemOut | schemas.DetectionItemOut:
    where = {"video_id": hit.video_id, "job_id": hit.job_id}
    match hit.found:
        case FoundRow(row):
            shown = detection_out(detection_of(hit, row))
            return schemas.DetectionItemOut(**shown.model_dump(exclude_unset=True), **where)
        case FoundTrack() as track:
            crossings = [
                schemas.CrossingOut(pts=pts, time_seconds=float(pts * hit.timebase)) for pts in track.crossed_pts
            ]
            return schemas.TrackItemOut(
                track_id=track.track_id,
                model=track.model,
                label=track.label,
                detections=track.detections,
                score_max=track.score_units / SCORE_UNITS,
                **_times(hit, track.first_pts, track.last_pts),
                **({"crossings": crossings} if crossings else {}),
                **where,
            )
        case Appearance() as one:
            return schemas.AppearanceItemOut(
                label=one.label,
                detections=one.detections,
                score_max=one.score_units / SCORE_UNITS,
                **_times(hit, one.first_pts, one.last_pts),
                **where,
            )
        case Dwell() as dwell:
            return schemas.DwellItemOut(
                track_id=dwell.track_id,
                model=dwell.model,
                label=dwell.label,
                dwell_pts=dwell.ticks,
                dwell_seconds=float(dwell.ticks * hit.timebase),
                visits=dwell.visits,
                **_times(hit, dwell.first_pts, dwell.last_pts),
                **where,
            )
        case Bucket() as bucket:
            return schemas.BucketItemOut(count=bucket.count, **_span(bucket), **where)
        case Pair() as pair:
            distance = pair.distance_squared
            return schemas.PairItemOut(
                relation=pair.relation.value,
                left=_side_out(hit, pair.left),
                right=_side_out(hit, pair.right),
                **_times(hit, pair.first_pts, pair.last_pts),
                **({} if distance is None else {"distance": math.sqrt(distance) / BOX_UNITS}),
                **where,
            )


def _times(hit: QueryHit, first_pts: int, last_pts: int) -> dict[str, Any]:
    return {
        "timebase": timebase_text(hit.timebase),
        "first_pts": first_pts,
        "last_pts": last_pts,
        "first_seconds": float(first_pts * hit.timebase),
        "last_seconds": float(last_pts * hit.timebase),
    }


def _span(bucket: Bucket) -> dict[str, Any]:
    span: dict[str, Any] = {} if bucket.label is None else {"label": bucket.label}
    if bucket.start is not None and bucket.width is not None:
        span |= {"start_seconds": float(bucket.start), "end_seconds": float(bucket.start + bucket.width)}
    return span


def _side_out(hit: QueryHit, side: Side) -> schemas.PairSideOut:
    known: dict[str, Any] = {} if side.track_id is None else {"track_id": side.track_id}
    if side.row is not None:
        known["detection"] = detection_out(detection_of(hit, side.row))
    first_seconds = float(side.first_pts * hit.timebase)
    return schemas.PairSideOut(label=side.label, first_pts=side.first_pts, first_seconds=first_seconds, **known)
