"""The port `Notifier` over real sockets: what a receiver does, and what a name may come to."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from chalicelib.adapters.webhooks import HttpNotifier
from chalicelib.domain.errors import InvalidRequest
from tests.fakes.webhooks import FakeNotifier
from tests.ports.receiver import Receiver, answers, drips, is_silent, make_certificate, receiving

HEADERS = {"Content-Type": "application/json", "webhook-id": "msg_1"}
BODY = b'{"a": 1}'
OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Resolver:
    """Answers each question with the next of its answers, and then with the last one."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


LOCAL = HttpNotifier(is_local=True, total_seconds=5)
HASTY = HttpNotifier(is_local=True, total_seconds=0.4)


def test_a_message_arrives_as_it_was_given() -> None:
    with receiving(answers(OK)) as receiver:
        reply = LOCAL.send(receiver.url, HEADERS, BODY)
    assert (reply.status, reply.error) == (204, "")
    [request] = receiver.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body) == ("POST /hook?a=b HTTP/1.1", BODY)
    assert {"webhook-id: msg_1", f"Host: 127.0.0.1:{receiver.port}", "Content-Length: 8"} <= set(lines)


@pytest.mark.parametrize("status", [300, 400, 404, 410, 429, 500, 503])
def test_another_status_is_a_failure(status: int) -> None:
    with receiving(answers(f"HTTP/1.1 {status} X\r\nRetry-After: 120\r\n\r\n".encode())) as receiver:
        reply = LOCAL.send(receiver.url, HEADERS, BODY)
    assert (reply.status, reply.wish_seconds) == (status, 120)
    assert str(status) in reply.error


@pytest.mark.parametrize("wish", ["", "soon", "-1", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "9" * 40, "١"])
def test_a_wish_that_is_no_number_of_seconds_is_none(wish: str) -> None:
    with receiving(answers(f"HTTP/1.1 503 X\r\nRetry-After: {wish}\r\n\r\n".encode())) as receiver:
        assert LOCAL.send(receiver.url, HEADERS, BODY).wish_seconds == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with receiving(answers(OK)) as target:
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with receiving(answers(moved)) as receiver:
            reply = LOCAL.send(receiver.url, HEADERS, BODY)
    assert (reply.status, target.connections) == (status, 0)
    assert "redirects are not followed" in reply.error


@pytest.mark.parametrize(
    "script",
    [
        is_silent,
        drips(b"", b"H"),
        drips(b"HTTP/1.1 200 OK\r\n", b"x"),
        drips(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "drips a status", "drips a header", "drips headers", "drips continues"],
)
def test_a_receiver_that_never_answers_is_left_at_the_deadline(script: object) -> None:
    with receiving(script) as receiver:  # type: ignore[arg-type]
        started = time.monotonic()
        reply = HASTY.send(receiver.url, HEADERS, BODY)
    assert reply.status is None
    assert time.monotonic() - started < 3
    # More than a hundred headers are refused before.
    assert reply.error in ("the receiver did not answer within 0.4 s", "the connection failed: HTTPException")


def test_an_answer_without_an_end_is_an_answer() -> None:
    with receiving(drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000)) as receiver:
        started = time.monotonic()
        reply = LOCAL.send(receiver.url, HEADERS, BODY)
    assert (reply.status, reply.error) == (200, "")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 2\xd9\xa00 OK\r\n\r\n", b"HTTP/1.1 99999 X\r\n\r\n", b"x" * 70_000],
)
def test_what_is_no_http_is_a_failure(answer: bytes) -> None:
    with receiving(answers(answer)) as receiver:
        reply = LOCAL.send(receiver.url, HEADERS, BODY)
    assert (reply.status, reply.error.partition(":")[0]) == (None, "the connection failed")
    assert "SSH" not in reply.error


def test_nobody_there_is_a_failure() -> None:
    with receiving(answers(OK)) as receiver:
        url = receiver.url
    reply = LOCAL.send(url, HEADERS, BODY)
    assert (reply.status, reply.error) == (None, "no connection: Connection refused")


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with receiving(answers(OK)) as receiver:
        assert LOCAL.send(receiver.url, HEADERS, BODY).status == 204


# --- names and addresses ----------------------------------------------------------------------------------------------


def to(receiver: Receiver) -> str:
    return f"http://hook.example.com:{receiver.port}/"


