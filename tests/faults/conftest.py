from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.sweep import Sweep, a_sweep


@pytest.fixture(scope="module")
def fast_sweep() -> Iterator[Sweep]:
    """As `sweep`, where short work goes to the fast lane: not for a module that has both."""
    with a_sweep(has_fast_lane=True) as sweep:
        yield sweep


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    """One rig for a whole module: each run starts on fresh tables."""
    with a_sweep() as sweep:
        yield sweep
