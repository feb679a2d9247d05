"""Stand-ins for what the local stack runs: an app module, and workers that do what a test tells them."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from chalice.app import Chalice

from infra.local.stack import LocalStack, StackOptions
from infra.wiring import WIRING

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

PATIENCE_SECONDS = 15.0
TABLE = WIRING.meta.name
BUCKET = WIRING.bucket.name


@dataclass
class ToyApp:
    """What `app.py` is to the stack: the handlers put each event into a queue, and fail as often as they are told."""

    app: Chalice = field(default_factory=lambda: make_chalice())
    objects: queue.Queue[Any] = field(default_factory=queue.Queue)
    batch: queue.Queue[Any] = field(default_factory=queue.Queue)
    invocations: queue.Queue[Any] = field(default_factory=queue.Queue)
    streams: queue.Queue[Any] = field(default_factory=queue.Queue)
    events: queue.Queue[Any] = field(default_factory=queue.Queue)
    ticks: queue.Queue[Any] = field(default_factory=queue.Queue)
    due_webhooks: queue.Queue[Any] = field(default_factory=queue.Queue)
    failures_left: int = 0
    is_poison: Callable[[Any], bool] = lambda _: False

    def on_object_created(self, event: Any, context: Any) -> None:
        self.objects.put(event)
        if self.failures_left:
            self.failures_left -= 1
            raise RuntimeError("told to fail")

    def on_batch_state_change(self, event: Any, context: Any) -> None:
        self.batch.put(event)

    def on_invocation_ended(self, event: Any, context: Any) -> None:
        self.invocations.put(event)

    def on_meta_stream(self, event: Any, context: Any) -> None:
        self.streams.put(event)
        if any(self.is_poison(record) for record in event["Records"]):
            raise RuntimeError("told to fail")

    def on_job_event(self, event: Any, context: Any) -> None:
        self.events.put(event)

    def resolve_graphql(self, event: Any, context: Any) -> Any:
        return {"data": event["arguments"].get("event")}

    def on_webhook_due(self, event: Any, context: Any) -> None:
        self.due_webhooks.put(event)

    def wake_webhooks(self, event: Any, context: Any) -> None:
        """Nothing is due."""

    def reconcile(self, event: Any, context: Any) -> None:
        self.ticks.put(event)


def make_chalice() -> Chalice:
    app = Chalice("toy")

    @app.route("/echo/{word}", methods=["GET"])
    def echo(word: str) -> dict[str, Any]:
        # A moment in which another thread's request could take this one's place.
        threading.Event().wait(0.002)
        request: Any = app.current_request
        return {"word": word, "query": request.query_params, "path": request.context["path"]}

    @app.route("/things", methods=["POST"])
    def post() -> Any:
        request: Any = app.current_request
        return request.json_body

    return app


@contextmanager
def running(app: ToyApp | None = None, **options: Any) -> Iterator[LocalStack]:
    """A stack with a toy app; options as in `StackOptions`."""
    chosen: dict[str, Any] = {"app_module": app or ToyApp(), "reconcile_seconds": 3600.0, "retry_seconds": 0.02}
    # No worker of these stacks imports what takes long.
    chosen |= {"register_models": lambda _: None, "warm_modules": ()}
    with LocalStack(StackOptions(**{**chosen, **options})) as stack:
        yield stack


def python(code: str) -> tuple[str, ...]:
    """A worker command that runs `code`."""
    return (sys.executable, "-c", code)


def python_module(code: str) -> tuple[str, ...]:
    """The same as a module, which can be forked from a warm parent."""
    return (sys.executable, "-m", "tests.local.toy_worker", code)


def dynamodb() -> DynamoDBClient:
    return boto3.client("dynamodb")


def s3() -> S3Client:
    return boto3.client("s3", config=Config(signature_version="s3v4"))


def key(pk: str, sk: str = "sk") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def in_threads(count: int, act: Callable[[int], Any]) -> list[Any]:
    """The results of `act(0) … act(count - 1)`, all started at the same moment; what one raises is its result."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = act(number)
        except Exception as error:  # noqa: BLE001
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return results


def wait_until(condition: Callable[[], Any], what: str, patience_seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true value of `condition`, which is about another process or thread and has no event of its own."""
    deadline = time.monotonic() + patience_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience_seconds} s in vain for {what}"
        threading.Event().wait(0.01)
    return value


def take(events: queue.Queue[Any], count: int) -> list[Any]:
    """The next `count` events."""
    return [events.get(timeout=PATIENCE_SECONDS) for _ in range(count)]


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
