"""The wire between botocore and the local AWS, in this process: counts calls, and breaks the one that a plan names.

One handler of botocore's `before-send` is the whole wire: below it there is no other, and above it are botocore's real
signing, retries and error parsing. (A second handler beside moto's own stubber would be too late: botocore calls every
handler, so that a "refused" write would be applied all the same.)
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from tests.fakes.pauses import no_pauses

Handle = Callable[[Request], Response]


class Fault(StrEnum):
    """What can happen to one call of AWS; a call is an operation with all its retries."""

    REFUSED = "refused"
    """Every try is answered with 500 and does nothing: botocore gives up."""
    REFUSED_ONCE = "refused once"
    """Throttled, and botocore's next try succeeds."""
    REPLY_LOST = "reply lost"
    """Done, and nobody hears of it; botocore tries again at once."""
    REPLY_LOST_FOR_LONG = "reply lost, tried again after the world has moved on"
    """As before, but between the two tries everybody else goes on until nothing is left to do."""
    NEVER_ANSWERED = "done at every try, never answered"
    """botocore gives up a call that was done four times."""
    BODY_CUT = "body cut"
    """The body of the answer breaks off half-way, where the answer is a stream."""
    DIED_BEFORE = "died before"
    """The process is killed before the call; whoever started it hears of that."""
    DIED_AFTER = "died after"
    """The same, when the call is done."""
    DIED_UNHEARD = "died after, unheard"
    """Killed after the call, and nobody is told: no event of Batch, no second delivery."""
    STALLED = "stalled before"
    """The process stops, the world goes on past its lease until nothing is left to do, then the call is made."""


class Died(BaseException):
    """The process is gone: nothing that it would have done later happens. Not an Exception, as SIGKILL is none."""


@dataclass(frozen=True)
class Site:
    """One call of a run without faults: who made it, and of what."""

    number: int
    process: str
    operation: str

    def __str__(self) -> str:
        return f"call {self.number} ({self.operation} by {self.process})"


@dataclass(frozen=True)
class Plan:
    """Which call meets which fault."""

    number: int
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault} at call {self.number}"


class GoOn(Protocol):
    """Everybody else goes on."""

    def __call__(self, *, for_long: bool) -> None: ...


def _nothing(*, for_long: bool) -> None:
    return


