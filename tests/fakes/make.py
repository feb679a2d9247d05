"""All ports in memory."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.domain.units import Lane
from chalicelib.services.ports import Limits, Ports
from chalicelib.services.shared_reads import SharedReads
from chalicelib.settings import read_prices
from tests.fakes.answers import FakeIdempotencyStore
from tests.fakes.batch import FakeBatch
from tests.fakes.campaigns import FakeCampaignStore
from tests.fakes.costs import FakeLedgerStore, FakeRateStore
from tests.fakes.events import FakeEventStore, FakePublisher
from tests.fakes.memory import Memory
from tests.fakes.models import FakeModelRegistry
from tests.fakes.objects import BUCKET, FakeObjectStore
from tests.fakes.records import FakeDueIndex, FakeJobStore, FakeSubmissionStore, FakeVideoStore
from tests.fakes.results import FakeResultStore
from tests.fakes.system import FakeClock, FakeTokenVerifier, SequentialIds
from tests.fakes.take_over import FakeTakeOverStore
from tests.fakes.units import FakeClaims, FakeUnitStore
from tests.fakes.versions import FakePipelineStore, FakeResultVersionStore
from tests.fakes.webhooks import FakeNotifier, FakeWaker, FakeWebhookStore

LIMITS = Limits(
    max_upload_bytes=1 << 40,
    multipart_threshold_bytes=100 << 20,
    ticket_seconds=900,
    upload_seconds=4500,
    download_seconds=3600,
    lease_seconds=30.0,
    heartbeat_seconds=10.0,
    reconcile_seconds=60.0,
    poll_seconds=0.0,
    resend_seconds=30.0,
    queue_seconds=3600.0,
    job_seconds=24 * 3600,
    max_children=4,
    analyze_lane=Lane.CPU,
    import_buckets=("elsewhere",),
    cursor_key=b"k" * 32,
    boot_seconds=dict.fromkeys(Lane, 0.0),
    # One job after the other, so that every test goes the same way each time.
    webhook_connections=1,
)


@dataclass(frozen=True)
class Fakes:
    """The fakes by their own types, for what only a test may do with them."""

    clock: FakeClock
    memory: Memory
    claims: FakeClaims
    models: FakeModelRegistry
    results: FakeResultStore
    objects: FakeObjectStore
    batch: FakeBatch
    tokens: FakeTokenVerifier
    publisher: FakePublisher
    notifier: FakeNotifier
    waker: FakeWaker
    ports: Ports
    ledgers: FakeLedgerStore
    rates: FakeRateStore


def make_fakes(limits: Limits = LIMITS) -> Fakes:
    """A deployment in memory, with nothing in it."""
    clock, memory = FakeClock(), Memory()
    models, results, objects, batch = FakeModelRegistry(memory), FakeResultStore(), FakeObjectStore(), FakeBatch()
    tokens, publisher = FakeTokenVerifier(), FakePublisher()
    notifier, waker = FakeNotifier(), FakeWaker()
    ledgers, rates = FakeLedgerStore(memory), FakeRateStore()
    ports = Ports(
        clock=clock,
        ids=SequentialIds(clock),
        videos=FakeVideoStore(memory),
        jobs=FakeJobStore(memory),
        units=FakeUnitStore(memory),
        submissions=FakeSubmissionStore(memory),
        due=FakeDueIndex(memory),
        models=models,
        pipelines=FakePipelineStore(memory),
        versions=FakeResultVersionStore(memory),
        results=results,
        take_overs=FakeTakeOverStore(memory, results),
        objects=objects,
        batch=batch,
        campaigns=FakeCampaignStore(memory),
        idempotency=FakeIdempotencyStore(),
        events=FakeEventStore(memory),
        publisher=publisher,
        webhooks=FakeWebhookStore(memory),
        notifier=notifier,
        waker=waker,
        ledgers=ledgers,
        rates=rates,
        prices=read_prices(),
        tokens=tokens,
        polled=SharedReads(limits.poll_seconds),
        limits=limits,
        bucket=BUCKET,
    )
    return Fakes(
        clock,
        memory,
        FakeClaims(memory),
        models,
        results,
        objects,
        batch,
        tokens,
        publisher,
        notifier,
        waker,
        ports,
        ledgers,
        rates,
    )


def make_ports(limits: Limits = LIMITS) -> Ports:
    """The ports alone."""
    return make_fakes(limits).ports