def test_a_name_is_resolved_once_and_connected_to_where_it_was_checked() -> None:
    resolver = Resolver(["127.0.0.1"], ["203.0.113.1"])
    with receiving(answers(OK)) as receiver:
        reply = HttpNotifier(is_local=True, resolve=resolver).send(to(receiver), HEADERS, BODY)
    assert (reply.status, resolver.asked) == (204, [("hook.example.com", receiver.port)])
    assert f"Host: hook.example.com:{receiver.port}".encode() in receiver.requests[0]


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["64:ff9b::7f00:1"]],
)
def test_a_name_that_comes_to_what_is_near_us_is_refused(addresses: list[str]) -> None:
    notifier = HttpNotifier(resolve=Resolver(addresses))
    with pytest.raises(InvalidRequest, match="private, local or reserved"):
        notifier.check("https://hook.example.com/")
    reply = notifier.send("https://hook.example.com/", HEADERS, BODY)
    assert (reply.status, reply.error) == (None, "the host has an address that is private, local or reserved")


def test_a_name_that_means_something_else_when_it_is_sent_to_is_refused() -> None:
    """DNS rebinding: public when the webhook is made, loopback a moment later."""
    resolver = Resolver(["1.1.1.1"], ["127.0.0.1"])
    notifier = HttpNotifier(resolve=resolver)
    notifier.check("https://hook.example.com:8443/")
    reply = notifier.send("https://hook.example.com:8443/", HEADERS, BODY)
    assert (reply.status, len(resolver.asked)) == (None, 2)
    assert "private, local or reserved" in reply.error


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://user@example.com/", "https://example.com:22/"])
def test_a_url_is_checked_at_each_message_too(url: str) -> None:
    resolver = Resolver(["1.1.1.1"])
    reply = HttpNotifier(resolve=resolver).send(url, HEADERS, BODY)
    assert (reply.status, resolver.asked) == (None, [])
    assert reply.error.startswith("url: must")


def test_a_name_that_does_not_resolve_is_a_failure() -> None:
    def fail(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    for notifier in (HttpNotifier(resolve=fail), HttpNotifier(resolve=Resolver([]))):
        with pytest.raises(InvalidRequest, match="does not resolve"):
            notifier.check("https://hook.example.com/")
        assert notifier.send("https://hook.example.com/", HEADERS, BODY).error == "the host does not resolve"


def test_a_resolver_that_never_answers_is_left() -> None:
    over = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        over.wait(30)
        return []

    reply = HttpNotifier(resolve=hang, total_seconds=0.2).send("https://hook.example.com/", HEADERS, BODY)
    over.set()
    assert reply.error == "the host did not resolve within 0.2 s"


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    server, client = make_certificate(tmp_path, "hook.example.com")
    notifier = HttpNotifier(is_local=True, resolve=Resolver(["127.0.0.1"]), tls=client)
    with receiving(answers(OK), server) as receiver:
        reply = notifier.send(f"https://hook.example.com:{receiver.port}/", HEADERS, BODY)
    assert (reply.status, reply.error) == (204, "")
    assert receiver.server_names == ["hook.example.com"]


def test_a_certificate_of_another_name_or_of_nobody_is_refused(tmp_path: Path) -> None:
    server, client = make_certificate(tmp_path, "hook.example.com")
    resolver = Resolver(["127.0.0.1"])
    with receiving(answers(OK), server) as receiver:
        other = HttpNotifier(is_local=True, resolve=resolver, tls=client)
        wrong_name = other.send(f"https://other.example.com:{receiver.port}/", HEADERS, BODY)
        by_address = other.send(f"https://127.0.0.1:{receiver.port}/", HEADERS, BODY)
        unknown = HttpNotifier(is_local=True, resolve=resolver)
        untrusted = unknown.send(f"https://hook.example.com:{receiver.port}/", HEADERS, BODY)
    for reply in (wrong_name, by_address, untrusted):
        assert (reply.status, reply.error.partition(":")[0]) == (None, "the certificate of the receiver is not valid")
    assert receiver.requests == []


def test_a_receiver_that_never_shakes_hands_is_left_at_the_deadline() -> None:
    with receiving(is_silent, reads=False) as receiver:
        reply = HASTY.send(f"https://127.0.0.1:{receiver.port}/", HEADERS, BODY)
    assert (reply.status, reply.error) == (None, "the receiver did not answer within 0.4 s")


def test_the_fake_refuses_what_the_real_one_refuses() -> None:
    for url in ("http://example.com/", "https://127.0.0.1/", "https://localhost/"):
        for notifier in (FakeNotifier(), HttpNotifier(resolve=Resolver(["1.1.1.1"]))):
            with pytest.raises(InvalidRequest):
                notifier.check(url)
