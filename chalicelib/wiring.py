"""Which adapter is behind which port: the only module that knows both sides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from chalicelib.adapters import clients
from chalicelib.adapters.batch import AwsBatch
from chalicelib.adapters.campaign_store import DynamoCampaignStore
from chalicelib.adapters.due_index import DynamoDueIndex
from chalicelib.adapters.event_bus import EventBridgeWaker
from chalicelib.adapters.event_publisher import AppSyncPublisher, SilentPublisher
from chalicelib.adapters.event_store import DynamoEventStore
from chalicelib.adapters.fast_lane import WithFastLane
from chalicelib.adapters.idempotency_store import DynamoIdempotencyStore
from chalicelib.adapters.job_store import DynamoJobStore
from chalicelib.adapters.ledger_store import DynamoLedgerStore
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.object_store import S3ObjectStore
from chalicelib.adapters.pipeline_store import DynamoPipelineStore
from chalicelib.adapters.rate_store import DynamoRateStore
from chalicelib.adapters.result_store import DynamoResultStore
from chalicelib.adapters.result_version_store import DynamoResultVersionStore
from chalicelib.adapters.submission_store import DynamoSubmissionStore
from chalicelib.adapters.system import RandomIds, SystemClock
from chalicelib.adapters.table import Table
from chalicelib.adapters.take_over_store import DynamoTakeOverStore
from chalicelib.adapters.tokens import JwksTokenVerifier
from chalicelib.adapters.unit_store import DynamoUnitStore
from chalicelib.adapters.video_store import DynamoVideoStore
from chalicelib.adapters.webhook_store import DynamoWebhookStore
from chalicelib.adapters.webhooks import HttpNotifier
from chalicelib.services.ports import Batch, Ports
from chalicelib.services.shared_reads import SharedReads
from chalicelib.settings import Settings, read_settings

_in_use: list[Ports] = []


def get_ports() -> Ports:
    """The ports of this process, from its environment; made at the first event, not at import."""
    return _in_use[-1] if _in_use else _ports_of_environment()


@contextmanager
def using(ports: Ports) -> Iterator[None]:
    """Within it, every event is answered with these ports: how a test puts others below the real app."""
    _in_use.append(ports)
    try:
        yield
    finally:
        _in_use.pop()


@cache
def _ports_of_environment() -> Ports:
    return make_ports(read_settings())


def make_ports(settings: Settings) -> Ports:
    """The ports on AWS."""
    meta = Table(clients.dynamodb(), settings.meta_table)
    results = Table(clients.dynamodb(), settings.results_table)
    clock = SystemClock()
    batch: Batch = AwsBatch(clients.batch, settings.queue_by_lane, settings.job_definition_by_lane)
    if settings.fast_function:
        batch = WithFastLane(batch, clients.functions, settings.fast_function)
    return Ports(
        clock=clock,
        ids=RandomIds(clock),
        videos=DynamoVideoStore(meta),
        jobs=DynamoJobStore(meta),
        units=DynamoUnitStore(meta),
        submissions=DynamoSubmissionStore(meta),
        due=DynamoDueIndex(meta),
        models=DynamoModelRegistry(meta),
        pipelines=DynamoPipelineStore(meta),
        versions=DynamoResultVersionStore(meta),
        results=DynamoResultStore(results),
        take_overs=DynamoTakeOverStore(meta, results),
        objects=S3ObjectStore(clients.s3, settings.bucket),
        batch=batch,
        campaigns=DynamoCampaignStore(meta),
        idempotency=DynamoIdempotencyStore(meta),
        events=DynamoEventStore(meta),
        publisher=AppSyncPublisher(settings.graphql_url) if settings.graphql_url else SilentPublisher(),
        webhooks=DynamoWebhookStore(meta),
        notifier=HttpNotifier(is_local=settings.webhooks_are_local),
        waker=EventBridgeWaker(clients.events, settings.meta_table),
        ledgers=DynamoLedgerStore(meta),
        rates=DynamoRateStore(meta),
        prices=settings.prices,
        tokens=JwksTokenVerifier(
            jwks_url=settings.jwks_url, issuer=settings.token_issuer, client_ids=settings.token_client_ids
        ),
        polled=SharedReads(settings.limits.poll_seconds),
        limits=settings.limits,
        bucket=settings.bucket,
    )


def forget_ports() -> None:
    """Drop ports and clients, when the environment that they were made from has changed."""
    for cached in (
        _ports_of_environment,
        clients.dynamodb,
        clients.s3,
        clients.batch,
        clients.events,
        clients.functions,
    ):
        cached.cache_clear()
