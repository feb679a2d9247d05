"""Ways in which jobs of a `World` fail, and the states that they come to."""

from __future__ import annotations

from typing import Any

from chalicelib.contracts.work_order import OrderKind
from chalicelib.domain.jobs import Job
from chalicelib.services.ports import ChildState
from tests.fakes.makers import A_FAILURE
from tests.services.world import World


def fail_segment(world: World, index: int) -> None:
    """A worker says that this segment cannot be analysed, ever; its child has more to do, or is done."""
    batch_job = world.last_batch_job()
    (child,) = (i for i, units in enumerate(batch_job.submission.children) if index in units)
    fence = world.claim(batch_job, child, index)
    assert fence is not None
    assert world.end_unit(batch_job.submission, index, fence, A_FAILURE)
    batch_job.children[child] = ChildState.WAITING


def fail_finish(world: World) -> None:
    """A worker says that the finish cannot be done."""
    batch_job = world.last_batch_job()
    assert batch_job.submission.kind is OrderKind.FINISH
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    assert world.end_unit(batch_job.submission, 0, fence, A_FAILURE)
    batch_job.children[0] = ChildState.ENDED


def finishing(world: World) -> Job:
    """A job whose finish waits for its worker."""
    job = world.running(cells=4)
    for batch_job, child in world.waiting():
        world.run_worker(batch_job, child)
    world.changed(job)
    return world.job(job)


def partial(world: World, *, failed: list[int], cells: int, **request: Any) -> Job:
    """A job that ended with these segments failed."""
    job = world.running(cells, **request)
    for index in failed:
        fail_segment(world, index)
    world.drain()
    return world.job(job)
