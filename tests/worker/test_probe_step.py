"""The probe as a unit of work: it stops when it must, however long a container takes to be read."""

from __future__ import annotations

from unittest import mock

import pytest

from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.errors import Drained
from gpu_batch.lease import Stop
from gpu_batch.probe_step import run_probe
from tests.worker.clips import make_clip
from tests.worker.memory_cloud import MemorySource
from tests.worker.scene import a_scene, as_probe


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_probe_stops_between_two_reads_and_gives_its_claim_back(container: str) -> None:
    scene, stop, read = as_probe(a_scene(make_clip(container=container))), Stop(), MemorySource.read
    key = scene.cloud.open_unit(scene.order.pk, UnitKind.PROBE)

    def read_once(source: MemorySource, offset: int, size: int) -> bytes:
        assert not stop.is_set, "a read after the stop"
        stop.set()
        return read(source, offset, min(size, 1024))

    with mock.patch.object(MemorySource, "read", read_once), pytest.raises(Drained):
        run_probe(scene.cloud, scene.order, claimed_by="batch:0", stop=stop)
    assert scene.cloud.unit(key)["state"] == UnitState.OPEN
