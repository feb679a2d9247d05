"""The Lambda functions of the service, called in this process with a JSON event and a context."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FUNCTION_TIMEOUT_MS = 60_000


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The second argument of a handler. Names as in Lambda's Python runtime."""

    function_name: str
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    memory_limit_in_mb: int = 512
    function_version: str = "$LATEST"
    log_group_name: str = "local"
    log_stream_name: str = "local"

    @property
    def invoked_function_arn(self) -> str:
        """The function's own ARN."""
        return f"arn:aws:lambda:us-east-1:123456789012:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Always the whole timeout: nothing ends a handler here."""
        return FUNCTION_TIMEOUT_MS


class Functions:
    """The handlers of one app module."""

    def __init__(self, app_module: object, names: Iterable[str]) -> None:
        """Look the handlers up.

        Raises:
            LookupError: the module lacks one that the wiring names.
        """
        self._handler_by_name: dict[str, Callable[[Any, LambdaContext], object]] = {}
        for name in sorted(names):
            handler = getattr(app_module, name, None)
            if not callable(handler):
                raise LookupError(f"The wiring names the handler {name!r} but {app_module!r} has no such function")
            self._handler_by_name[name] = handler

    def invoke(self, name: str, event: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
        """What the handler returns; whatever it raises passes through.

        The event is copied through JSON, as it is on its way to Lambda: a handler can neither keep nor change ours.
        """
        return self._handler_by_name[name](json.loads(json.dumps(event)), LambdaContext(name))
