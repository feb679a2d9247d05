"""What every group of measures works with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.paths import CLIPS, PEERS_PYTHON, ULTRALYTICS_PYTHON
from bench.range_server import Counts
from bench.rounds import Call, Rounds, run_rounds


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks."""

    rounds: int
    """Of what is timed."""
    cores: int
    url: str
    """Where the folder of clips is served."""
    counts: Counts
    """What was served."""

    def run(self, calls: Mapping[str, Call], *, rounds: int | None = None) -> Rounds:
        """Run variants in turn; `rounds` where one is enough, because bytes do not vary."""
        return run_rounds(calls, rounds or self.rounds, self.counts)

    def ours(self, name: str, **arguments: object) -> Call:
        """A variant of the worker."""
        return Call(f"ours.{name}", arguments, Path(sys.executable))

    def limit(self, name: str, **arguments: object) -> Call:
        """A variant of bare libav."""
        return Call(f"limits.{name}", arguments, Path(sys.executable))

    def peer(self, name: str, **arguments: object) -> Call:
        """A loop that others write, in the environment of the peers."""
        python = ULTRALYTICS_PYTHON if name == "ultralytics_predict" else PEERS_PYTHON
        return Call(f"peers.{name}", arguments, python)

    def remote(self, clip: str) -> dict[str, str]:
        """The arguments that name a clip that is read over HTTP."""
        return {"clip": str(CLIPS / clip), "url": f"{self.url}/{clip}"}
