"""What survives a restart: DynamoDB's and S3's contents and the events still owed, in a folder of the user's choice.

    state.pickle     header (a line of JSON) and the pickled backends; bodies of 64 KiB or more are only named in it
    objects/<sha256> those bodies
    issuer.pem       the token issuer's key
    cursor-key       the key that signs cursors, in hex

Everything else is made anew from the wiring. Running Batch jobs are not kept: the reconciler finds them gone. The
folder is the user's own: unpickling runs whatever it says.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import logging
import os
import pickle
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local import moto_patches
from infra.local.events import Delivery
from infra.wiring import Wiring

FORMAT = 1
BODY_MIN_BYTES = 64 * 1024
SAVE_SECONDS = 3.0
# Saving holds moto's lock: let it take at most a tenth of the time.
LARGEST_SHARE = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is kept."""

    dynamodb: object
    s3: object
    pending: list[Delivery]


class StateInUse(OSError):
    """Another process writes snapshots into this folder."""


class StateFolder:
    """Snapshots in one folder, bound to the version of moto and of the tables that wrote them."""

    def __init__(self, folder: Path, wiring: Wiring) -> None:
        """Make the folder if it is not there."""
        self.folder = folder
        self._objects = folder / "objects"
        self._objects.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise StateInUse(f"another local stack uses the state folder {folder}") from error
        self._file = folder / "state.pickle"
        tables = hashlib.sha256(repr((wiring.tables, wiring.bucket.name)).encode()).hexdigest()
        self._header = {"format": FORMAT, "moto": moto_patches.SUPPORTED_MOTO, "tables": tables}

    def close(self) -> None:
        """Let another stack have the folder."""
        self._lock.close()

    @property
    def issuer_key_path(self) -> Path:
        """Where the issuer's key lies."""
        return self.folder / "issuer.pem"

    def cursor_key(self) -> str:
        """The key that signs cursors, in hex; made on first use."""
        path = self.folder / "cursor-key"
        if not path.exists():
            _write_atomically(path, secrets.token_hex(32).encode())
            path.chmod(0o600)
        return path.read_text().strip()

    def save(self, pending: Callable[[], list[Delivery]]) -> None:
        """Write a snapshot of this moment; a crash in between leaves the one before."""
        bodies: dict[str, None] = {}
        buffer = io.BytesIO()
        with moto_patches.LOCK:
            dynamodb, s3 = moto_patches.capture_backends()
            _Pickler(buffer, self._objects, bodies).dump(Snapshot(dynamodb, s3, pending()))
        _write_atomically(self._file, json.dumps(self._header).encode() + b"\n" + buffer.getvalue())
        for path in self._objects.iterdir():
            if path.name not in bodies:
                path.unlink()

    def load(self) -> Snapshot | None:
        """The last snapshot, or None if there is none that fits. One that does not fit is kept under another name."""
        if not self._file.exists():
            return None
        with self._file.open("rb") as file:
            header = json.loads(file.readline())
            if header == self._header:
                snapshot = _Unpickler(file, self._objects).load()
                assert isinstance(snapshot, Snapshot)
                return snapshot
        old = self.folder.with_name(f"{self.folder.name}.{int(time.time())}.old")
        self.folder.rename(old)
        self._objects.mkdir(parents=True)
        log.warning(
            "The state in %s is of another version; it was moved to %s and this run starts empty", self.folder, old
        )
        return None


class StateSaver:
    """Saves every few seconds while something changes, and once at the end."""

    def __init__(self, folder: StateFolder, pending: Callable[[], list[Delivery]]) -> None:
        self._folder = folder
        self._pending = pending
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._save_until_stopped, name="state", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def notify(self) -> None:
        """Something may have changed."""
        self._changed.set()

    def stop(self) -> None:
        """Save the last state."""
        self._stopping.set()
        self._changed.set()
        self._thread.join()
        self._folder.save(self._pending)

    def _save_until_stopped(self) -> None:
        while self._changed.wait():
            # Cleared before the look at the end: the other way around, a stop in between would be waited for forever.
            self._changed.clear()
            if self._stopping.is_set():
                return
            started = time.monotonic()
            self._folder.save(self._pending)
            self._stopping.wait(max(SAVE_SECONDS, (time.monotonic() - started) / LARGEST_SHARE))


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, objects: Path, bodies: dict[str, None]) -> None:
        super().__init__(file, protocol=5)
        self._objects = objects
        self._bodies = bodies

    def persistent_id(self, obj: Any) -> str | None:
        if type(obj) is not bytes or len(obj) < BODY_MIN_BYTES:
            return None
        digest = hashlib.sha256(obj).hexdigest()
        self._bodies[digest] = None
        path = self._objects / digest
        if not path.exists():
            _write_atomically(path, obj)
        return digest

    def reducer_override(self, obj: Any) -> Any:
        return moto_patches.reduce_for_pickle(obj)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, objects: Path) -> None:
        super().__init__(file)
        self._objects = objects

    def persistent_load(self, pid: str) -> bytes:
        return (self._objects / pid).read_bytes()


def _write_atomically(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