class Wire:
    """Every call goes through here; those of a test, outside any process, are neither counted nor hurt."""

    def __init__(self) -> None:
        self.handle_by_service: Mapping[str, Handle] = {}
        """What AWS is here."""
        self.world_goes_on: GoOn = _nothing
        """What happens while a process stands still."""
        self.begin(None)

    def begin(self, plan: Plan | None) -> None:
        """Start to count anew, with another plan."""
        self.sites: list[Site] = []
        self.has_struck = False
        """Whether the plan's call was made."""
        self._plan = plan
        self._processes: list[_Process] = []
        self._call = ""
        self._struck_call = ""

    @property
    def fault(self) -> Fault | None:
        """What the plan does to its call."""
        return self._plan.fault if self._plan else None

    @property
    def hit(self) -> Site | None:
        """The call that the plan broke."""
        return self.sites[self._plan.number] if self._plan and self.has_struck else None

    @contextmanager
    def process(self, name: str) -> Iterator[None]:
        """What is called within is called by this process; raises `Died` out of it when the plan says so."""
        self._processes.append(_Process(name))
        try:
            yield
        finally:
            self._processes.pop()

    def send(self, **event: Any) -> AWSResponse:
        """botocore's `before-send`: the answer, or an exception as of the network."""
        request: AWSPreparedRequest = event["request"]
        _, service, operation = event["event_name"].split(".")
        if not self._processes:
            return self._answer(request, service)
        process = self._processes[-1]
        if process.is_dead:
            raise Died
        call = str(request.headers["amz-sdk-invocation-id"])
        if call != self._call and call != self._struck_call:
            self._call = call
            self.sites.append(Site(len(self.sites), process.name, f"{service}.{operation}"))
            if self._plan and self._plan.number == self.sites[-1].number:
                self._struck_call = call
        if self._plan is None or call != self._struck_call:
            return self._answer(request, service)
        return self._strike(self._plan.fault, request, service, process)

    def _strike(self, fault: Fault, request: AWSPreparedRequest, service: str, process: _Process) -> AWSResponse:
        is_first, self.has_struck = not self.has_struck, True
        match fault:
            case Fault.REFUSED:
                return _refusal(request, service, 500, "InternalServerError")
            case Fault.REFUSED_ONCE if is_first:
                return _refusal(request, service, 400 if service == "dynamodb" else 503, _THROTTLED[service])
            case Fault.REPLY_LOST if is_first:
                self._answer(request, service)
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.REPLY_LOST_FOR_LONG if is_first:
                self._answer(request, service)
                self._let_the_world_go_on(for_long=False)
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.NEVER_ANSWERED:
                self._answer(request, service)
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.BODY_CUT if is_first:
                return self._answer(request, service, is_cut=True)
            case Fault.DIED_BEFORE:
                process.is_dead = True
                raise Died
            case Fault.DIED_AFTER | Fault.DIED_UNHEARD:
                self._answer(request, service)
                process.is_dead = True
                raise Died
            case Fault.STALLED if is_first:
                self._let_the_world_go_on(for_long=True)
        return self._answer(request, service)

    def _let_the_world_go_on(self, *, for_long: bool) -> None:
        stalled, self._processes = self._processes, []
        try:
            self.world_goes_on(for_long=for_long)
        finally:
            self._processes = stalled

    def _answer(self, request: AWSPreparedRequest, service: str, *, is_cut: bool = False) -> AWSResponse:
        response = self.handle_by_service[service](_as_wsgi(request))
        body = response.get_data()
        if is_cut and request.method == "GET":
            body = body[: len(body) // 2]
        return _as_botocore(request, response.status_code, dict(response.headers), body)


@dataclass
class _Process:
    name: str
    is_dead: bool = False


class _Raw(io.BytesIO):
    """A body as urllib3 has it."""

    def stream(self, amt: int = 1 << 16, **_: Any) -> Iterator[bytes]:
        """The body in pieces."""
        while piece := self.read(amt):
            yield piece


@contextmanager
def connected(wire: Wire) -> Iterator[None]:
    """Every client that boto3 makes within is on this wire, and botocore's pauses between tries take no time."""
    session = botocore.session.get_session()
    # The stubs know only handlers without an answer.
    send: Any = wire.send
    session.register("before-send", send)
    default_before = boto3.DEFAULT_SESSION
    boto3.setup_default_session(botocore_session=session)
    try:
        with no_pauses():
            yield
    finally:
        boto3.DEFAULT_SESSION = default_before


# What each service says when it is asked too often.
_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "s3": "SlowDown",
    "batch": "TooManyRequestsException",
    "lambda": "TooManyRequestsException",
}


def _refusal(request: AWSPreparedRequest, service: str, status: int, code: str) -> AWSResponse:
    if service == "s3":
        headers, body = {"Content-Type": "application/xml"}, f"<Error><Code>{code}</Code></Error>"
    else:
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
        body = f'{{"__type": "{code}", "message": "injected"}}'
    return _as_botocore(request, status, headers, body.encode())


def _as_botocore(request: AWSPreparedRequest, status: int, headers: dict[str, str], body: bytes) -> AWSResponse:
    parsed = HTTPHeaders()
    for name, value in headers.items():
        parsed[name] = value
    return AWSResponse(request.url, status, parsed, _Raw(body))


def _as_wsgi(request: AWSPreparedRequest) -> Request:
    parts = urlsplit(request.url)
    content: Any = request.body or b""
    if hasattr(content, "read"):
        content.seek(0)
        content = content.read()
    data = content.encode() if isinstance(content, str) else bytes(content)
    values: dict[str, Any] = dict(request.headers.items())
    # Signing leaves some of them as bytes.
    pairs = [(name, value.decode() if isinstance(value, bytes) else str(value)) for name, value in values.items()]
    builder = EnvironBuilder(
        path=parts.path,
        query_string=parts.query,
        method=request.method,
        headers=[*pairs, ("Host", parts.netloc)],
        data=data,
    )
    environ = builder.get_environ()
    environ["CONTENT_LENGTH"] = str(len(data))
    environ["RAW_URI"] = environ["REQUEST_URI"] = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Request(environ)
