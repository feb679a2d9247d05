"""WebSocket connections on the stack's port: a socket that a request asked to upgrade, read by the thread that has it.

What is sent waits in a bounded queue for a thread of its own: a client that does not read loses its connection, and
holds up neither those who publish nor other clients.
"""

from __future__ import annotations

import json
import logging
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

MESSAGE_MAX_BYTES = 256 * 1024
READ_SIZE = 64 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a connection is."""

    queue_max: int = 500
    """Messages that wait for one client."""
    send_seconds: int = 5
    """A client that takes nothing for this long is gone."""
    keep_alive_seconds: float = 60.0


class Session(Protocol):
    """What is spoken over a connection."""

    def receive(self, text: str) -> bool:
        """Take a message; whether the connection goes on."""
        ...

    def close(self) -> None:
        """The connection is over."""
        ...


MakeSession = Callable[["Upgrade", Callable[[dict[str, Any]], None]], Session]
"""Makes what is spoken, given how to send."""


class Upgrade:
    """A request that asks for a WebSocket, and the socket that it came on."""

    def __init__(
        self, path: str, headers: Iterable[tuple[str, str]], connection: socket.socket, read: Callable[[int], bytes]
    ) -> None:
        """`read` gives what came after the request, at least a byte, nothing at the end."""
        self.path = path
        self.headers = list(headers)
        self.connection = connection
        self.read = read

    @property
    def address(self) -> str:
        """Where it comes from."""
        return str(self.connection.getpeername()[0])

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers to speak."""
        offered = ",".join(value for name, value in self.headers if name.lower() == "sec-websocket-protocol")
        return [name.strip() for name in offered.split(",") if name.strip()]


class WebSockets:
    """All connections of the stack."""

    def __init__(self, subprotocol: str, keep_alive: dict[str, Any], limits: Limits | None = None) -> None:
        """`keep_alive` is sent when nothing else was for a while."""
        self._subprotocol = subprotocol
        self._keep_alive = keep_alive
        self._limits = limits or Limits()
        self._open: set[_WebSocket] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    def serve(self, upgrade: Upgrade, make_session: MakeSession) -> None:
        """Speak with a client until either side ends it."""
        web_socket = _WebSocket(upgrade, self._subprotocol, self._keep_alive, self._limits)
        with self._lock:
            if self._is_closed:
                return
            self._open.add(web_socket)
        try:
            web_socket.run(make_session)
        finally:
            with self._lock:
                self._open.discard(web_socket)

    def close(self) -> None:
        """End all of them, and take no more."""
        with self._lock:
            self._is_closed = True
            still_open = list(self._open)
        for web_socket in still_open:
            web_socket.end()


class _WebSocket:
    def __init__(self, upgrade: Upgrade, subprotocol: str, keep_alive: dict[str, Any], limits: Limits) -> None:
        self._upgrade = upgrade
        self._limits = limits
        self._keep_alive = json.dumps(keep_alive)
        self._protocol = ServerProtocol(subprotocols=[Subprotocol(subprotocol)], max_size=MESSAGE_MAX_BYTES)
        self._waiting: queue.Queue[str | None] = queue.Queue(limits.queue_max)
        """None: close when what was sent before is out."""
        self._is_overrun = threading.Event()
        self._lock = threading.Lock()
        """The protocol's state, and the order of its bytes."""

    def run(self, make_session: MakeSession) -> None:
        """Shake hands, then read until the end."""
        # Only sending may time out: a client may be silent for hours.
        timeout = struct.pack("ll", self._limits.send_seconds, 0)
        self._upgrade.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        if not self._shake_hands():
            return
        session = make_session(self._upgrade, self._send)
        writer = threading.Thread(target=self._write_until_end, name="websocket-writer", daemon=True)
        writer.start()
        try:
            self._read_until_end(session)
        finally:
            session.close()
            self.end()
            writer.join(self._limits.send_seconds)

    def end(self) -> None:
        """Close once what waits is out."""
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            self._overrun()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait(json.dumps(message))
        except queue.Full:
            self._overrun()

    def _overrun(self) -> None:
        if not self._is_overrun.is_set():
            self._is_overrun.set()
            log.warning("A subscriber did not read %d messages: its connection is closed", self._limits.queue_max)

    def _shake_hands(self) -> bool:
        lines = [f"GET {self._upgrade.path} HTTP/1.1", *(f"{name}: {value}" for name, value in self._upgrade.headers)]
        self._protocol.receive_data("\r\n".join([*lines, "", ""]).encode("latin-1"))
        (request,) = self._protocol.events_received()
        assert isinstance(request, Request), "a handshake must begin with a request"
        self._protocol.send_response(self._protocol.accept(request))
        self._flush()
        return self._protocol.state is State.OPEN

    def _read_until_end(self, session: Session) -> None:
        text = bytearray()
        while data := self._read():
            with self._lock:
                self._protocol.receive_data(data)
                events = self._protocol.events_received()
                self._flush()
            for event in events:
                if not isinstance(event, Frame) or event.opcode not in (Opcode.TEXT, Opcode.CONT):
                    continue
                text += event.data
                if event.fin:
                    message, text = bytes(text), bytearray()
                    if not session.receive(message.decode("utf-8", "replace")):
                        return
            if self._protocol.state is not State.OPEN:
                return

    def _read(self) -> bytes:
        try:
            return self._upgrade.read(READ_SIZE)
        except OSError:
            return b""

    def _write_until_end(self) -> None:
        try:
            while not self._is_overrun.is_set():
                try:
                    message = self._waiting.get(timeout=self._limits.keep_alive_seconds)
                except queue.Empty:
                    message = self._keep_alive
                if message is None:
                    self._close(1000, "")
                    return
                with self._lock:
                    self._protocol.send_text(message.encode())
                    self._flush()
            message = f"{self._limits.queue_max} messages were not read in time"
            said = {"errorType": "LimitExceededError", "message": message}
            with self._lock:
                self._protocol.send_text(json.dumps({"type": "error", "payload": {"errors": [said]}}).encode())
                self._flush()
            self._close(1008, "too slow")
        except Exception:  # noqa: BLE001  the client is gone, or takes nothing: whatever it was, this connection is over
            self._hang_up()

    def _close(self, code: int, reason: str) -> None:
        with self._lock:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(code, reason)
                self._flush()
        self._hang_up()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._upgrade.connection.sendall(data)

    def _hang_up(self) -> None:
        try:
            self._upgrade.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
