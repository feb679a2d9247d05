"""The corpus in `.cache`: to encode it takes longer than most of what is done with it."""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from pathlib import Path

import av

from gpu_batch.containers import boxes, track
from gpu_batch.video import nal_units
from tests.video import corpus, matroska, muxer

CACHE = Path(__file__).parents[2] / ".cache"
MAKERS = (corpus, matroska, muxer, boxes, track, nal_units)
"""The modules that decide what the files hold, beside PyAV."""


def kept_corpus() -> dict[str, Path]:
    """Every file of the corpus, for reading; made anew where one of its makers has changed."""
    CACHE.mkdir(exist_ok=True)
    # Of the processes that tests run in, one makes it and the others wait.
    with (CACHE / "corpus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = CACHE / f"corpus-{_digest_of_makers()}"
        if not folder.exists():
            # Complete or not there at all, whenever this is broken off.
            unfinished = Path(tempfile.mkdtemp(dir=CACHE))
            corpus.make_corpus(unfinished)
            unfinished.rename(folder)
        return corpus.make_corpus(folder)


def _digest_of_makers() -> str:
    digest = hashlib.sha256(av.__version__.encode())
    for module in MAKERS:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]
