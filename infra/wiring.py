"""What exists and what triggers what: plain data that the CDK code and the local stack read, so that they cannot drift.

Handlers are named by the attribute of the Chalice app module (`app.py`) that holds them; each is called as
`handler(event, context)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chalicelib.api.graphql import limits
from chalicelib.api.graphql.limits import PageLimits
from chalicelib.api.graphql.resolvers import RESOLVERS
from chalicelib.contracts import event_patterns
from chalicelib.domain.costs import FAST_MEMORY_MIB
from chalicelib.domain.lanes import FAST_EVENT_AGE_SECONDS, FAST_SCRATCH_MIB, FAST_TIMEOUT_SECONDS

ROOT = Path(__file__).resolve().parent.parent

EventPattern = Mapping[str, object]
"""A pattern of EventBridge, also of Lambda's event filters: nested mappings that end in lists of accepted values."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key attribute of a table: its name and its DynamoDB type."""

    name: str
    type: Literal["S", "N"] = "S"


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index that projects keys only."""

    name: str
    partition_key: Attribute
    sort_key: Attribute


@dataclass(frozen=True, slots=True)
class Table:
    """A table, billed on demand."""

    name: str
    partition_key: Attribute
    sort_key: Attribute
    indexes: tuple[Index, ...] = ()
    ttl_attribute: str | None = None
    has_stream: bool = False
    """The stream carries new and old images."""


@dataclass(frozen=True, slots=True)
class Cors:
    """What a browser page of another origin may do with the bucket."""

    allowed_origins: tuple[str, ...]
    allowed_methods: tuple[str, ...]
    allowed_headers: tuple[str, ...]
    expose_headers: tuple[str, ...]
    max_age_seconds: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The one bucket: private, versioned, its events go to EventBridge."""

    name: str
    cors: Cors
    abort_multipart_after_days: int


@dataclass(frozen=True, slots=True)
class ExitRule:
    """One `evaluateOnExit` rule; every condition that is given must hold. Conditions may end in `*`."""

    action: Literal["RETRY", "EXIT"]
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None


@dataclass(frozen=True, slots=True)
class RetryStrategy:
    """How often Batch starts a job, and after which ends it tries again. The first rule that matches decides."""

    attempts: int
    rules: tuple[ExitRule, ...]


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """How a child job runs: the image is the worker's, its entry point `python -m gpu_batch`."""

    name: str
    vcpus: int
    memory_mib: int
    gpus: int
    attempt_timeout_seconds: int
    retry: RetryStrategy


@dataclass(frozen=True, slots=True)
class Lane:
    """A Batch queue and the one job definition that is sent to it."""

    queue: str
    definition: JobDefinition


@dataclass(frozen=True, slots=True)
class FastLane:
    """The `cpu` image as a Lambda function, invoked asynchronously (docs/decisions/0024).

    Its destinations, on success and on failure, are the default event bus.
    """

    function: str
    entry_point: tuple[str, ...]
    """Of the image, in place of its own."""
    command: tuple[str, ...]
    memory_mib: int
    timeout_seconds: int
    scratch_mib: int
    """Of /tmp (ephemeral storage)."""
    retry_attempts: int
    """Of an invocation that failed; never more than 0: attempts are claims, and each passes the budgets."""
    event_age_seconds: int
    """How long Lambda tries to start an invocation; then the on-failure destination hears of it."""


@dataclass(frozen=True, slots=True)
class EventRule:
    """Events on the default bus that match `pattern` start `handler`, asynchronously and at least once."""

    name: str
    pattern: EventPattern
    handler: str


@dataclass(frozen=True, slots=True)
class StreamMapping:
    """Records of a table's stream that match one of `filters` start `handler`, in order per item and at least once."""

    table: str
    handler: str
    filters: tuple[EventPattern, ...]
    batch_size: int
    max_retries: int
    """After these, and after bisecting the batch, a record goes to the on-failure queue."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A handler that EventBridge Scheduler starts again and again, with a "Scheduled Event" of `aws.scheduler`.

    One that fails needs no retry: the next one finds all that it left.
    """

    name: str
    handler: str
    every_seconds: int
    """Whole minutes, which is what Scheduler counts in."""

    def __post_init__(self) -> None:
        if self.every_seconds < 60 or self.every_seconds % 60:
            raise ValueError(f"every_seconds must be whole minutes but got {self.every_seconds}")

    @property
    def expression(self) -> str:
        """The rate as Scheduler has it. Source: EventBridge Scheduler, schedule types."""
        minutes = self.every_seconds // 60
        return f"rate({minutes} {'minute' if minutes == 1 else 'minutes'})"


