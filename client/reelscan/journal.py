"""What makes an upload survive the end of its process: one small file per upload, until that is done.

It holds the `Idempotency-Key` under which the upload was announced. Announced again under it, the service answers with
the same video and ticket, and S3 says which parts it has. So there is nothing else to be remembered, and nothing that
could be wrong.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

KEPT_SECONDS = 24 * 3600
"""The service remembers a key, and S3 the parts, for a day."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The entry of one upload."""

    path: Path
    key: str
    is_resumed: bool
    """An earlier run has made it, and did not get to its end."""

    @classmethod
    def open(cls, folder: Path, identity: dict[str, Any]) -> Self:
        """The entry of the upload that `identity` describes: as an earlier run left it, or new and on disk."""
        name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
        path = folder / f"{name}.json"
        _forget_old(folder)
        try:
            key = json.loads(path.read_text(encoding="utf-8"))["key"]
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path, _write_new_key(path, identity), is_resumed=False)
        return cls(path, key, is_resumed=True)

    def renewed(self, identity: dict[str, Any]) -> Self:
        """A new entry in place of this one, whose upload cannot be gone on with."""
        return type(self)(self.path, _write_new_key(self.path, identity), is_resumed=False)

    def close(self) -> None:
        """Forget the upload: it is done."""
        self.path.unlink(missing_ok=True)


def usual_folder() -> Path:
    """Where journals are kept.

    Source: XDG Base Directory Specification, `$XDG_STATE_HOME`; on Windows the local application data.
    """
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return home / "reelscan" / "uploads"


def _write_new_key(path: Path, identity: dict[str, Any]) -> str:
    key = str(uuid.uuid4())
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump({"key": key, **identity}, file)
        file.flush()
        # On disk before the service hears of the key: a crash of the machine must not lose what S3 has.
        os.fsync(file.fileno())
    unfinished.replace(path)
    return key


def _forget_old(folder: Path) -> None:
    if not folder.is_dir():
        return
    oldest = time.time() - KEPT_SECONDS
    for path in folder.glob("*.json"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:
            # Another process was faster.
            continue
