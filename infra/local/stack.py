"""The whole system in one process: starts every part in order, and ends them in the order that loses nothing."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from infra.local import bootstrap, environment, moto_patches
from infra.local.appsync.endpoint import PATH as GRAPHQL_PATH
from infra.local.appsync.endpoint import AppSync
from infra.local.batch_api import BatchApi
from infra.local.batch_runner import BatchRunner
from infra.local.dynamodb_front import DynamoDbFront
from infra.local.eventbridge_api import EventBridgeApi
from infra.local.events import Delivery, EventBus
from infra.local.fast_lane import FunctionRunner, Host, LambdaApi, WorkerHost
from infra.local.front_door import FrontDoor
from infra.local.functions import Functions
from infra.local.gateway import Gateway
from infra.local.issuer import Issuer
from infra.local.moto_gate import MotoGate
from infra.local.runtime_api import RuntimeHost
from infra.local.s3_front import S3Front
from infra.local.schedules import ScheduleRunner
from infra.local.server import LocalServer
from infra.local.state import Snapshot, StateFolder, StateSaver
from infra.local.stream import SharedStream, StreamPump
from infra.local.viewer import PATH as VIEWER_PATH
from infra.local.viewer import Viewer
from infra.local.warm_workers import WarmWorkers
from infra.wiring import WIRING, Wiring

TENANTS = ("a", "b")
HANDLER_GRACE_SECONDS = 10.0

_running = threading.Lock()
"""moto's state and the environment belong to the process: one stack at a time."""


class FastLaneMode(StrEnum):
    """How the stack runs the function of the fast lane."""

    OFF = "off"
    """Not at all: its work goes to Batch, where no machine must boot here."""
    WORKER = "worker"
    """Each invocation is a worker, started as Batch's are."""
    RUNTIME = "runtime"
    """As Lambda does: the handler in the runtime of the image, over the Runtime API."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """How to run the stack; the defaults are those of `make local`."""

    port: int = 0
    """0 takes a free one."""
    state: Path | None = None
    """Folder that survives; None forgets everything at the end."""
    out: Path | None = None
    """Folder for worker logs; None puts them where the state is."""
    app_module: str | object = "app"
    """The module that has `app` (Chalice) and the handlers, or its name."""
    worker_command: Sequence[str] = (sys.executable, "-m", "gpu_batch")
    warm_modules: Sequence[str] = ("gpu_batch.main", "infra.local.warm_clients")
    """Imported once, by a process that workers are forked from (docs/decisions/0016); none: each imports all anew."""
    worker_environment: Mapping[str, str] = field(default_factory=dict)
    """Added to what every worker gets."""
    worker_grace_seconds: float = 5.0
    """Between SIGTERM and SIGKILL at the end: nobody waits after Ctrl-C as long as Batch does, and leases run out."""
    slots: int = os.cpu_count() or 1
    """Workers at once, in Batch and in the fast lane each."""
    fast_lane: FastLaneMode = FastLaneMode.OFF
    function_command: Sequence[str] = (sys.executable, *WIRING.fast.entry_point[1:], *WIRING.fast.command)
    """What `FastLaneMode.RUNTIME` starts."""
    cores: int = os.cpu_count() or 1
    """Which the workers of a job share; REELSCAN_VCPUS in their environment goes before it."""
    reconcile_seconds: float | None = None
    """Every schedule's interval; None takes REELSCAN_RECONCILE_SECONDS."""
    retry_seconds: float = 1.0
    """Pause before an event is delivered again; doubles."""
    wiring: Wiring = WIRING
    models: Path | None = None
    """Folder of further models, laid out like `gpu_batch/default_models`."""
    register_models: Callable[[LocalStack], None] = bootstrap.register_start_models


