"""botocore without the pauses between its tries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import botocore.endpoint


@contextmanager
def no_pauses() -> Iterator[None]:
    """Until the block ends, whoever is refused asks again at once."""
    # There is no setting for it: the endpoint sleeps by itself for what its retry policy says.
    before = vars(botocore.endpoint)["time"]
    vars(botocore.endpoint)["time"] = _NoTime()
    try:
        yield
    finally:
        vars(botocore.endpoint)["time"] = before


class _NoTime:
    def sleep(self, _seconds: float) -> None:
        """Pass at once."""
