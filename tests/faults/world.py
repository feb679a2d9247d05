"""One small deployment that does one small whole job: upload, probe, three segments in two children, finish.

Everything of the product runs: its app and functions, its adapters, its worker; below them, moto behind its lock, the
local stack's fronts and its Batch. One thread, one order of steps, a clock that only the scheduler moves: the same plan
gives the same run.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

import app as app_module
from chalicelib import wiring
from chalicelib.adapters import clients
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.table import Table
from chalicelib.contracts import object_keys
from chalicelib.domain.ids import JobId, TenantId
from chalicelib.domain.jobs import Job, JobState
from chalicelib.domain.lanes import FAST_GONE_SECONDS
from chalicelib.services.ports import Claims
from chalicelib.settings import read_settings
from gpu_batch.aws import Cloud
from infra.local import moto_patches
from infra.local.batch_api import BatchApi
from infra.local.bootstrap import create_resources
from infra.local.dynamodb_front import DynamoDbFront
from infra.local.environment import ACCESS_KEY, SECRET_KEY, applied
from infra.local.events import REGION
from infra.local.fast_lane import LambdaApi
from infra.local.functions import Functions
from infra.local.gateway import Gateway
from infra.local.moto_gate import MotoGate
from infra.local.s3_front import S3Front
from infra.wiring import WIRING
from tests.fakes.system import FakeClock, FakeTokenVerifier, SequentialIds
from tests.faults.deliveries import Deliveries, EventPlan
from tests.faults.machines import Invocations, Machines
from tests.faults.toys import toy_clip, toy_model
from tests.faults.wire import Died, Plan, Wire, connected

TENANT = TenantId("acme")
URL = "http://127.0.0.1"
RECONCILE_SECONDS = 60
ROUNDS = 20
"""Of the schedule: a job that has not ended after so many is stuck."""
FAST_ROUNDS = ROUNDS + FAST_GONE_SECONDS // RECONCILE_SECONDS
"""Where there is a fast lane: what became of an invocation that died unheard, nobody can say before its time."""
STALL_ROUNDS = 5
SUCCEEDED = {"S": JobState.SUCCEEDED}
CLIENT_TRIES = 4
CLIENT_PAUSE_SECONDS = 65
"""After this long a client that got no answer asks again; a first request that died holds its key for a minute."""
ENVIRONMENT = {
    "AWS_ENDPOINT_URL": URL,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
    "REELSCAN_META_TABLE": WIRING.meta.name,
    "REELSCAN_RESULTS_TABLE": WIRING.results.name,
    "REELSCAN_BUCKET": WIRING.bucket.name,
    "REELSCAN_CPU_QUEUE": WIRING.cpu.queue,
    "REELSCAN_GPU_QUEUE": WIRING.gpu.queue,
    "REELSCAN_CPU_JOB_DEFINITION": WIRING.cpu.definition.name,
    "REELSCAN_GPU_JOB_DEFINITION": WIRING.gpu.definition.name,
    "REELSCAN_TOKEN_ISSUER": URL,
    "REELSCAN_JWKS_URL": URL,
    "REELSCAN_CURSOR_KEY": "5f" * 32,
    "REELSCAN_ANALYZE_LANE": "cpu",
    "REELSCAN_MAX_CHILDREN": "2",
    "REELSCAN_RECONCILE_SECONDS": str(RECONCILE_SECONDS),
    # No heartbeat comes within a run: it would come from a thread, and break the order of the calls.
    "REELSCAN_HEARTBEAT_SECONDS": "3600",
    "REELSCAN_VCPUS": "1",
}
REQUEST = {
    "filename": "toy.mp4",
    "content_type": "video/mp4",
    "analyze": {"models": ["toy"], "segment_seconds": 0.6},
}
HOUR_SECONDS = 3600


@dataclass(frozen=True)
class Ended:
    """What a run came to."""

    job: Job
    seconds: float
    """On the run's clock, from the first request to the job's end; the whole run when it did not succeed."""
    rounds: int
    """Of the schedule, until nothing was due any more."""


class World:
    """One run's deployment; `Rig.world` makes it."""

    def __init__(self, rig: Rig, plan: EventPlan | None, *, has_events: bool, first: Job | None) -> None:
        gate, self.wire = rig.gate, rig.wire
        self.has_fast_lane = rig.ports.limits.has_fast_lane
        self.first = first
        """A job that succeeded before this run, which then is about a second one like it."""
        self.clock = FakeClock()
        self.clock.advance(HOUR_SECONDS if first else 0)
        self._began_at = self.clock.now()
        functions = Functions(app_module, WIRING.handlers)
        self.deliveries = Deliveries(functions, self.wire, plan, are_lost=not has_events)
        self.machines = Machines(self.wire, self.deliveries, rig.cloud)
        self.invocations = Invocations(self.wire, self.deliveries, rig.cloud)
        self.s3 = S3Front(gate, WIRING.bucket, {ACCESS_KEY: SECRET_KEY}, self.deliveries.put)
        self.wire.handle_by_service = {
            "dynamodb": DynamoDbFront(gate).handle,
            "s3": self.s3.handle,
            "batch": BatchApi(WIRING.lanes, self.machines).handle,
            "lambda": LambdaApi(WIRING.fast, self.invocations).handle,
        }
        self.wire.world_goes_on = self.go_on
        tokens = FakeTokenVerifier()
        tokens.claims_by_token[TENANT] = Claims(TENANT, "a user", frozenset())
        self.requests = 0
        """How often the client had to ask."""
        self._succeeded_at: datetime | None = None
        self.ports = replace(rig.ports, clock=self.clock, ids=SequentialIds(self.clock), tokens=tokens)

    def run(self) -> Ended:
        """The whole job, as a client and AWS drive it, until nothing is due any more."""
        created = self._post()
        if self.first is None:
            self._upload(created["upload"]["fields"])
        job_id = JobId(created["job"]["job_id"])
        self.settle()
        rounds = 0
        while rounds < self.rounds and self._is_anything_due():
            # Once the job is over, what is left waits for an upload that never comes: its request was never answered.
            is_over = self._job(job_id).is_terminal
            self.pass_time(self.ports.limits.upload_seconds if is_over else RECONCILE_SECONDS)
            rounds += 1
        self.deliveries.deliver_late()
        self.settle()
        over_at = self._succeeded_at or self.clock.now()
        return Ended(self._job(job_id), (over_at - self._began_at).total_seconds(), rounds)

    def settle(self) -> None:
        """Deliver and run until nothing is left to do; no time passes."""
        while self.deliveries.deliver_next() or self.machines.run_next() or self.invocations.run_next():
            pass
        if self._succeeded_at is None and any(image.get("state") == SUCCEEDED for image in self.deliveries.images):
            self._succeeded_at = self.clock.now()

    def go_on(self, *, for_long: bool) -> None:
        """What happens while one process stands still: for one round of the schedule, or for longer than any lease."""
        self.settle()
        for _ in range(STALL_ROUNDS if for_long else 1):
            self.pass_time(RECONCILE_SECONDS)

    @property
    def rounds(self) -> int:
        """Of the schedule, in which all must be over."""
        return FAST_ROUNDS if self.has_fast_lane else ROUNDS

    @property
    def processes(self) -> set[str]:
        """The names of all that have called AWS so far."""
        return {site.process for site in self.wire.sites}

    def get(self, path: str) -> Any:
        """What the API says."""
        return json.loads(self.call("GET", path, b"", {}).get_data())

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.deliveries.tick()
        self.settle()

    def _post(self) -> Any:
        """Ask as a client does: the same request with the same key, until there is an answer."""
        form: Any = {**REQUEST, "size_bytes": len(toy_clip())}
        path, expected = "/videos", 201
        if self.first is not None:
            path, form, expected = f"/videos/{self.first.video_id}/jobs", REQUEST["analyze"], 202
        body = json.dumps(form).encode()
        answer = None
        for _ in range(CLIENT_TRIES):
            self.requests += 1
            try:
                with self.wire.process("api"):
                    answer = self.call("POST", path, body, {"Idempotency-Key": f"the-toy{path}"})
            except Died:
                answer = None
            if answer is not None and answer.status_code == expected:
                return json.loads(answer.get_data())
            self.clock.advance(CLIENT_PAUSE_SECONDS)
        raise AssertionError(f"POST {path} was never answered; at last {answer and answer.get_data()!r}")

    def _upload(self, form: dict[str, str]) -> None:
        fields = {**form, "file": (io.BytesIO(toy_clip()), "toy.mp4")}
        answer = self.s3.handle(make_request("POST", f"/{WIRING.bucket.name}", {}, fields))
        assert answer.status_code == 204, answer.get_data()

    def call(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
        sent = {"Authorization": f"Bearer {TENANT}", "Content-Type": "application/json", **headers}
        return _gateway().handle(make_request(method, path, sent, body))

    def _job(self, job_id: JobId) -> Job:
        job = self.ports.jobs.get(TENANT, job_id)
        assert job is not None
        return job

    def _is_anything_due(self) -> bool:
        far = self.clock.now().replace(year=9000)
        return bool(self.ports.due.list_due(far, 1))


class DirectGate(MotoGate):
    """moto's application of S3 without looking for it each time: DynamoDB's requests are not served by one."""

    def __init__(self) -> None:
        super().__init__()
        self._app = create_backend_app("s3")


class Rig:
    """The process that runs happen in, one after the other, each on the same fresh tables; make it with `a_rig`."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.gate = DirectGate()
        wire.handle_by_service = {"dynamodb": self.gate.call_dynamodb, "s3": self.gate.handle}
        self.ports = wiring.make_ports(read_settings())
        # One for all workers: it keeps nothing but its clients, which take long to make.
        self.cloud = Cloud(WIRING.meta.name, WIRING.results.name, WIRING.bucket.name, now=self._now)
        self._world: World | None = None
        create_resources(WIRING)
        content, manifest = toy_model()
        key = object_keys.model_key(manifest.sha256)
        boto3.client("s3").put_object(Bucket=WIRING.bucket.name, Key=key, Body=content)
        DynamoModelRegistry(Table(clients.dynamodb(), WIRING.meta.name)).put(manifest)
        self._fresh = pickle.dumps(moto_patches.capture_backends())
        self._after_first: tuple[bytes, Job] | None = None

    @contextmanager
    def world(
        self, plan: Plan | EventPlan | None = None, *, has_events: bool = True, is_second: bool = False
    ) -> Iterator[World]:
        """A fresh deployment that meets `plan`; without events only the schedule moves anything.

        One that `is_second` has done the whole job before.
        """
        state, first = self._state_after_first() if is_second else (self._fresh, None)
        moto_patches.restore_backends(*pickle.loads(state))
        self.wire.begin(plan if isinstance(plan, Plan) else None)
        event_plan = plan if isinstance(plan, EventPlan) else None
        self._world = World(self, event_plan, has_events=has_events, first=first)
        with wiring.using(self._world.ports):
            yield self._world

    def _state_after_first(self) -> tuple[bytes, Job]:
        if self._after_first is None:
            with self.world() as world:
                ended = world.run()
                self._after_first = pickle.dumps(moto_patches.capture_backends()), ended.job
        return self._after_first

    def _now(self) -> float:
        assert self._world is not None
        return self._world.clock.now().timestamp()


@contextmanager
def a_rig(*, has_fast_lane: bool = False) -> Iterator[Rig]:
    """moto's state, the environment and boto3's default session are this block's until it ends."""
    with ExitStack() as stack:
        fast = {"REELSCAN_FAST_FUNCTION": WIRING.fast.function if has_fast_lane else ""}
        stack.enter_context(applied(ENVIRONMENT | fast))
        moto_patches.reset()
        stack.callback(moto_patches.reset)
        wire = Wire()
        stack.enter_context(connected(wire))
        wiring.forget_ports()
        stack.callback(wiring.forget_ports)
        yield Rig(wire)


@cache
def _gateway() -> Gateway:
    return Gateway(app_module.app)


def make_request(method: str, path: str, headers: dict[str, str], data: Any) -> Request:
    environ = EnvironBuilder(path=path, method=method, headers=list(headers.items()), data=data).get_environ()
    environ["RAW_URI"] = environ["REQUEST_URI"] = path
    return Request(environ)