@dataclass(frozen=True, slots=True)
class GraphQlApi:
    """AppSync: every field that `handler` has a resolver for is resolved by it."""

    schema_path: Path
    handler: str
    batched_fields: frozenset[tuple[str, str]]
    """Resolved for several objects at once: BatchInvoke with `batch_max`."""
    resolved_fields: frozenset[tuple[str, str]]
    """All fields with a resolver; the others are properties."""
    batch_max: int
    depth_max: int
    """AppSync's `queryDepthLimit`."""
    resolvers_max: int
    """AppSync's `resolverCountLimit`."""
    cost_max: int
    """AppSync has nothing like it; the local gateway has."""
    page_limits_by_field: Mapping[tuple[str, str], PageLimits]
    resolver_code_path: Path
    """APPSYNC_JS between AppSync and the handler."""
    direct_code_path_by_field: Mapping[tuple[str, str], Path]
    """Of the resolved fields, those that AppSync reads from table `meta` by itself (docs/decisions/0032); the local
    stack asks the handler, which answers the same."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The whole system."""

    meta: Table
    results: Table
    bucket: Bucket
    cpu: Lane
    gpu: Lane
    fast: FastLane
    event_rules: tuple[EventRule, ...]
    streams: tuple[StreamMapping, ...]
    schedules: tuple[Schedule, ...]
    graphql: GraphQlApi

    @property
    def tables(self) -> tuple[Table, ...]:
        """Both tables."""
        return (self.meta, self.results)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Both ways to run a child job of Batch."""
        return (self.cpu, self.gpu)

    @property
    def handlers(self) -> frozenset[str]:
        """Every name that the app module must have."""
        triggers: tuple[EventRule | StreamMapping | Schedule, ...] = (*self.event_rules, *self.streams, *self.schedules)
        return frozenset({self.graphql.handler, *(trigger.handler for trigger in triggers)})


RETRY = RetryStrategy(
    attempts=3,
    # Batch takes five rules at most, and retries what no rule matches: the last one must end it.
    rules=(
        ExitRule("RETRY", on_status_reason="Host EC2*"),
        ExitRule("RETRY", on_reason="CannotPullContainer*"),
        ExitRule("RETRY", on_exit_code="75"),
        ExitRule("RETRY", on_exit_code="143"),
        ExitRule("EXIT", on_reason="*"),
    ),
)

# Batch has no default timeout, and does not retry an attempt that ran into it: the reconciler does.
ATTEMPT_TIMEOUT_SECONDS = 6 * 3600

IMAGE_ENVIRONMENT: Mapping[str, str] = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""What the worker's image sets (gpu_batch/Dockerfile), for those who run a worker without the image."""

UNKNOWN_ROUTE_STATUS = 404
UNKNOWN_ROUTE_PROBLEM: Mapping[str, object] = {
    "type": "/docs/errors/NOT_FOUND",
    "title": "There is no such thing here",
    "status": UNKNOWN_ROUTE_STATUS,
    "detail": "No route of this API has this method and path",
    "code": "NOT_FOUND",
    "hint": "GET /openapi.json lists the routes",
}
"""What the gateway says itself; API Gateway's own 403 (MISSING_AUTHENTICATION_TOKEN) would mislead whoever mistyped."""

WIRING = Wiring(
    meta=Table(
        name="meta",
        partition_key=Attribute("pk"),
        sort_key=Attribute("sk"),
        indexes=(
            Index("due", Attribute("due_shard"), Attribute("due_at", "N")),
            Index("lists", Attribute("list_pk"), Attribute("list_sk")),
        ),
        ttl_attribute="expires_at",
        has_stream=True,
    ),
    results=Table(name="results", partition_key=Attribute("pk"), sort_key=Attribute("sk")),
    bucket=Bucket(
        name="reelscan",
        cors=Cors(
            allowed_origins=("*",),
            allowed_methods=("GET", "HEAD", "PUT", "POST"),
            allowed_headers=("*",),
            expose_headers=("ETag", "Content-Range", "Accept-Ranges", "x-amz-version-id"),
            max_age_seconds=3600,
        ),
        abort_multipart_after_days=1,
    ),
    cpu=Lane("cpu", JobDefinition("cpu", 2, 4096, 0, ATTEMPT_TIMEOUT_SECONDS, RETRY)),
    # Of a machine of 16 GiB the system keeps some: what asks for all that is left may never be placed.
    # Source: https://docs.aws.amazon.com/batch/latest/userguide/memory-management.html
    gpu=Lane("gpu", JobDefinition("gpu", 4, 14336, 1, ATTEMPT_TIMEOUT_SECONDS, RETRY)),
    fast=FastLane(
        function="fast",
        entry_point=("python", "-m", "awslambdaric"),
        command=("gpu_batch.lambda_handler.handle",),
        memory_mib=FAST_MEMORY_MIB,
        timeout_seconds=FAST_TIMEOUT_SECONDS,
        scratch_mib=FAST_SCRATCH_MIB,
        retry_attempts=0,
        event_age_seconds=FAST_EVENT_AGE_SECONDS,
    ),
    event_rules=(
        EventRule("object_created", event_patterns.OBJECT_CREATED, "on_object_created"),
        EventRule("batch_state", event_patterns.CHILD_ENDED, "on_batch_state_change"),
        EventRule("invocation_ended", event_patterns.INVOCATION_ENDED, "on_invocation_ended"),
        EventRule("webhook_due", event_patterns.WEBHOOK_DUE, "on_webhook_due"),
    ),
    streams=(
        StreamMapping("meta", "on_meta_stream", filters=event_patterns.META_CHANGES, batch_size=25, max_retries=10),
        # A consumer of its own: when nobody can be told, jobs go on all the same.
        StreamMapping("meta", "on_job_event", filters=event_patterns.EVENTS_RECORDED, batch_size=10, max_retries=10),
    ),
    schedules=(
        Schedule("reconcile", "reconcile", every_seconds=60),
        # Of its own: whatever webhooks there are, jobs are not kept waiting.
        Schedule("wake_webhooks", "wake_webhooks", every_seconds=60),
    ),
    graphql=GraphQlApi(
        schema_path=ROOT / "chalicelib" / "api" / "schema.graphql",
        handler="resolve_graphql",
        batched_fields=frozenset(name for name, resolver in RESOLVERS.items() if resolver.is_batched),
        resolved_fields=frozenset(RESOLVERS),
        batch_max=limits.BATCH_MAX,
        depth_max=limits.DEPTH_MAX,
        resolvers_max=limits.RESOLVERS_MAX,
        cost_max=limits.COST_MAX,
        page_limits_by_field=limits.PAGE_LIMITS_BY_FIELD,
        resolver_code_path=ROOT / "infra" / "resolver.js",
        direct_code_path_by_field={("Query", "video"): ROOT / "infra" / "read_video.js"},
    ),
)
