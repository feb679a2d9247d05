"""What every side step does alike: it is claimed, ends once, and succeeds only for the finish that it is about."""

from __future__ import annotations

import pytest

from chalicelib.contracts import outcomes, table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.work_order import OrderKind, WorkOrder
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.aws import Superseded
from gpu_batch.errors import BadInput, BadOrder, Drained, Passing
from gpu_batch.job_results import JobResults
from gpu_batch.lease import Stop
from gpu_batch.main import follow_order
from gpu_batch.side_step import Check, Outcome, run_side_step
from tests.worker.memory_cloud import MemoryCloud, facts_of
from tests.worker.test_finish import ANALYSIS, FRAMES, a_cloud, an_order

KEY = UnitKey("acme#job_1", UnitKind.EXPORT, name="exp_1")
FINISHED_AT = "2026-03-01T12:00:00.000Z"
JOB = ("acme#job_1", table_keys.JOB)


def a_step_order(segments: int = 4) -> WorkOrder:
    return an_order(segments, kind=OrderKind.EXPORT, step="exp_1", job_finished_at=FINISHED_AT)


def a_finished_job(segments: int = 4) -> MemoryCloud:
    cloud = a_cloud(segments)
    cloud.open_unit(KEY.pk, KEY.kind, name=KEY.name)
    cloud.tables["meta"][JOB] = {"state": "SUCCEEDED", "finished_at": FINISHED_AT}
    return cloud


class Work:
    """Does nothing, and counts how often; `between` is what happens meanwhile."""

    def __init__(self, error: Exception | None = None, outcome: Outcome | None = None) -> None:
        self.runs = self.forgotten = 0
        self._error = error
        self._outcome = outcome or Outcome({"rows": 3})

    def __call__(self, check: Check) -> Outcome:
        check()
        self.runs += 1
        if self._error is not None:
            raise self._error
        return self._outcome

    def forget(self) -> None:
        self.forgotten += 1


def run(cloud: MemoryCloud, work: Work, stop: Stop | None = None) -> None:
    run_side_step(cloud, a_step_order(), KEY.kind, work, forget=work.forget, claimed_by="batch", stop=stop or Stop())


def test_a_step_that_was_done_says_what_it_found_and_when() -> None:
    cloud = a_finished_job()
    run(cloud, Work())
    unit = cloud.unit(KEY)
    assert (unit["state"], unit["result"]) == (UnitState.DONE, {"rows": 3})
    assert unit["finished_at"].endswith("Z")


def test_a_step_that_was_done_is_not_done_again() -> None:
    cloud, work = a_finished_job(), Work()
    run(cloud, work)
    run(cloud, work)
    assert work.runs == 1


@pytest.mark.parametrize("error", [BadInput("the block is gone"), BadOrder("no such format")])
def test_what_can_never_be_done_has_failed_with_its_cause(error: BadInput | BadOrder) -> None:
    cloud = a_finished_job()
    with pytest.raises(type(error)):
        run(cloud, Work(error))
    unit = cloud.unit(KEY)
    assert (unit["state"], unit["failure"]["detail"]) == (UnitState.FAILED, error.failure.detail)


def test_what_breaks_off_for_a_while_may_be_claimed_again_at_once() -> None:
    cloud = a_finished_job()
    with pytest.raises(Passing):
        run(cloud, Work(Passing("the table is throttled")))
    assert cloud.unit(KEY)["state"] == UnitState.OPEN


def test_a_drained_attempt_does_not_count() -> None:
    cloud, stop = a_finished_job(), Stop()
    stop.set()
    with pytest.raises(Drained):
        run(cloud, Work(), stop)
    assert cloud.unit(KEY)["attempts_allowed"] - cloud.unit(KEY)["attempt"] == 3


@pytest.mark.parametrize("finished_at", [None, "2026-03-02T12:00:00.000Z"])
def test_a_step_of_a_job_that_was_retried_does_not_succeed(finished_at: str | None) -> None:
    cloud = a_finished_job()
    cloud.tables["meta"][JOB]["finished_at"] = finished_at
    run(cloud, Work())
    assert cloud.unit(KEY)["state"] == UnitState.CLAIMED


def test_what_a_step_wrote_goes_with_a_job_that_was_deleted() -> None:
    cloud, work = a_finished_job(), Work()
    del cloud.tables["meta"][JOB]
    run(cloud, work)
    assert work.forgotten == 1


def test_a_step_that_was_taken_away_ends_without_a_word_and_forgets_nothing() -> None:
    cloud, work = a_finished_job(), Work(Superseded())
    run(cloud, work)
    assert (work.forgotten, cloud.unit(KEY)["state"]) == (0, UnitState.CLAIMED)


def test_the_end_may_change_more_in_the_same_transaction() -> None:
    cloud = a_finished_job()
    more = [outcomes.video_rejected("meta", "acme#vid_1", failure={"code": "INTERNAL"})]
    run(cloud, Work(outcome=Outcome({}, more)))
    (outcome,) = cloud.outcomes
    assert facts_of(outcome)["state"] == "REJECTED"


def test_a_kind_of_order_that_this_worker_does_not_know_is_a_bad_order() -> None:
    cloud = a_finished_job()
    cloud.objects["orders/1"] = a_step_order().to_bytes().replace(b'"export"', b'"dream"')
    with pytest.raises(BadOrder, match="dream"):
        follow_order(cloud, {"REELSCAN_WORK_ORDER": "s3://bucket/orders/1"}, Stop())


def test_the_results_of_a_job_are_read_in_order_of_time() -> None:
    results = JobResults(a_cloud(without=[1]), an_order(), lambda: None)
    read = [found for _, entry in results.entries() if entry is not None for found in results.blocks(entry, 0)]
    assert [found.segment for found in read] == [0, *range(2, 40)]
    assert [found.block.pts[0] for found in read] == [found.segment * FRAMES for found in read]
    assert read[1].ref.sk == table_keys.block_head(ANALYSIS, 2)


def test_a_segment_without_results_is_said_to_have_none() -> None:
    results = JobResults(a_cloud(4, without=[1]), an_order(4), lambda: None)
    assert [entry is None for _, entry in results.entries()] == [False, True, False, False]
    assert [segment.index for segment, _ in results.entries(2)] == [2, 3]
