"""A receiver of webhooks on loopback that does what a test tells it: one script for each connection."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Script = Callable[[socket.socket, threading.Event], None]
"""What happens to a connection whose request is read; the event is set when the test is over."""


@dataclass
class Receiver:
    """What came to it."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    server_names: list[str | None] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"


def answers(*parts: bytes) -> Script:
    """Sends these bytes."""

    def script(connection: socket.socket, _: threading.Event) -> None:
        for part in parts:
            connection.sendall(part)

    return script


def drips(start: bytes, drop: bytes) -> Script:
    """Sends `drop` again and again, for as long as anybody listens."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(0.02):
            connection.sendall(drop)

    return script


def is_silent(_: socket.socket, over: threading.Event) -> None:
    over.wait(30)


@contextmanager
def receiving(script: Script, tls: ssl.SSLContext | None = None, *, reads: bool = True) -> Iterator[Receiver]:
    """A receiver that runs."""
    receiver, over = Receiver(), threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            stream = tls.wrap_socket(connection, server_side=True) if tls else connection
            if reads:
                receiver.requests.append(_read(stream))
            script(stream, over)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            receiver.connections += 1
            threading.Thread(target=serve, args=[connection], daemon=True).start()

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: receiver.server_names.append(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver.port = listener.getsockname()[1]
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            over.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def make_certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `name`, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate_path, key_path)
    return server, ssl.create_default_context(cafile=str(certificate_path))


def _read(stream: socket.socket) -> bytes:
    """One request with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := stream.recv(65536)):
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += stream.recv(65536)
    return head + b"\r\n\r\n" + body
