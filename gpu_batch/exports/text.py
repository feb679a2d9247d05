"""Small pieces of text formats that several writers share."""

from __future__ import annotations

import json
from typing import Any


def compact_json(form: Any) -> str:
    """JSON without spaces, keys in the order given, every character as itself."""
    return json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def readme(statement: dict[str, Any], about: str) -> bytes:
    """A README.txt for an archive: what its files are, then the statement."""
    return f"{about.strip()}\n\n{json.dumps(statement, ensure_ascii=False, indent=2)}\n".encode()


def decimal(number: float, digits: int) -> str:
    """A number with at most so many decimals, never in exponent form."""
    text = f"{number:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
