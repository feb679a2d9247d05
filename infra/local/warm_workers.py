"""Workers as forks of a process that has imported what they need: `infra/local/warm_parent.py` from the other side."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from infra.local.batch_process import Process, start_fresh
from infra.local.warm_parent import MESSAGE_MAX_BYTES, READY, Order

AS_MODULE = (sys.executable, "-m")

log = logging.getLogger(__name__)


class WarmWorkers:
    """Starts workers whose command is `python -m MODULE …`; any other command, and all without a parent, start fresh.

    There is no parent before `warm_up`, outside of Linux, and when its modules cannot be imported or start threads. A
    worker's life is the same either way.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        """`environment` is what libraries find when they are imported: the one that workers have in common."""
        self._modules = tuple(modules)
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._parent: _Parent | None = None

    @property
    def parent_pid(self) -> int | None:
        """The parent's process, while there is one."""
        return self._parent.process.pid if self._parent is not None else None

    def warm_up(self) -> None:
        """Start the parent; returns at once. A worker that is started meanwhile waits for it."""
        # Elsewhere forks of a process with so many libraries are not safe, and there is no pidfd.
        if self._modules and sys.platform.startswith("linux"):
            self._parent = _start_parent(self._modules, self._environment)

    def stop(self) -> None:
        """End the parent; workers that still run go on, but nobody learns of their end."""
        with self._lock:
            if self._parent is not None:
                self._parent.end()
                self._parent = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> Process:
        """Start a worker.

        Raises:
            OSError: it cannot be started.
        """
        if tuple(command[:2]) != AS_MODULE:
            return start_fresh(command, environment, output)
        order = Order(command[2], tuple(command[3:]), environment).to_bytes()
        line = self._send(order, output) if len(order) <= MESSAGE_MAX_BYTES else None
        if line is None:
            return start_fresh(command, environment, output)
        said, _, rest = _receive(line).partition(" ")
        if said == "started":
            return _Fork(int(rest), line)
        line.close()
        raise OSError(f"no worker could be forked: {rest or 'the parent of workers has ended'}")

    def _send(self, order: bytes, output: IO[bytes]) -> socket.socket | None:
        """Order a worker; the line to it, or None when there is no parent."""
        with self._lock:
            if self._parent is None:
                return None
            line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                try:
                    self._parent.wait_until_ready()
                    socket.send_fds(self._parent.control, [order], [output.fileno(), theirs.fileno()])
                except ConnectionError:
                    log.warning("Workers start slowly from now on: the process that forked them has ended")
                    self._parent.end()
                    self._parent = None
                    line.close()
                    return None
            return line


@dataclass(slots=True)
class _Parent:
    process: subprocess.Popen[bytes]
    control: socket.socket
    is_ready: bool = False

    def wait_until_ready(self) -> None:
        """Wait for its imports.

        Raises:
            ConnectionError: it has ended.
        """
        if not self.is_ready:
            if _receive(self.control) != READY.decode():
                raise ConnectionResetError("the parent of workers ended before it was ready")
            self.is_ready = True

    def end(self) -> None:
        # It holds nothing, and may be in the middle of its imports.
        self.process.kill()
        self.process.wait()
        self.control.close()


def _start_parent(modules: Sequence[str], environment: Mapping[str, str]) -> _Parent:
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [*AS_MODULE, "infra.local.warm_parent", str(theirs.fileno()), *modules],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            # Ctrl-C in the terminal is for the stack.
            start_new_session=True,
        )
    return _Parent(process, control)


class _Fork:
    """A process whose parent is the warm one."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self._pid = pid
        self._line = line
        self._line.settimeout(0)
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            with suppress(BlockingIOError):
                said = _receive(self._line)
                self._code = int(said.removeprefix("ended ")) if said else self._give_up()
                self._line.close()
        return self._code

    def signal_group(self, number: signal.Signals) -> None:
        with suppress(OSError):
            self._line.send(str(int(number)).encode())

    def _give_up(self) -> int:
        # Its parent was killed, and nobody would ever learn how it ends: it ends now, as on a machine that is lost.
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        return -signal.SIGKILL


def _receive(line: socket.socket) -> str:
    """The next message; nothing when the other side has ended."""
    with suppress(ConnectionError):
        return line.recv(MESSAGE_MAX_BYTES).decode()
    return ""
