"""The GraphQL endpoint of the stack: who is let in, what a publication brings to whom, and how connections end."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from chalicelib.adapters.event_publisher import AppSyncPublisher
from chalicelib.api.graphql.words import to_graphql
from chalicelib.api.present import job_event_out
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.events import JobEvent
from infra.local.appsync.realtime import SUBSCRIPTIONS_MAX
from infra.local.environment import ACCESS_KEY, SECRET_KEY
from infra.local.stack import LocalStack
from infra.local.websocket import Limits, Upgrade, WebSockets
from tests.fakes.make import make_ports
from tests.fakes.makers import JOB_ID, make_commit_event, make_state_event
from tests.local.toys import wait_until

Json = dict[str, Any]
SUBPROTOCOLS = [Subprotocol("graphql-ws")]
# One for all: a client makes a context for TLS first, which takes longer than all the rest.
HTTP = httpx.Client()
TYPENAME = {"query": "{ __typename }"}


def url_of(stack: LocalStack) -> str:
    return str(stack.describe()["graphql_url"])


def post(stack: LocalStack, body: Any, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": token}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HTTP.post(url_of(stack), content=content, headers=headers)


def header_of(token: str) -> str:
    return base64.b64encode(json.dumps({"host": "x", "Authorization": token}).encode()).decode()


@contextmanager
def connected(stack: LocalStack, token: str | None = None, path: str = "") -> Iterator[ClientConnection]:
    """A client that has connected and said nothing yet."""
    header = header_of(stack.token("a") if token is None else token)
    url = url_of(stack).replace("http://", "ws://") + path
    with connect(f"{url}?header={header}&payload=e30=", subprotocols=SUBPROTOCOLS, close_timeout=1) as client:
        yield client


def say(client: ClientConnection, kind: str, **more: Any) -> None:
    client.send(json.dumps({"type": kind, **more}))


def hear(client: ClientConnection) -> Json:
    """The next message that is no keep-alive."""
    while (message := json.loads(client.recv(timeout=15)))["type"] == "ka":
        pass
    return dict(message)


def begin(client: ClientConnection) -> None:
    say(client, "connection_init")
    assert hear(client)["type"] == "connection_ack"


def start(stack: LocalStack, client: ClientConnection, name: str, query: str, variables: Any = None) -> Json:
    data = json.dumps({"query": query, "variables": variables or {}})
    authorization = {"host": "x", "Authorization": stack.token("a")}
    say(client, "start", id=name, payload={"data": data, "extensions": {"authorization": authorization}})
    return hear(client)


def publish(stack: LocalStack, event: JobEvent) -> None:
    AppSyncPublisher(url_of(stack)).publish(event, to_graphql(job_event_out(make_ports(), event)))


# --- queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_a_token_gets_in_with_and_without_its_scheme(stack: LocalStack, prefix: str) -> None:
    answer = post(stack, TYPENAME, prefix + stack.token("a"))
    assert (answer.status_code, answer.json()) == (200, {"data": {"__typename": "Query"}})


@pytest.mark.parametrize("token", [None, "", "nonsense", "Bearer nonsense"])
def test_without_a_token_nobody_gets_in(stack: LocalStack, token: str | None) -> None:
    answer = post(stack, TYPENAME, token)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["errorType"] == "UnauthorizedException"


def test_a_token_that_has_run_out_is_refused(stack: LocalStack) -> None:
    answer = post(stack, TYPENAME, stack.issuer.mint("a", seconds=-60))
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (401, "Token has expired.")


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[]", 400), (b"[" * 100_000, 400), (b"x" * (1 << 20) + b"x", 413)]
)
def test_what_is_no_request_is_refused(stack: LocalStack, body: bytes, status: int) -> None:
    assert post(stack, body, stack.token("a")).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": 1},
        {"query": "{"},
        {"query": "{ nothing }"},
        {"query": "{a" * 1900},
        {"query": "{ videos { nextCursor } }", "variables": 1},
        {"query": "query a { __typename } query b { __typename }", "operationName": "c"},
        {"query": "subscription { onJobEvent(jobId: 1) { seq } }"},
    ],
)
def test_a_document_that_cannot_run_is_answered_with_an_error(stack: LocalStack, body: Json) -> None:
    answer = post(stack, body, stack.token("a"))
    assert (answer.status_code, answer.json()["data"]) == (200, None)
    assert answer.json()["errors"][0]["message"]


def test_queries_are_sent_by_post(stack: LocalStack) -> None:
    assert HTTP.get(url_of(stack), headers={"Authorization": stack.token("a")}).status_code == 405


# --- publishing -------------------------------------------------------------------------------------------------------


def signed(stack: LocalStack, key: str, secret: str, body: Json) -> httpx.Response:
    """The answer to a request that somebody signs."""
    content = json.dumps(body).encode()
    request = AWSRequest("POST", url_of(stack), {"Content-Type": "application/json"}, content)
    SigV4Auth(Credentials(key, secret), "appsync", "us-east-1").add_auth(request)
    return HTTP.post(url_of(stack), content=content, headers=dict(request.headers))


def test_a_signature_of_the_service_gets_in_and_no_other(stack: LocalStack) -> None:
    answers = [
        signed(stack, key, secret, TYPENAME).status_code
        for key, secret in ((ACCESS_KEY, SECRET_KEY), (ACCESS_KEY, "guessed"), ("somebody", SECRET_KEY))
    ]
    assert answers == [200, 401, 401]


def test_a_signed_request_whose_body_was_changed_is_refused(stack: LocalStack) -> None:
    content = json.dumps(TYPENAME).encode()
    request = AWSRequest("POST", url_of(stack), {}, content)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "appsync", "us-east-1").add_auth(request)
    answer = HTTP.post(url_of(stack), content=content + b" ", headers=dict(request.headers))
    assert (answer.status_code, answer.json()["errors"][0]["errorType"]) == (401, "InvalidSignatureException")


def test_a_publisher_that_is_refused_says_so(stack: LocalStack) -> None:
    event = make_state_event(1)
    with pytest.raises(DependencyFailed):
        AppSyncPublisher(url_of(stack)).publish(event, {"seq": "x"})
    with pytest.raises(DependencyFailed):
        AppSyncPublisher(f"{stack.base_url}/nowhere").publish(event, {})


ON_JOB_EVENT = "subscription($j: ID!) { told: onJobEvent(jobId: $j) { seq kind state labels { label } } }"
ON_DETECTIONS = "subscription($j: ID!) { onDetections(jobId: $j) { segmentIndex detectionsCursor } }"


def test_a_publication_reaches_those_who_asked_for_it(stack: LocalStack) -> None:
    other = replace(make_state_event(2), job_id=type(JOB_ID)(JOB_ID[:-1] + "2"))
    with connected(stack) as client, connected(stack) as second:
        for one in (client, second):
            begin(one)
        assert start(stack, client, "1", ON_JOB_EVENT, {"j": JOB_ID})["type"] == "start_ack"
        assert start(stack, client, "2", ON_DETECTIONS, {"j": JOB_ID})["type"] == "start_ack"
        assert start(stack, second, "1", ON_JOB_EVENT, {"j": other.job_id})["type"] == "start_ack"
        publish(stack, replace(make_state_event(1), seq=1))
        publish(stack, replace(other, seq=5))
        publish(stack, replace(make_commit_event(4), seq=2))
        first, both = hear(client), [hear(client), hear(client)]
        elsewhere = hear(second)
    state = {"seq": 1, "kind": "JOB_STATE_CHANGED", "state": "RUNNING", "labels": None}
    assert first == {"type": "data", "id": "1", "payload": {"data": {"told": state}}}
    by_id = {message["id"]: message["payload"]["data"] for message in both}
    assert by_id["1"]["told"]["labels"] == [{"label": "person"}, {"label": "dog"}]
    assert by_id["2"]["onDetections"]["segmentIndex"] == 4
    assert elsewhere["payload"]["data"]["told"]["seq"] == 5


def test_who_has_stopped_is_told_nothing_more(stack: LocalStack) -> None:
    before = stack.graphql.subscriptions
    with connected(stack) as client:
        begin(client)
        start(stack, client, "1", ON_JOB_EVENT, {"j": JOB_ID})
        say(client, "stop", id="1")
        assert hear(client) == {"type": "complete", "id": "1"}
        assert stack.graphql.subscriptions == before
        publish(stack, replace(make_state_event(1), seq=1))
        say(client, "stop", id="1")
        assert hear(client)["payload"]["errors"][0]["errorType"] == "UnknownOperationError"


def test_who_has_gone_is_forgotten(stack: LocalStack) -> None:
    before = stack.graphql.subscriptions
    with connected(stack) as client:
        begin(client)
        start(stack, client, "1", ON_JOB_EVENT, {"j": JOB_ID})
        assert stack.graphql.subscriptions == before + 1
    wait_until(lambda: stack.graphql.subscriptions == before, "the subscription to be forgotten")


# --- the realtime protocol --------------------------------------------------------------------------------------------


def test_a_connection_is_kept_for_as_long_as_it_is_told(stack: LocalStack) -> None:
    with connected(stack) as client:
        say(client, "connection_init")
        messages = [json.loads(client.recv(timeout=15)) for _ in range(2)]
    assert messages == [{"type": "connection_ack", "payload": {"connectionTimeoutMs": 300_000}}, {"type": "ka"}]


def test_the_path_of_an_own_domain_is_served_too(stack: LocalStack) -> None:
    with connected(stack, path="/realtime") as client:
        begin(client)


def test_a_browser_may_sign_in_by_a_subprotocol(stack: LocalStack) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"Authorization": stack.token("a")}).encode()).decode().rstrip("=")
    offered = [*SUBPROTOCOLS, Subprotocol(f"header-{header}")]
    with connect(url_of(stack).replace("http", "ws", 1), subprotocols=offered) as client:
        assert client.subprotocol == "graphql-ws"
        begin(client)


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_connection_without_a_good_token_ends_with_an_error(stack: LocalStack, token: str) -> None:
    with connected(stack, token=token) as client:
        say(client, "connection_init")
        assert hear(client)["payload"]["errors"][0]["errorType"] == "UnauthorizedException"
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=15)


def test_nothing_starts_before_the_connection_is_initialised(stack: LocalStack) -> None:
    with connected(stack) as client:
        assert start(stack, client, "1", ON_JOB_EVENT, {"j": JOB_ID})["type"] == "error"


def test_a_token_that_no_utf8_holds_is_refused(stack: LocalStack) -> None:
    with connected(stack, "\ud800") as client:
        say(client, "connection_init")
        assert hear(client)["type"] == "connection_error"


@pytest.mark.parametrize(
    "text", ["{", "[]", "1", "{}", "[" * 100_000, '{"type": "shout"}', '{"type": "start", "id": "7"}']
)
def test_nonsense_is_answered_with_an_error_and_the_connection_goes_on(stack: LocalStack, text: str) -> None:
    with connected(stack) as client:
        begin(client)
        client.send(text)
        assert hear(client)["type"] == "error"
        assert start(stack, client, "1", ON_JOB_EVENT, {"j": JOB_ID})["type"] == "start_ack"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ __typename }", {}),
        ("subscription { onJobEvent { seq } }", {}),
        (ON_JOB_EVENT, {}),
        ("subscription { a: onJobEvent(jobId: 1) { seq } b: onJobEvent(jobId: 1) { seq } }", {}),
        ("subscription { nothing }", {}),
    ],
)
def test_what_is_no_subscription_does_not_start(stack: LocalStack, query: str, variables: Json) -> None:
    with connected(stack) as client:
        begin(client)
        answer = start(stack, client, "1", query, variables)
    assert (answer["type"], answer["id"]) == ("error", "1")
    assert answer["payload"]["errors"][0]["message"]


def test_a_connection_has_so_many_subscriptions_with_names_of_their_own(stack: LocalStack) -> None:
    with connected(stack) as client:
        begin(client)
        for number in range(SUBSCRIPTIONS_MAX):
            start(stack, client, str(number), ON_JOB_EVENT, {"j": JOB_ID})
        again = start(stack, client, "0", ON_JOB_EVENT, {"j": JOB_ID})
        more = start(stack, client, "more", ON_JOB_EVENT, {"j": JOB_ID})
    errors = [answer["payload"]["errors"][0]["errorType"] for answer in (again, more)]
    assert errors == ["DuplicatedOperationError", "MaxSubscriptionsReachedError"]


def test_there_is_no_web_socket_elsewhere(stack: LocalStack) -> None:
    with pytest.raises(InvalidStatus), connect(f"{stack.base_url.replace('http', 'ws', 1)}/videos"):
        pass


def test_a_message_beyond_measure_ends_the_connection(stack: LocalStack) -> None:
    with connected(stack) as client:
        begin(client)
        client.send("x" * (1 << 20))
        with pytest.raises(ConnectionClosed):
            hear(client)


class Silent:
    """A session that says nothing of itself."""

    def __init__(self) -> None:
        self.is_closed = threading.Event()

    def receive(self, text: str) -> bool:
        return True

    def close(self) -> None:
        self.is_closed.set()


@contextmanager
def a_pair(limits: Limits) -> Iterator[tuple[socket.socket, Silent, Any]]:
    """A client's socket, the session, and how the session sends; the client has shaken hands."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    session, senders = Silent(), []
    headers = [
        ("Host", "x"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", base64.b64encode(b"0" * 16).decode()),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "graphql-ws"),
    ]
    ready = threading.Event()

    def make(_: Upgrade, send: Any) -> Silent:
        senders.append(send)
        ready.set()
        return session

    sockets = WebSockets("graphql-ws", {"type": "ka"}, limits)
    upgrade = Upgrade("/graphql", headers, ours, ours.recv)
    thread = threading.Thread(target=sockets.serve, args=(upgrade, make))
    thread.start()
    assert ready.wait(15)
    theirs.recv(65536)
    try:
        yield theirs, session, senders[0]
    finally:
        theirs.close()
        thread.join(15)
        ours.close()
        assert not thread.is_alive()


def test_a_subscriber_that_does_not_read_is_dropped_and_holds_nobody_up() -> None:
    with a_pair(Limits(queue_max=5, send_seconds=1)) as (_, session, send):
        for _ in range(50):
            send({"type": "data", "payload": "x" * 10_000})
        assert session.is_closed.wait(15)


def test_a_subscriber_that_was_too_slow_is_told_so_when_it_reads_on() -> None:
    with a_pair(Limits(queue_max=3, send_seconds=10)) as (client, session, send):
        for _ in range(50):
            send({"type": "data", "payload": "x" * 10_000})
        received = b""
        while data := client.recv(65536):
            received += data
        assert b"LimitExceededError" in received
        assert session.is_closed.wait(15)


def test_a_silent_connection_is_kept_alive() -> None:
    with a_pair(Limits(keep_alive_seconds=0.01)) as (client, _, _):
        assert b'"ka"' in client.recv(65536)
