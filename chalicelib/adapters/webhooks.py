"""The way out to the receivers of webhooks: HTTP to an address that was checked, and to no other.

A name is resolved once for each message; every address that it has must be one that may be sent to, and the connection
goes to one of these and not to the name, which could mean something else a moment later. TLS is checked against the
name. No redirect is followed, no proxy of the environment used, no answer read beyond a few bytes, and whatever the
receiver does, it is over at a deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib import VERSION
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.receivers import Receiver, is_public, parse_receiver
from chalicelib.services.webhook_ports import Reply

if TYPE_CHECKING:
    import socket
    import ssl
    from concurrent.futures import ThreadPoolExecutor
    from http.client import HTTPConnection, HTTPResponse

RESOLVE_SECONDS = 3.0
CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
ADDRESSES_TRIED = 2
RESOLVERS = 8
BODY_READ_BYTES = 4096
USER_AGENT = f"reelscan-webhooks/{VERSION}"
NOT_ALLOWED = "the host has an address that is private, local or reserved"

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host and port."""


class HttpNotifier:
    """The port `Notifier`."""

    def __init__(
        self,
        *,
        is_local: bool = False,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        """`is_local` allows what lies near, and HTTP: for a laptop.

        `resolve` and `tls` stand in for the resolver and the certificates of the system.
        """
        self._is_local = is_local
        self._resolve = resolve or _resolve
        self._given_tls = tls
        self._total_seconds = total_seconds

    def check(self, url: str) -> None:
        receiver = parse_receiver(url, is_local=self._is_local)
        try:
            self._addresses(receiver)
        except _NotSent as error:
            raise InvalidRequest(f"url: {error}") from None

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        started = time.monotonic()
        status, wish_seconds, error = None, 0.0, ""
        try:
            receiver = parse_receiver(url, is_local=self._is_local)
            status, wish_seconds = self._post(receiver, headers, body, started + self._total_seconds)
        except InvalidRequest as refused:
            error = refused.failure.detail
        except _NotSent as failed:
            error = str(failed)
        if status is not None and not 200 <= status < 300:
            error = f"the receiver answered {status}" + (", and redirects are not followed" if status < 400 else "")
        return Reply(status, error, round((time.monotonic() - started) * 1000), wish_seconds)

    def _post(self, receiver: Receiver, headers: Mapping[str, str], body: bytes, deadline: float) -> tuple[int, float]:
        """Status, and what it names in `Retry-After`."""
        from http.client import HTTPConnection, HTTPException

        sent = {**headers, "Host": receiver.authority, "User-Agent": USER_AGENT, "Connection": "close"}
        connection = HTTPConnection(receiver.host, receiver.port)
        # A receiver that sends a byte now and then would keep every timeout of the socket from running out.
        is_late = threading.Event()
        watchdog = threading.Timer(max(0.0, deadline - time.monotonic()), _cut_off, [connection, is_late])
        watchdog.daemon = True
        try:
            connection.sock = self._connect(receiver, deadline)
            watchdog.start()
            self._open_tls(connection, receiver)
            connection.request("POST", receiver.target, body, sent)
            response = connection.getresponse()
            if is_late.is_set():
                # Headers that were cut off look like headers that ended.
                raise TimeoutError
            answer = response.status, _wish(response)
            with suppress(OSError, HTTPException):
                # What has come so far, so that a receiver that ends its answer sees no reset.
                response.read1(BODY_READ_BYTES)
            return answer
        except TimeoutError:
            raise _NotSent(f"the receiver did not answer within {self._total_seconds:g} s") from None
        except (OSError, HTTPException, ValueError) as error:
            if is_late.is_set():
                raise _NotSent(f"the receiver did not answer within {self._total_seconds:g} s") from None
            raise _NotSent(_words(error)) from None
        finally:
            watchdog.cancel()
            connection.close()

    def _connect(self, receiver: Receiver, deadline: float) -> socket.socket:
        """A connection to one of the host's addresses."""
        import socket

        failed: OSError | None = None
        for address in self._addresses(receiver)[:ADDRESSES_TRIED]:
            timeout_seconds = min(CONNECT_SECONDS, max(0.1, deadline - time.monotonic()))
            try:
                made = socket.create_connection((address, receiver.port), timeout_seconds)
            except OSError as error:
                failed = error
                continue
            made.settimeout(max(0.1, deadline - time.monotonic()))
            return made
        if isinstance(failed, TimeoutError):
            raise _NotSent(f"no connection within {CONNECT_SECONDS:g} s")
        raise _NotSent(f"no connection: {failed.strerror if failed else 'no address'}")

    def _open_tls(self, connection: HTTPConnection, receiver: Receiver) -> None:
        if not receiver.is_tls:
            return
        # In two steps, so that the watchdog knows the socket while it shakes hands.
        tls = self._tls.wrap_socket(connection.sock, server_hostname=receiver.host, do_handshake_on_connect=False)
        connection.sock = tls
        tls.do_handshake()

    def _addresses(self, receiver: Receiver) -> Sequence[str]:
        """What the host resolves to, all of it allowed."""
        from concurrent.futures import TimeoutError as TooLate

        if receiver.address is not None:
            found: Sequence[str] = [receiver.host]
        else:
            seconds = min(RESOLVE_SECONDS, self._total_seconds)
            try:
                # The resolver of the system takes no timeout.
                found = self._resolving.submit(self._resolve, receiver.host, receiver.port).result(seconds)
            except TooLate:
                raise _NotSent(f"the host did not resolve within {seconds:g} s") from None
            except (OSError, UnicodeError):
                raise _NotSent("the host does not resolve") from None
        if not found:
            raise _NotSent("the host does not resolve")
        # One that is not allowed among others that are is no accident.
        if not self._is_local and not all(map(is_public, found)):
            raise _NotSent(NOT_ALLOWED)
        return found

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        import ssl

        return self._given_tls or ssl.create_default_context()

    @cached_property
    def _resolving(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")


class _NotSent(Exception):
    """The message did not reach the receiver, and why, in words that a client may read."""


def _resolve(host: str, port: int) -> Sequence[str]:
    import socket

    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _cut_off(connection: HTTPConnection, is_late: threading.Event) -> None:
    import socket

    is_late.set()
    made: Any = connection.sock
    if made is None:
        return
    try:
        made.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It is closed already.
        return


def _wish(response: HTTPResponse) -> float:
    """The pause that the receiver asks for, in seconds; 0 when it asks for none, or in the form of a date."""
    value = response.getheader("Retry-After", "").strip()
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 9 else 0.0


def _words(error: Exception) -> str:
    """What went wrong, without what the receiver sent."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the receiver is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with the receiver: {error.reason}"
    return f"the connection failed: {type(error).__name__}"
