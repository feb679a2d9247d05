from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.sweep import Sweep, a_sweep


@pytest.fixture(scope="module")
def sweep() -> Iterator[Sweep]:
    """One rig for a whole module: each run starts on fresh tables."""
    with a_sweep() as sweep:
        yield sweep
