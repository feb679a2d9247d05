"""What the service makes of a finished job for a narrower view is what a finish of its own would have made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from chalicelib.adapters.take_over_store import sort_results
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.blocks import BlockRef
from chalicelib.contracts.views import view_of
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import Job, JobRequest
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.videos import Source, Video
from chalicelib.services.narrowing import can_narrow, narrow_results, view_of_request
from chalicelib.services.ports import Ports
from tests.fakes.make import make_fakes
from tests.fakes.makers import make_job, make_media, make_video
from tests.worker.memory_cloud import MemoryCloud
from tests.worker.test_finish import TIMEBASE, finish, outcome_of
from tests.worker.test_finish_golden import MODELS, a_cloud, orders

TOLD = TrackingParameters(score_high=0.3, lost_seconds=0.2)


class Blocks:
    """The port `ResultStore`, as far as it gives blocks."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self._cloud = cloud

    def get_blocks(self, tenant: TenantId, content_digest: str, refs: Sequence[BlockRef]) -> Mapping[str, bytes]:
        pk = table_keys.partition(tenant, content_digest)
        keys = [(pk, ref.sk) for ref in refs]
        return {sk: item["body"] for (_, sk), item in self._cloud.get_many("results", keys).items()}


def a_request(**view: Any) -> JobRequest:
    return JobRequest(tuple(model.name for model in MODELS), Sampling(), **view)


def an_order(request: JobRequest) -> WorkOrder:
    """What the finish of such a job is told."""
    told = {"tracking": request.tracker.to_json()} if request.tracker else None
    return replace(
        orders()["plain"],
        score_min=request.score_min,
        labels=request.labels,
        tracking=request.tracking,
        parameters=told,
    )


@cache
def finished(request: JobRequest) -> tuple[MemoryCloud, Job]:
    """A job whose finish has run; nobody changes it."""
    cloud = a_cloud()
    finish(cloud, an_order(request))
    return cloud, make_job(request=request, summary=outcome_of(cloud)["summary"])


def items_of(cloud: MemoryCloud) -> list[Item]:
    """All that the job has in its partition, as it lies there but for its `pk`."""
    mine = [item for (pk, _), item in sorted(cloud.tables["results"].items()) if pk == "acme#job_1"]
    return [{name: value for name, value in item.items() if name != "pk"} for item in mine]


def ports_of(cloud: MemoryCloud) -> Ports:
    results: Any = Blocks(cloud)
    return replace(make_fakes().ports, results=results)


def a_video() -> Video:
    return make_video(media=make_media(timebase=TIMEBASE), source=Source("bucket", "key", 1, content_digest="digest"))


@pytest.mark.parametrize("wider", [{}, {"score_min": 0.2}, {"tracker": TOLD}, {"tracking": False}], ids=str)
@pytest.mark.parametrize(
    "view",
    [
        {"labels": ("person",)},
        {"labels": ("dog", "cat")},
        {"labels": ("unicorn",)},
        {"score_min": 0.5},
        {"score_min": 0.88},
        {"score_min": 1.0},
        {"score_min": 0.7, "labels": ("person", "dog")},
    ],
    ids=str,
)
def test_a_narrower_view_has_what_its_own_finish_would_leave(wider: dict[str, Any], view: dict[str, Any]) -> None:
    cloud, source = finished(a_request(**wider))
    request = a_request(**{**wider, **view})
    expected, job = finished(request)
    assert view_of_request(MODELS, request).is_within(view_of_request(MODELS, source.request))
    stored = sort_results(items_of(cloud))
    narrowed = narrow_results(ports_of(cloud), make_job(request=request), source, a_video(), MODELS, stored)
    assert narrowed is not None
    found, summary = narrowed
    items = [*found.entry_by_segment.values(), *found.roots, *found.others]
    assert sorted(items, key=lambda item: str(item["sk"])) == items_of(expected)
    assert {str(root["sk"]) for root in found.roots} == {str(root["sk"]) for root in stored.roots}
    assert summary == job.summary


def test_a_view_of_a_view_has_what_its_own_finish_would_leave() -> None:
    cloud, source = finished(a_request(score_min=0.5, labels=("person", "dog")))
    request = a_request(score_min=0.8, labels=("dog", "person"))
    expected, job = finished(request)
    narrowed = narrow_results(
        ports_of(cloud), make_job(request=request), source, a_video(), MODELS, sort_results(items_of(cloud))
    )
    assert narrowed is not None
    assert narrowed[1] == job.summary
    assert {item["sk"] for item in narrowed[0].others} <= {item["sk"] for item in items_of(expected)}


def test_blocks_that_are_gone_are_not_counted() -> None:
    cloud, source = finished(a_request())
    stored = sort_results(items_of(cloud))
    gone = ports_of(MemoryCloud())
    request = a_request(score_min=0.9)
    assert narrow_results(gone, make_job(request=request), source, a_video(), MODELS, stored) is None


def test_only_a_short_video_is_counted_anew_within_a_request() -> None:
    _, source = finished(a_request())
    assert source.summary is not None
    long = replace(source, summary={**source.summary, "frames_analyzed": 100_000})
    told = [
        can_narrow(job, a_request(**view), MODELS)
        for job in (source, long)
        for view in ({"score_min": 0.9}, {"labels": ("dog",)})
    ]
    assert told == [True, True, False, True]


@pytest.mark.parametrize(
    ("view", "other", "is_within"),
    [
        ((None, (), None), (None, (), None), True),
        ((0.4, (), None), (None, (), None), False),
        ((0.5, (), None), (None, (), None), True),
        ((None, ("dog",), None), (None, (), None), True),
        ((None, (), None), (None, ("dog",), None), False),
        ((None, ("dog",), None), (None, ("cat", "dog"), None), True),
        ((None, ("dog", "cat"), None), (None, ("dog",), None), False),
        # Its tracker lists more tracks, though its rows are the same.
        ((None, (), 0.3), (None, (), None), False),
        ((None, (), None), (None, (), 0.3), True),
    ],
)
def test_a_view_is_within_another_when_that_shows_all_of_it(view: Any, other: Any, *, is_within: bool) -> None:
    """One model has 0.5 for its default score, the others 0.4."""
    assert view_of(MODELS, *view).is_within(view_of(MODELS, *other)) is is_within
