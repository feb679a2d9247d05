"""The worker's log: one JSON line per state change on standard output, which Batch sends to CloudWatch Logs."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


class JsonLog:
    """Writes events with the fields of what the process is at."""

    def __init__(self) -> None:
        self._context: dict[str, Any] = {}

    def bind(self, **context: Any) -> None:
        """Fields that every line has from now on; None removes one."""
        self._context = {name: value for name, value in (self._context | context).items() if value is not None}

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
        line = {"time": f"{moment}Z", "level": level, "message": message, **self._context, **fields}
        sys.stdout.write(json.dumps(line, default=str) + "\n")
        sys.stdout.flush()


logger = JsonLog()
"""The log of this process."""
