"""`python -m infra.local.warm_parent FD MODULE …`: imports the modules once, then forks a worker for every order.

A worker's imports (numpy, PyAV, OpenCV, onnxruntime, boto3) take a second of CPU, its work on a short video less. A
fork of a process that has them starts in milliseconds, and then runs `python -m MODULE` as a process of its own: a
session, an environment, both outputs, a number, an end. This process makes no client, no session of a model and no
thread: what cannot be forked, a worker makes itself.

FD is a socket (SEQPACKET) to the process that wants workers; when its other end closes, this process ends, and workers
that still run go on without it. Messages:

    to us, on FD            an order: JSON of `Order`, with two files: the log, and a socket of the worker's own
    from us, on FD          READY, once
    to us, by worker        the number of a signal, for its whole group
    from us, by worker      `started PID`, then `ended CODE` as subprocess has it; or `failed WHY`, and nothing else

A library that starts a thread when it is imported makes forks unsafe: then this process ends at once and says so.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

READY = b"ready"
MESSAGE_MAX_BYTES = 1 << 17
"""Source: socket(7), wmem_default: what one message may have without a privilege, less its overhead."""


@dataclass(frozen=True, slots=True)
class Order:
    """A worker: `python -m module *arguments`, with this environment and no other."""

    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    def to_bytes(self) -> bytes:
        """As it is sent."""
        form = {"module": self.module, "arguments": self.arguments, "environment": dict(self.environment)}
        return json.dumps(form).encode()

    @staticmethod
    def from_bytes(message: bytes) -> Order:
        """What was sent."""
        order = json.loads(message)
        return Order(order["module"], tuple(order["arguments"]), order["environment"])


@dataclass(frozen=True, slots=True)
class _Worker:
    """A child that is not reaped, so that its number is no other's."""

    pid: int
    pidfd: int
    """Readable once it has ended."""
    line: socket.socket

    def signal(self, number: int) -> None:
        """Send a signal to it and to whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def main(arguments: Sequence[str]) -> None:
    """Serve until nobody wants workers any more; in a worker, run it."""
    control = socket.socket(fileno=int(arguments[0]))
    for name in arguments[1:]:
        importlib.import_module(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1:
        sys.exit(f"{' '.join(arguments[1:])}: importing this started {threads - 1} threads, which no fork would have")
    # Nothing that is here now is looked at again by the collector, whose marks would copy every page in each worker.
    gc.collect()
    gc.freeze()
    control.send(READY)
    order = _Parent(control).serve()
    if order is not None:
        _run(order)


def _run(order: Order) -> None:
    """What `python -m` does, to the end of the process."""
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv[1:] = order.arguments
    runpy.run_module(order.module, run_name="__main__", alter_sys=True)


class _Parent:
    """The one thread of this process, and its workers."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        # By poll(2): it has no file of its own that a worker would inherit.
        self._selector = selectors.PollSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> Order | None:
        """Returns None at the end. It returns in every worker too, with its order: so it ends as any program does."""
        while True:
            key, _ = self._selector.select()[0]
            if key.fileobj is self._control:
                message, files = self._next_order()
                if not message:
                    return None
                order = self._start(message, *files)
                if order is not None:
                    return order
            elif key.fd == key.data.pidfd:
                self._reap(key.data)
            else:
                self._pass_signal(key.data)

    def _next_order(self) -> tuple[bytes, list[int]]:
        with suppress(ConnectionError):
            message, files, _, _ = socket.recv_fds(self._control, MESSAGE_MAX_BYTES, 2)
            return message, files
        return b"", []

    def _start(self, message: bytes, log: int, line_file: int) -> Order | None:
        """Fork. The order in the worker, None in this process."""
        line = socket.socket(fileno=line_file)
        try:
            pid = os.fork()
        except OSError as error:
            line.send(f"failed {error}".encode())
            line.close()
            os.close(log)
            return None
        if pid == 0:
            self._leave(log, line)
            return Order.from_bytes(message)
        os.close(log)
        worker = _Worker(pid, os.pidfd_open(pid), line)
        self._selector.register(worker.pidfd, selectors.EVENT_READ, worker)
        self._selector.register(line, selectors.EVENT_READ, worker)
        return None

    def _leave(self, log: int, line: socket.socket) -> None:
        """In a fresh fork: keep nothing of this process but what it has imported."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        # A session of its own: Ctrl-C in the terminal is for the stack, which then ends its workers in order.
        os.setsid()
        # Only now: before, there was no group to send signals to.
        with suppress(OSError):
            line.send(f"started {os.getpid()}".encode())
        line.close()

    def _reap(self, worker: _Worker) -> None:
        # Whatever the worker itself started and left behind ends with it, as in a container.
        worker.signal(signal.SIGKILL)
        _, status = os.waitpid(worker.pid, 0)
        self._selector.unregister(worker.pidfd)
        os.close(worker.pidfd)
        with suppress(KeyError):
            self._selector.unregister(worker.line)
        with suppress(OSError):
            worker.line.send(f"ended {os.waitstatus_to_exitcode(status)}".encode())
        worker.line.close()

    def _pass_signal(self, worker: _Worker) -> None:
        number = b""
        with suppress(ConnectionError):
            number = worker.line.recv(MESSAGE_MAX_BYTES)
        if number:
            worker.signal(int(number))
        else:
            # Nobody asks for this worker any more.
            self._selector.unregister(worker.line)


if __name__ == "__main__":
    main(sys.argv[1:])
