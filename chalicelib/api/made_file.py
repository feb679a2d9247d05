"""Files that are made of the code and lie beside it: written by `make openapi`, compared by `make check`."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(mode: str, path: Path, text: str, source: str = "the code") -> int:
    """Write the file (`--write`), or see whether it is what it has to be; 0 when all is well, else 1."""
    if mode == "--write":
        path.write_text(text, encoding="utf-8")
        return 0
    if path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{path.name} is not what {source} says; run `make openapi` and commit the difference\n")
    return 1
