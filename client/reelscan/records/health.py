"""What the routes of health answer and take.

Made by `make openapi` from docs/openapi.json.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The service answers."""

    status: str
    version: str
