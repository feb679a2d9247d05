"""How tests say what they measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Measure: TypeAlias = Callable[[str], None]
"""Notes one line; see the fixture `measure`."""
