"""The lease: renewed while the work goes on, and the first to know when the work must stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.segments import Segment
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.aws import Claim, Superseded
from gpu_batch.errors import BadInput, Drained, Passing
from gpu_batch.lease import Lease, Stop, holding
from tests.contracts.test_work_order import an_analyze_order
from tests.worker.memory_cloud import MemoryCloud

BEAT_SECONDS = 0.001
LONG_SECONDS = 3600.0


class BeatingCloud(MemoryCloud):
    """Tells of every renewal; `on_keep` is called before it."""

    def __init__(self, on_keep: Callable[[int], None] = lambda beat: None) -> None:
        super().__init__()
        self.beats = 0
        self.third_beat = threading.Event()
        self._on_keep = on_keep

    def keep(self, claim: Claim, *, lease_seconds: float) -> None:
        self.beats += 1
        if self.beats == 3:
            self.third_beat.set()
        self._on_keep(self.beats)
        super().keep(claim, lease_seconds=lease_seconds)


def claim_in(cloud: MemoryCloud) -> Claim:
    key = cloud.open_unit("acme#job_1", UnitKind.SEGMENT, Segment(0, 0, 1, 0, 1))
    claim = cloud.claim(key, claimed_by="batch:0", lease_seconds=30)
    assert claim is not None
    return claim


def a_lease(cloud: MemoryCloud, *, beat_seconds: float = BEAT_SECONDS, stop: Stop | None = None) -> Lease:
    return Lease(cloud, claim_in(cloud), lease_seconds=30, heartbeat_seconds=beat_seconds, stop=stop or Stop())


def wait_for_the_heart_to_stop() -> None:
    """A heart stops by itself only when the claim is lost."""
    for thread in threading.enumerate():
        if thread.name == "heartbeat":
            thread.join(30)
            assert not thread.is_alive()


def set_job_state(cloud: MemoryCloud, state: str) -> None:
    cloud.tables["meta"]["acme#job_1", "JOB"] = {"state": state}


def test_a_lease_is_renewed_while_the_work_goes_on() -> None:
    cloud = BeatingCloud()
    cloud.time = 1000.0
    with a_lease(cloud) as check:
        cloud.time = 1020.0
        assert cloud.third_beat.wait(30)
        check()
    (unit,) = cloud.items("meta", "SEGMENT")
    assert unit["lease_until"] == 1050.0


def test_a_lost_claim_stops_the_work() -> None:
    cloud = MemoryCloud()
    with a_lease(cloud) as check:
        cloud.items("meta", "SEGMENT")[0]["fence"] = "fnc_other"
        wait_for_the_heart_to_stop()
        with pytest.raises(Superseded):
            check()


@pytest.mark.parametrize("state", ["CANCELLING", "CANCELLED", "FAILED"])
def test_a_job_that_is_over_stops_the_work(state: str) -> None:
    cloud = MemoryCloud()
    with a_lease(cloud) as check:
        set_job_state(cloud, state)
        wait_for_the_heart_to_stop()
        with pytest.raises(Superseded):
            check()


@pytest.mark.parametrize("state", ["RUNNING", "FINISHING"])
def test_a_job_that_is_open_lets_the_work_go_on(state: str) -> None:
    cloud = BeatingCloud()
    set_job_state(cloud, state)
    with a_lease(cloud) as check:
        assert cloud.third_beat.wait(30)
        check()


def test_trouble_on_the_way_to_aws_is_not_the_end_of_a_claim() -> None:
    def fail_twice(beat: int) -> None:
        if beat < 3:
            raise Passing("keeping a claim failed: ThrottlingException")

    cloud = BeatingCloud(fail_twice)
    with a_lease(cloud) as check:
        assert cloud.third_beat.wait(30)
        check()


def test_a_stop_signal_drains_the_work_at_the_next_frame() -> None:
    stop = Stop()
    with a_lease(MemoryCloud(), beat_seconds=LONG_SECONDS, stop=stop) as check:
        check()
        stop.set()
        with pytest.raises(Drained):
            check()


def test_the_heart_stops_with_the_work() -> None:
    with a_lease(MemoryCloud()):
        pass
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def broken_off_by(error: Exception) -> tuple[MemoryCloud, Claim]:
    """What is left when the work raises."""
    cloud = MemoryCloud()
    claim = claim_in(cloud)
    order: WorkOrder = an_analyze_order()
    with pytest.raises(type(error)), holding(cloud, claim, order, Stop()):
        raise error
    return cloud, claim


def test_work_that_is_drained_gives_the_unit_back_and_does_not_count() -> None:
    cloud, claim = broken_off_by(Drained("the machine is being taken away"))
    unit = cloud.unit(claim.key)
    assert (unit["state"], unit["attempt"], unit["attempts_allowed"]) == (UnitState.OPEN, 1, 4)


def test_work_that_meets_passing_trouble_gives_the_unit_back_and_counts() -> None:
    cloud, claim = broken_off_by(Passing("reading the source failed"))
    unit = cloud.unit(claim.key)
    assert (unit["state"], unit["attempt"], unit["attempts_allowed"]) == (UnitState.OPEN, 1, 3)
    assert unit["failure"]["detail"] == "reading the source failed"


@pytest.mark.parametrize("error", [BadInput("damaged"), RuntimeError("a bug"), Superseded()], ids=repr)
def test_after_anything_else_the_unit_is_left_to_who_knows_what_to_do(error: Exception) -> None:
    cloud, claim = broken_off_by(error)
    assert cloud.unit(claim.key)["state"] == UnitState.CLAIMED


def test_work_that_stalls_ends_its_process() -> None:
    cloud = BeatingCloud()
    ended = threading.Event()
    lease = Lease(
        cloud,
        claim_in(cloud),
        lease_seconds=30,
        heartbeat_seconds=BEAT_SECONDS,
        stop=Stop(),
        stall_seconds=0.0,
        end_process=ended.set,
    )
    with lease:
        assert ended.wait(30)


def test_work_that_goes_on_keeps_its_process() -> None:
    cloud = BeatingCloud()
    ended = threading.Event()
    lease = Lease(
        cloud,
        claim_in(cloud),
        lease_seconds=30,
        heartbeat_seconds=BEAT_SECONDS,
        stop=Stop(),
        stall_seconds=LONG_SECONDS,
        end_process=ended.set,
    )
    with lease:
        assert cloud.third_beat.wait(30)
    assert not ended.is_set()
