"""Lambda's asynchronous invocations of the fast lane's function: a queue, hosts that run it, and an event of every end.

Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html, also invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from werkzeug.wrappers import Request, Response

from chalicelib.contracts.invocations import Invocation, environment_of
from chalicelib.domain.lanes import FAST_DRAIN_SECONDS
from infra.local.batch_process import ChildProcess, StartProcess, StopRequest, start_fresh
from infra.local.events import ACCOUNT_ID, REGION, Delivery, make_event
from infra.wiring import FastLane

PATH = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)/invocations")
PAYLOAD_MAX_BYTES = 256 * 1024
"""Of an asynchronous invocation. Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
BUS = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an invocation ended: what the handler returned or, as Lambda puts it, what went wrong."""

    answer: Any
    is_error: bool = False


class Host(Protocol):
    """Runs one invocation at a time; there is one for every slot."""

    def run(self, request_id: str, payload: Any, stop: StopRequest) -> Ended:
        """Run it to its end, which comes soon when a stop is asked for."""

    def close(self) -> None:
        """End whatever was kept for the next one."""


class FunctionRunner:
    """Runs invocations in the order in which they came, each once: the function is set to no retries."""

    def __init__(
        self, fast: FastLane, make_host: Callable[[], Host], slots: int, emit: Callable[[dict[str, Any]], None]
    ) -> None:
        """`emit` takes the events of ends, and must return at once."""
        self._fast = fast
        self._make_host = make_host
        self._emit = emit
        self._changed = threading.Condition()
        self._waiting: deque[Delivery] = deque()
        self._running: dict[str, tuple[Delivery, StopRequest]] = {}
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._run_until_stopped, name=f"fast-{slot}", daemon=True) for slot in range(slots)
        ]

    def start(self) -> None:
        """Begin to run invocations."""
        for thread in self._threads:
            thread.start()

    def stop(self, grace_seconds: float) -> None:
        """End what runs: SIGTERM now, SIGKILL after `grace_seconds`. No event is sent: Lambda's queue outlives us."""
        with self._changed:
            self._is_stopping = True
            for _, stop in self._running.values():
                stop.ask(grace_seconds)
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def invoke(self, payload: Any) -> str:
        """Take an invocation; the id of its request."""
        request_id = str(uuid.uuid4())
        self.resume([Delivery(self._fast.function, {"request_id": request_id, "payload": payload})])
        return request_id

    def pending(self) -> list[Delivery]:
        """What has not ended, for the snapshot; the function's name stands for a handler's."""
        with self._changed:
            return [*(delivery for delivery, _ in self._running.values()), *self._waiting]

    def resume(self, deliveries: Iterable[Delivery]) -> None:
        """Take up what an earlier run left pending, as Lambda does after trouble of its own: with the same ids."""
        with self._changed:
            self._waiting.extend(deliveries)
            self._changed.notify_all()

    def _run_until_stopped(self) -> None:
        host = self._make_host()
        while (delivery := self._take()) is not None:
            request_id, payload = delivery.event["request_id"], delivery.event["payload"]
            try:
                ended = host.run(request_id, payload, self._running[request_id][1])
            except Exception as error:  # The border to the operating system: an invocation must end, whatever happened.
                log.exception("invocation %s could not be started", request_id)
                ended = Ended({"errorType": "Runtime.InvalidEntrypoint", "errorMessage": str(error)}, is_error=True)
            self._conclude(delivery, ended)
        host.close()

    def _take(self) -> Delivery | None:
        with self._changed:
            while not self._is_stopping:
                if self._waiting:
                    delivery = self._waiting.popleft()
                    self._running[delivery.event["request_id"]] = (delivery, StopRequest(FAST_DRAIN_SECONDS))
                    return delivery
                self._changed.wait()
        return None

    def _conclude(self, delivery: Delivery, ended: Ended) -> None:
        request_id = delivery.event["request_id"]
        with self._changed:
            # Once we stop, it stays among the pending ones.
            if not self._is_stopping:
                del self._running[request_id]
                self._emit(self._event(request_id, delivery.event["payload"], ended))

    def _event(self, request_id: str, payload: Any, ended: Ended) -> dict[str, Any]:
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{self._fast.function}:$LATEST"
        response: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
        detail = {
            "version": "1.0",
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "requestContext": {
                "requestId": request_id,
                "functionArn": arn,
                "condition": "RetriesExhausted" if ended.is_error else "Success",
                "approximateInvokeCount": 1,
            },
            "requestPayload": payload,
            "responseContext": response | ({"functionError": "Unhandled"} if ended.is_error else {}),
            "responsePayload": ended.answer,
        }
        name = f"Lambda Function Invocation Result - {'Failure' if ended.is_error else 'Success'}"
        return make_event("lambda", name, detail, [BUS, arn])


class WorkerHost:
    """The function without Lambda's runtime: what its handler forks, started as a worker of Batch is."""

    def __init__(
        self,
        fast: FastLane,
        worker_command: Sequence[str],
        environment: Mapping[str, str],
        log_folder: Path,
        start_process: StartProcess = start_fresh,
    ) -> None:
        self._fast = fast
        self._worker_command = tuple(worker_command)
        self._environment = dict(environment)
        self._log_folder = log_folder
        self._start_process = start_process

    def run(self, request_id: str, payload: Any, stop: StopRequest) -> Ended:
        """Its exit code, as the handler answers it."""
        environment = {**self._environment, **environment_of(Invocation.from_json(payload), request_id)}
        process = ChildProcess(
            self._worker_command, environment, self._log_folder / f"fast-{request_id}.log", self._start_process
        )
        ended = process.wait(self._fast.timeout_seconds - FAST_DRAIN_SECONDS, stop)
        return Ended({"exit_code": ended.exit_code})

    def close(self) -> None:
        """Nothing is kept."""


class LambdaApi:
    """The part of Lambda's API that production code calls: Invoke, as an event, of the one function that is wired."""

    def __init__(self, fast: FastLane, runner: FunctionRunner) -> None:
        self._fast = fast
        self._runner = runner

    def handle(self, request: Request) -> Response:
        """Serve one request."""
        match = PATH.fullmatch(request.path)
        if match is None or request.method != "POST":
            return _refuse(404, "ResourceNotFoundException", f"The local stack's Lambda has no {request.path}")
        if match["name"].rpartition(":")[2] != self._fast.function:
            return _refuse(404, "ResourceNotFoundException", f"Function not found: {match['name']}")
        if request.headers.get("X-Amz-Invocation-Type") != "Event":
            return _refuse(400, "InvalidParameterValueException", "The local stack invokes as an Event only")
        body = request.get_data()
        if len(body) > PAYLOAD_MAX_BYTES:
            return _refuse(413, "RequestTooLargeException", f"{len(body)} byte payload is too large")
        try:
            payload = json.loads(body or b"{}")
        except ValueError as error:
            return _refuse(400, "InvalidRequestContentException", f"Could not parse request body into json: {error}")
        return Response("", 202, {"x-amzn-RequestId": self._runner.invoke(payload)})


def _refuse(status: int, code: str, message: str) -> Response:
    body = json.dumps({"Type": "User", "message": message, "Message": message})
    return Response(body, status, {"x-amzn-ErrorType": code}, content_type="application/json")
