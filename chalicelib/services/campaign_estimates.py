"""What a campaign would do if it ran now: a bounded look, which records and starts nothing."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.campaigns import Plan
from chalicelib.domain.errors import Conflict
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.services.campaign_selection import select_page
from chalicelib.services.campaign_work import find_current, quote, resolve_analysis
from chalicelib.services.ports import Ports

PAGES = 5
"""Of the selection: a request has 29 seconds. Source: API Gateway's integration timeout."""
PRICED = 50
"""Each takes a quote, which reads what is stored of the video's results."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was found, as far as was looked."""

    videos: int
    """Selected."""
    looked_at: int
    has_more: bool
    """Whether there are videos that were not looked at."""
    priced: int
    """How many of the selected the cost is of."""
    unchanged: int
    """Of the priced: those with current results of this very analysis."""
    cost_nano_usd: int


def estimate_campaign(ports: Ports, tenant: TenantId, plan: Plan) -> Estimate:
    """What the first run would take, were it now.

    Raises:
        InvalidRequest, Conflict: there is no such pipeline, model or label.
    """
    analysis = resolve_analysis(ports, tenant, plan)
    now = ports.clock.now()
    videos = looked_at = priced = unchanged = cost_nano_usd = 0
    after: VideoId | None = None
    for _ in range(PAGES):
        page = select_page(ports, tenant, plan.selection, analysis.pipeline_name, now, after)
        looked_at += page.looked
        videos += len(page.videos)
        for video in page.videos[: PRICED - priced]:
            priced += 1
            current = find_current(ports, video, analysis.pipeline_name)
            if current is not None and analysis.made(current):
                unchanged += 1
                continue
            try:
                cost_nano_usd += quote(ports, video, analysis)
            except Conflict:
                # Deleted or changed while we look: it will cost nothing.
                continue
        after = page.looked_to
        if after is None:
            break
    return Estimate(videos, looked_at, after is not None, priced, unchanged, cost_nano_usd)
