"""Lambda's Runtime API on loopback, and a container's one process behind it: `python -m awslambdaric HANDLER`.

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from infra.local.batch_process import StopRequest
from infra.local.events import ACCOUNT_ID, REGION
from infra.local.fast_lane import Ended
from infra.wiring import FastLane

ROOT = "/2018-06-01/runtime"
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Invocation:
    request_id: str
    payload: bytes
    deadline_ms: int
    arn: str


class RuntimeApi:
    """Hands invocations to the one process that asks for them, and takes what it answers."""

    def __init__(self) -> None:
        self._waiting: Queue[_Invocation] = Queue()
        self.answers: Queue[Ended] = Queue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                invocation = api._waiting.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", invocation.request_id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", invocation.arn)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(invocation.payload)))
                self.end_headers()
                self.wfile.write(invocation.payload)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                # …/invocation/ID/response, …/invocation/ID/error, …/init/error
                api.answers.put(Ended(json.loads(body or b"null"), is_error=self.path.endswith("/error")))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is http.server's
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # One that waits for the next invocation waits for ever.
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="runtime-api", daemon=True).start()

    def put(self, invocation: _Invocation) -> None:
        """Hand it to whoever asks next."""
        self._waiting.put(invocation)

    def close(self) -> None:
        """Answer nothing more."""
        self._server.shutdown()
        self._server.server_close()


class RuntimeHost:
    """A container of the function: started by the first invocation, kept for the next ones, ended by a timeout."""

    def __init__(
        self, fast: FastLane, command: Sequence[str], environment: Mapping[str, str], log_folder: Path
    ) -> None:
        """`command` is the image's entry point and command, as it is started in this machine's own file system."""
        self._fast = fast
        self._command = tuple(command)
        self._environment = dict(environment)
        self._log_folder = log_folder
        self._arn = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{fast.function}"
        self._container: tuple[RuntimeApi, subprocess.Popen[bytes]] | None = None

    def run(self, request_id: str, payload: Any, stop: StopRequest) -> Ended:
        """What the handler answered; or what Lambda says of a function that timed out, or of a process that ended."""
        api, process = self._container = self._container or self._start()
        deadline = time.time() + self._fast.timeout_seconds
        api.put(_Invocation(request_id, json.dumps(payload).encode(), int(deadline * 1000), self._arn))
        while True:
            with suppress(Empty):
                return api.answers.get(timeout=POLL_SECONDS)
            if process.poll() is not None:
                self.close()
                return _failed(request_id, "Runtime.ExitError", f"Runtime exited with status {process.returncode}")
            if stop.asked.is_set() or time.time() > deadline:
                self.close()
                message = f"Task timed out after {self._fast.timeout_seconds:.2f} seconds"
                return _failed(request_id, "Sandbox.Timedout", message)

    def close(self) -> None:
        """End the container."""
        if self._container is not None:
            api, process = self._container
            self._container = None
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            api.close()

    def _start(self) -> tuple[RuntimeApi, subprocess.Popen[bytes]]:
        api = RuntimeApi()
        environment = {
            **self._environment,
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": self._fast.function,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._fast.memory_mib),
            "AWS_LAMBDA_LOG_GROUP_NAME": "local",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        }
        with (self._log_folder / f"fast-{api.address.rpartition(':')[2]}.log").open("ab") as output:
            process = subprocess.Popen(
                list(self._command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return api, process


def _failed(request_id: str, kind: str, message: str) -> Ended:
    return Ended({"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}, is_error=True)
