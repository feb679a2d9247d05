"""The worker's log: one JSON line per state change on standard output, which Batch sends to CloudWatch Logs."""

from __future__ import annotations

import json
import sys
import time
from threading import local
from typing import Any


class JsonLog:
    """Writes events with the fields of what the process is at."""

    def __init__(self) -> None:
        self._context: dict[str, Any] = {}
        self._of_thread = local()

    def bind(self, **context: Any) -> None:
        """Fields that every line has from now on."""
        self._context |= {name: value for name, value in context.items() if value is not None}

    def bind_thread(self, **context: Any) -> None:
        """Fields that every line of this thread has from now on, instead of those that were bound so before."""
        self._of_thread.context = {name: value for name, value in context.items() if value is not None}

    def info(self, message: str, **fields: Any) -> None:
        """Something went as it should."""
        self._write("INFO", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Something did not, and is dealt with."""
        self._write("WARNING", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Something ended badly."""
        self._write("ERROR", message, fields)

    def _write(self, level: str, message: str, fields: dict[str, Any]) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        line = {"time": f"{moment}Z", "level": level, "message": message, **self._context}
        line |= getattr(self._of_thread, "context", {}) | fields
        # One write, so that the lines of several threads do not mix.
        sys.stdout.write(json.dumps(line, default=str) + "\n")
        sys.stdout.flush()


logger = JsonLog()
"""The log of this process."""