class LocalStack:
    """The running system: `with LocalStack(StackOptions(...)) as stack: requests.get(stack.base_url + "/health")`."""

    def __init__(self, options: StackOptions | None = None) -> None:
        self._options = options or StackOptions()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Start.

        Raises:
            RuntimeError: another stack runs in this process.
            PortInUse: something else has the port.
            LookupError: the app module lacks a handler of the wiring.
        """
        if not _running.acquire(blocking=False):
            raise RuntimeError("Only one LocalStack can run in a process: stop the other one first")
        self._open.callback(_running.release)
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: triggers first, then workers, then the port; at last save what there is."""
        self._open.close()

    def token(self, tenant: str) -> str:
        """An access token of that tenant."""
        return self.issuer.mint(tenant)

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Where models are that do not ship with the project."""
        return () if self._options.models is None else (self._options.models,)

    def describe(self) -> dict[str, Any]:
        """What `out/local.json` says."""
        tokens = {tenant: self.token(tenant) for tenant in TENANTS}
        return {
            "base_url": self.base_url,
            "token": tokens[TENANTS[0]],
            "tokens": tokens,
            "aws_endpoint_url": self.base_url,
            "graphql_url": f"{self.base_url}{GRAPHQL_PATH}",
            "viewer_url": f"{self.base_url}{VIEWER_PATH}",
        }

    def _start(self) -> None:
        options, wiring = self._options, self._options.wiring
        state = StateFolder(options.state or Path(self._open.enter_context(tempfile.TemporaryDirectory())), wiring)
        self._open.callback(state.close)
        moto_patches.reset()
        self._open.callback(moto_patches.reset)
        gate = MotoGate()

        # The app reads its settings from the environment, and the issuer's address needs the port: take that first.
        server = LocalServer(options.port)
        self._open.callback(server.stop)
        self.base_url = server.base_url
        self.issuer = Issuer(self.base_url, state.issuer_key_path)
        self.environment = environment.make_environment(
            wiring,
            self.base_url,
            self.issuer,
            state.cursor_key(),
            options.slots,
            has_fast_lane=options.fast_lane is not FastLaneMode.OFF,
        )
        self._open.enter_context(environment.applied(self.environment))

        app_module = options.app_module
        app: Any = importlib.import_module(app_module) if isinstance(app_module, str) else app_module
        functions = Functions(app, wiring.handlers)
        self.bus = EventBus(wiring.event_rules, functions, options.retry_seconds)
        self.log_folder = (options.out or state.folder) / "logs"
        worker_environment = {**os.environ, **options.worker_environment}
        self.workers = WarmWorkers(options.warm_modules, worker_environment)
        self.batch = BatchRunner(
            options.worker_command,
            worker_environment,
            self.log_folder,
            options.slots,
            self.bus.put,
            start_process=self.workers.start,
            cores=options.cores,
        )
        self.fast = FunctionRunner(
            wiring.fast, lambda: self._make_host(worker_environment), options.slots, self.bus.put
        )
        secret_by_key = {environment.ACCESS_KEY: environment.SECRET_KEY}
        self.graphql = AppSync(wiring.graphql, functions, self.issuer, secret_by_key)
        self._open.callback(self.graphql.close)
        handle_by_service = {
            "s3": S3Front(gate, wiring.bucket, secret_by_key, self.bus.put).handle,
            "dynamodb": DynamoDbFront(gate).handle,
            "batch": BatchApi(wiring.lanes, self.batch).handle,
            "lambda": LambdaApi(wiring.fast, self.fast).handle,
            "events": EventBridgeApi(self.bus.put).handle,
            "appsync": self.graphql.handle_signed,
        }
        api = Gateway(app.app).handle
        snapshot = self._restore(state)
        viewer = Viewer(GRAPHQL_PATH)
        door = FrontDoor(api, handle_by_service, gate.handle, wiring.bucket.name, self.issuer, self.graphql, viewer)
        server.start(door, door.upgrade)
        bootstrap.create_resources(wiring)
        options.register_models(self)
        self._keep_state(state, gate)
        self._start_triggers(gate, functions, snapshot.pending if snapshot else [])

    def _make_host(self, environment: Mapping[str, str]) -> Host:
        options, fast = self._options, self._options.wiring.fast
        if options.fast_lane is FastLaneMode.RUNTIME:
            return RuntimeHost(fast, options.function_command, environment, self.log_folder)
        return WorkerHost(fast, options.worker_command, environment, self.log_folder, self.workers.start)

    def _restore(self, state: StateFolder) -> Snapshot | None:
        snapshot = state.load()
        if snapshot is not None:
            moto_patches.restore_backends(snapshot.dynamodb, snapshot.s3)
        return snapshot

    def _keep_state(self, state: StateFolder, gate: MotoGate) -> None:
        if self._options.state is None:
            return
        saver = StateSaver(state, lambda: [*self.bus.pending(), *self.fast.pending()])
        gate.on_change(saver.notify)
        saver.start()
        self._open.callback(saver.stop)

    def _start_triggers(self, gate: MotoGate, functions: Functions, pending: list[Delivery]) -> None:
        options, wiring = self._options, self._options.wiring
        self._open.callback(self.workers.stop)
        self.workers.warm_up()
        self.batch.start()
        self._open.callback(self.batch.stop, options.worker_grace_seconds)
        self.fast.start()
        self._open.callback(self.fast.stop, options.worker_grace_seconds)
        function = wiring.fast.function
        self.fast.resume(delivery for delivery in pending if delivery.handler == function)
        self.bus.resume(delivery for delivery in pending if delivery.handler != function)
        self.bus.start()
        self._open.callback(self.bus.stop, HANDLER_GRACE_SECONDS)
        streams = {mapping.table: SharedStream(mapping.table) for mapping in wiring.streams}
        self.pumps = [
            StreamPump(mapping, functions, streams[mapping.table], options.retry_seconds / 5)
            for mapping in wiring.streams
        ]
        for pump in self.pumps:
            gate.on_change(pump.notify)
            pump.start()
            self._open.callback(pump.stop, HANDLER_GRACE_SECONDS)
        every_seconds = options.reconcile_seconds or float(self.environment["REELSCAN_RECONCILE_SECONDS"])
        for schedule in wiring.schedules:
            runner = ScheduleRunner(schedule, functions, every_seconds)
            runner.start()
            self._open.callback(runner.stop, HANDLER_GRACE_SECONDS)
