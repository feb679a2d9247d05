"""Prices of what is sent to Batch, by the rates that this tenant's jobs have told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.contracts import rendition_parameters
from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.budgets import FREE, Price
from chalicelib.domain.costs import (
    Effort,
    Parts,
    Quote,
    choose_children,
    effort_of_admission,
    effort_of_children,
    effort_of_finish,
    effort_of_probe,
    effort_of_rendition,
    effort_of_segments,
    effort_of_side_step,
    price,
    price_of_children,
    seconds_to_finish,
)
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import Job
from chalicelib.domain.lanes import lane_of_finish
from chalicelib.domain.models import Manifest
from chalicelib.domain.rates import Rates
from chalicelib.domain.renditions import encoded_pixels
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.units import Lane, UnitKind
from chalicelib.domain.videos import Video
from chalicelib.domain.work import Work, count_work
from chalicelib.services.lanes import choose_analysis_lane, choose_finish_lane, rendition_work
from chalicelib.services.ports import Ports


def get_rates(ports: Ports, tenant: TenantId) -> Rates:
    """What the tenant's jobs have told so far, and stated rates for the rest."""
    stored = ports.rates.get(tenant)
    estimates = {name: observations.estimate() for name, observations in stored.items()}
    return Rates({name: rate for name, rate in estimates.items() if rate is not None})


def work_of(
    ports: Ports,
    video: Video,
    sampling: Sampling,
    manifests: Sequence[Manifest],
    *,
    segments: int,
    stored: Sequence[Collection[int]] = (),
) -> Work | None:
    """How much there is to do, in as many children as may be; None for a video that was not probed."""
    if video.media is None or video.index is None:
        return None
    return count_work(
        video.media,
        video.index,
        sampling,
        manifests,
        lane=choose_analysis_lane(ports, video, sampling, manifests),
        segments=segments,
        children=min(segments, ports.limits.max_children),
        stored=stored,
    )


def make_quote(
    ports: Ports,
    tenant: TenantId,
    work: Work,
    *,
    cells: int,
    cells_reused: int = 0,
    is_taken_over: bool = False,
    has_probe: bool = False,
) -> Quote:
    """The quote for work that is planned; one whose results are taken over starts no worker."""
    rates, units, is_spot = get_rates(ports, tenant), ports.prices.units, ports.limits.is_spot
    work = replace(work, children=_children_of(ports, work, rates))
    finish_lane = lane_of_finish(work) if ports.limits.has_fast_lane else Lane.CPU
    finish = effort_of_finish(work, rates, finish_lane)
    if is_taken_over:
        work = replace(work, children=0, segments=0, cells=0, frames_decoded=0.0, models=())
        finish = Effort(requests=finish.requests)
    analysis = effort_of_children(work, rates) + effort_of_segments(work, rates)
    asked = price_of_children(work, rates, units, is_spot=is_spot)
    finish_parts = price(finish, units, is_spot=is_spot)
    asked = replace(asked, finish_nano_usd=finish_parts.total)
    parts = price(analysis, units, is_spot=is_spot) + finish_parts
    effort = analysis + finish
    return Quote(
        price=asked,
        # Each part was rounded up by itself.
        parts=parts + Parts(workers=asked.total(work.children) - parts.total),
        cpu_seconds=effort.cpu_seconds,
        gpu_seconds=effort.gpu_seconds,
        seconds_to_finish=0.0
        if is_taken_over
        else seconds_to_finish(
            work,
            rates,
            has_probe=has_probe,
            machines=ports.limits.max_children,
            boot_seconds=ports.limits.boot_seconds,
            finish_lane=finish_lane,
        ),
        lane=work.lane,
        children=work.children,
        segments=work.segments,
        cells=cells,
        cells_reused=cells_reused,
        is_measured=rates.knows(work),
        is_counted=work.is_counted,
        is_spot=is_spot,
        prices_dated=ports.prices.dated,
        units=units,
        finish_lane=finish_lane,
    )


def price_probe(ports: Ports, tenant: TenantId, lane: Lane) -> Price:
    """Of a probe."""
    return Price(units_nano_usd=_nano_usd(ports, effort_of_probe(get_rates(ports, tenant), lane)))


def price_admission(ports: Ports, tenant: TenantId, lane: Lane) -> Price:
    """Of the admission of a model."""
    return Price(units_nano_usd=_nano_usd(ports, effort_of_admission(get_rates(ports, tenant), lane)))


def price_rendition(ports: Ports, video: Video, parameters: Mapping[str, Any], lane: Lane) -> Price:
    """Of a rendition, by the parameters of its side step; nothing, when it can never be made."""
    asked = rendition_parameters.from_json(parameters)
    work = rendition_work(video, asked.sampling, lane)
    if work is None or video.media is None:
        return FREE
    encoded = encoded_pixels(asked.request, video.media)
    return Price(
        units_nano_usd=_nano_usd(ports, effort_of_rendition(work, encoded, get_rates(ports, video.tenant), lane))
    )


def price_again(ports: Ports, job: Job, kind: OrderKind, lane: Lane, *, units: int, children: int) -> Price:
    """Of doing some segments, the finish, or a side step of a job in this lane, whatever was paid for before.

    Nothing, when the job can never be sent, because its video or a model is gone.
    """
    known = _work_again(ports, job)
    if known is None:
        return FREE
    work, rates = known
    match kind:
        case OrderKind.ANALYZE:
            part = work.part(units, children).on_lane(lane, children)
            return price_of_children(part, rates, ports.prices.units, is_spot=ports.limits.is_spot)
        case OrderKind.FINISH:
            return Price(units_nano_usd=_nano_usd(ports, effort_of_finish(work, rates, lane)))
        case _:
            side = UnitKind.EXPORT if kind is OrderKind.EXPORT else UnitKind.TRACKS
            return Price(units_nano_usd=_nano_usd(ports, effort_of_side_step(work, side, rates, lane)))


def children_again(ports: Ports, job: Job, lane: Lane, segments: int) -> int:
    """How many children share some segments of a job that are done again in this lane."""
    known = _work_again(ports, job)
    if known is None:
        return 1
    work, rates = known
    return _children_of(ports, work.part(segments, segments).on_lane(lane, segments), rates)


def price_finish(ports: Ports, job: Job) -> int:
    """Nano-dollars of the finish of a job."""
    lane = choose_finish_lane(ports, job)
    return price_again(ports, job, OrderKind.FINISH, lane, units=1, children=1).units_nano_usd


def _nano_usd(ports: Ports, effort: Effort) -> int:
    return price(effort, ports.prices.units, is_spot=ports.limits.is_spot).total


def _work_again(ports: Ports, job: Job) -> tuple[Work, Rates] | None:
    """The work of a job that is sent once more, and its rates; None when its video is gone."""
    video = ports.videos.get(job.tenant, job.video_id)
    manifests = [ports.models.get(job.tenant, ref.sha256) for ref in job.models]
    known = [manifest for manifest in manifests if manifest is not None]
    segments = job.plan.segments if job.plan else 1
    work = work_of(ports, video, job.request.sampling, known, segments=segments) if video else None
    return None if work is None else (work, get_rates(ports, job.tenant))


def _children_of(ports: Ports, work: Work, rates: Rates) -> int:
    limits = ports.limits
    if work.lane is Lane.FAST:
        # What one child does soon is not worth sharing out.
        return min(work.segments, 1)
    return choose_children(work, rates, boot_seconds=limits.boot_seconds[work.lane], max_children=limits.max_children)
