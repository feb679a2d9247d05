"""The real worker, which a test can have killed at a named place: `python -m tests.flow.faulty_worker`.

Nothing of the worker is replaced. This program only listens: to its log, which says every change of state, and to the
requests that it is about to send, by Python's audit events. At an event that a test named it sends its own process a
signal; SIGKILL is `kill -9`, with nothing left to chance about when.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "REELSCAN_TEST_FAULTS"
WATCH_SECONDS = 0.005
OPERATION = re.compile(rb"\r\nX-Amz-Target: DynamoDB_\d+\.(\w+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """A signal at an event."""

    event: str
    """The message of a log line; or a request that is about to be sent: a DynamoDB operation, or `PUT` and the like."""
    kind: str = "analyze"
    """Of the work order: probe, analyze or finish."""
    segment_index: int | None = None
    """None: whichever."""
    times: int = 1
    """It strikes the first so many workers that get there."""
    signal_number: int = signal.SIGKILL
    after_cpu_seconds: float = 0.0
    """So much work later: for a moment in the middle of inference, in which nothing is logged or sent."""


class Faults:
    """What a test wants to happen, and what did: a folder that the test shares with the workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def plan(self, *faults: Fault) -> None:
        """From now on these, and no others; earlier strikes are forgotten."""
        for strike in self.folder.glob("strike-*"):
            strike.unlink()
        fresh = self.folder / "faults.new"
        fresh.write_text(json.dumps([asdict(fault) for fault in faults]))
        fresh.replace(self.folder / "faults.json")

    def planned(self) -> list[Fault]:
        """As the test wants it now."""
        return [Fault(**form) for form in json.loads((self.folder / "faults.json").read_text())]

    def take_strike(self, fault: Fault) -> bool:
        """Whether a strike of this fault is left; it is gone then."""
        number = self.planned().index(fault)
        for time_ in range(fault.times):
            try:
                with (self.folder / f"strike-{number}-{time_}").open("x") as file:
                    file.write(str(time.time()))
            except FileExistsError:
                continue
            return True
        return False

    def strikes(self) -> list[float]:
        """When signals were sent, in epoch seconds."""
        return sorted(float(strike.read_text()) for strike in self.folder.glob("strike-*"))


class Listener:
    """Stands in for standard output, hears requests, and strikes."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._last_line: dict[str, Any] = {}

    def write(self, text: str) -> None:
        """Pass a log line on; its fields tell what the requests after it are about."""
        assert sys.__stdout__ is not None
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        if text.startswith("{"):
            line = self._last_line = json.loads(text)
            self._hear(line["message"], line)

    def flush(self) -> None:
        """Nothing is held back."""

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by Python before it sends the head of a request."""
        if event == "http.client.send" and isinstance(arguments[1], bytes) and self._last_line:
            head = arguments[1]
            operation = OPERATION.search(head)
            self._hear((operation[1] if operation else head.partition(b" ")[0]).decode("latin-1"), self._last_line)

    def _hear(self, event: str, line: dict[str, Any]) -> None:
        for fault in self._faults.planned():
            is_here = fault.event == event and fault.kind == line.get("kind")
            if is_here and fault.segment_index in (None, line.get("segment_index")):
                self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        if fault.after_cpu_seconds:
            threading.Thread(target=self._strike_later, args=(fault,), daemon=True).start()
        elif self._faults.take_strike(fault):
            os.kill(os.getpid(), fault.signal_number)

    def _strike_later(self, fault: Fault) -> None:
        strikes_at = time.process_time() + fault.after_cpu_seconds
        while time.process_time() < strikes_at:
            time.sleep(WATCH_SECONDS)
        if self._faults.take_strike(fault):
            os.kill(os.getpid(), fault.signal_number)


def main() -> None:
    """Run the worker with somebody listening."""
    from gpu_batch.main import run

    listener = Listener(Faults(Path(os.environ[FOLDER_VARIABLE])))
    sys.stdout = listener
    sys.addaudithook(listener.audit)
    run()


if __name__ == "__main__":
    main()
