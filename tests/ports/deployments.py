"""What a port's contract suite runs on: the fakes, or AWS as the local stack has it; and what only the outside does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import httpx

from chalicelib import wiring
from chalicelib.adapters import clients
from chalicelib.adapters.campaign_store import DynamoCampaignStore
from chalicelib.adapters.due_index import DynamoDueIndex
from chalicelib.adapters.event_store import DynamoEventStore
from chalicelib.adapters.idempotency_store import DynamoIdempotencyStore
from chalicelib.adapters.job_store import DynamoJobStore
from chalicelib.adapters.ledger_store import DynamoLedgerStore
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.pipeline_store import DynamoPipelineStore
from chalicelib.adapters.rate_store import DynamoRateStore
from chalicelib.adapters.result_store import DynamoResultStore
from chalicelib.adapters.result_version_store import DynamoResultVersionStore
from chalicelib.adapters.submission_store import DynamoSubmissionStore
from chalicelib.adapters.table import Table
from chalicelib.adapters.take_over_store import DynamoTakeOverStore
from chalicelib.adapters.unit_store import DynamoUnitStore
from chalicelib.adapters.video_store import DynamoVideoStore
from chalicelib.adapters.webhook_store import DynamoWebhookStore
from chalicelib.contracts import table_keys
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.model_items import digest_to_item, place_to_item, trial_to_map
from chalicelib.contracts.outcomes import model_admitted
from chalicelib.contracts.tracks import TrackRow, pack_tracks
from chalicelib.contracts.tree_fold import PlacedNode
from chalicelib.domain.ids import JobId, TenantId
from chalicelib.domain.model_versions import ModelVersion, Trial
from chalicelib.domain.models import Manifest
from chalicelib.services.object_port import PostForm, SignedPart
from chalicelib.services.ports import Ports
from chalicelib.settings import read_settings
from tests.fakes.make import Fakes

ITEM_WRITES = frozenset({"put_item", "update_item", "delete_item", "batch_write_item", "transact_write_items"})


class Outside(Protocol):
    """Clients, the worker and an operator."""

    def post(self, form: PostForm, body: bytes) -> bool: ...
    def put_part(self, part: SignedPart, body: bytes) -> bool: ...
    def fetch(self, url: str) -> bytes | None: ...
    def register(self, manifest: Manifest) -> None: ...
    def admit(self, version: ModelVersion, manifest: Manifest, ready_at: datetime) -> object: ...
    def write_index(self, tenant: TenantId, job_id: JobId, entry: IndexEntry) -> None: ...
    def write_block(self, tenant: TenantId, content_digest: str, sk: str, packed: bytes) -> None: ...
    def write_tracks(
        self,
        tenant: TenantId,
        job_id: JobId,
        chunks: Sequence[Sequence[TrackRow]],
        ids_by_key: Mapping[str, bytes],
        *,
        version: int = 0,
    ) -> None: ...
    def write_nodes(self, tenant: TenantId, job_id: JobId, tree: str, nodes: Iterable[PlacedNode]) -> None: ...


@dataclass(frozen=True)
class Deployment:
    """Ports, and what acts on the same tables and bucket from outside."""

    ports: Ports
    outside: Outside


class EveryReplyLost:
    """A DynamoDB client whose writes all lose their first reply: sends each twice and gives the second answer.

    That is what botocore does by itself after a timeout. A write that is refused the first time is not sent again.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return self._twice(call, name) if name in ITEM_WRITES else call

    def _twice(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def send(**request: Any) -> Any:
            if name == "transact_write_items":
                # botocore makes the token before the first try, and keeps it for the others.
                request.setdefault("ClientRequestToken", str(uuid.uuid4()))
            call(**request)
            return call(**request)

        return send


class FakeOutside:
    """Acts on the fakes."""

    def __init__(self, fakes: Fakes) -> None:
        self.post = fakes.objects.post
        self.put_part = fakes.objects.put_part
        self.fetch = fakes.objects.fetch
        self.register = fakes.models.register
        self.admit = fakes.models.admit
        self.write_index = fakes.results.write_index
        self.write_block = fakes.results.write_block
        self.write_tracks = fakes.results.write_tracks
        self.write_nodes = fakes.results.write_nodes


class HttpOutside:
    """Speaks HTTP to the bucket, and writes items as the worker does."""

    def __init__(self, meta: Table, results: Table) -> None:
        self._registry = DynamoModelRegistry(meta)
        self._meta = meta
        self._results = results

    def post(self, form: PostForm, body: bytes) -> bool:
        return httpx.post(form.url, data=form.fields, files={"file": body}).is_success

    def put_part(self, part: SignedPart, body: bytes) -> bool:
        headers = {name: value for name, value in part.headers.items() if name != "Content-Length"}
        return httpx.put(part.url, content=body, headers=headers).is_success

    def fetch(self, url: str) -> bytes | None:
        answer = httpx.get(url)
        return answer.content if answer.is_success else None

    def register(self, manifest: Manifest) -> None:
        self._registry.put(manifest)

    def admit(self, version: ModelVersion, manifest: Manifest, ready_at: datetime) -> None:
        pk = table_keys.partition(version.tenant, version.model_id)
        place = place_to_item(version.tenant, version.name, version.version, version.model_id)
        digest = digest_to_item(place["pk"], manifest, ready_at, version.model_id)
        trial = trial_to_map(Trial({"64x64": 1.5}, 20.0))
        self._meta.transact(model_admitted(self._meta.name, pk, place, digest, trial=trial))

    def write_index(self, tenant: TenantId, job_id: JobId, entry: IndexEntry) -> None:
        self._results.put(entry.to_item(tenant, job_id))

    def write_block(self, tenant: TenantId, content_digest: str, sk: str, packed: bytes) -> None:
        pk = table_keys.partition(tenant, content_digest)
        self._results.put({"pk": pk, "sk": sk, "kind": "BLOCK", "body": packed})

    def write_tracks(
        self,
        tenant: TenantId,
        job_id: JobId,
        chunks: Sequence[Sequence[TrackRow]],
        ids_by_key: Mapping[str, bytes],
        *,
        version: int = 0,
    ) -> None:
        pk = table_keys.partition(tenant, job_id)
        items: list[dict[str, Any]] = [{"sk": sk, "body": body} for sk, body in ids_by_key.items()]
        items += [
            {"sk": table_keys.track_chunk(version, n), "body": pack_tracks(chunk)} for n, chunk in enumerate(chunks)
        ]
        self._results.write_many([{"pk": pk, **item} for item in items])

    def write_nodes(self, tenant: TenantId, job_id: JobId, tree: str, nodes: Iterable[PlacedNode]) -> None:
        pk = table_keys.partition(tenant, job_id)
        key_of = partial(table_keys.tree_node, tree)
        self._results.write_many(
            [{"pk": pk, "sk": key_of(node.level, node.number), "body": node.body} for node in nodes]
        )


def aws_deployment(wrap: Callable[[Any], Any] = lambda client: client) -> Deployment:
    """The adapters as wiring has them, with DynamoDB's client as `wrap` gives it; needs the stack's environment."""
    settings = read_settings()
    client = wrap(clients.dynamodb())
    meta, results = Table(client, settings.meta_table), Table(client, settings.results_table)
    ports = replace(
        wiring.make_ports(settings),
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
        campaigns=DynamoCampaignStore(meta),
        idempotency=DynamoIdempotencyStore(meta),
        events=DynamoEventStore(meta),
        webhooks=DynamoWebhookStore(meta),
        ledgers=DynamoLedgerStore(meta),
        rates=DynamoRateStore(meta),
    )
    return Deployment(ports, HttpOutside(meta, results))
