"""What one GraphQL request may ask for: read by the local gateway, by CDK (through `infra/wiring.py`) and by resolvers.

AppSync itself enforces depth and the count of resolvers. It cannot weigh a query, so the cost is the local gateway's
and the tests' to compute; on AWS the product of the other limits bounds a request: `RESOLVERS_MAX` reads of at most
`most` items each.

The cost of a query is the number of objects that it may bring: a field that gives an object counts 1, and what stands
below `items` of a list counts as often as the list's `limit` says:

    cost(field)  = 1 + cost(what is selected below it)              a field with an object
    cost(list)   = 1 + limit × (1 + cost(what is selected of one item))
    cost(leaf)   = 0
"""

from __future__ import annotations

from dataclasses import dataclass

DEPTH_MAX = 8
"""Fields below one another, from the root on: `videos{items{jobs{items{detections{items{box}}}}}}` has 7."""
COST_MAX = 10_000
RESOLVERS_MAX = 500
"""Resolvers that run for one request. Source: AppSync allows a setting of 1 to 10,000."""
BATCH_MAX = 20
"""Objects whose field is resolved by one invocation."""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How many items a list gives when nobody says, and at most."""

    usual: int
    most: int


RECORDS = PageLimits(20, 100)
"""Lists of what has lists in it: videos, jobs, models with their labels, pipelines, aliases."""
FACTS = PageLimits(100, 1000)
"""Lists of leaves: segments, detections, tracks, events. As in REST."""
PAGE_LIMITS_BY_FIELD: dict[tuple[str, str], PageLimits] = {
    ("Query", "videos"): RECORDS,
    ("Query", "models"): RECORDS,
    ("Query", "pipelines"): RECORDS,
    ("Query", "webhooks"): PageLimits(10, 10),
    ("Webhook", "deliveries"): FACTS,
    ("Query", "jobEvents"): FACTS,
    ("Query", "jobQuery"): FACTS,
    ("Query", "search"): FACTS,
    ("Query", "jobChanges"): FACTS,
    ("Query", "campaigns"): RECORDS,
    ("Campaign", "runs"): RECORDS,
    ("CampaignRun", "videos"): FACTS,
    ("Video", "jobs"): RECORDS,
    ("Video", "versions"): RECORDS,
    ("Pipeline", "versions"): RECORDS,
    ("Job", "segments"): FACTS,
    ("Job", "detections"): FACTS,
    ("Job", "tracks"): FACTS,
    ("Job", "events"): FACTS,
    ("Job", "trackVersions"): RECORDS,
}
