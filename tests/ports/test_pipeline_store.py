"""The contract of the port `PipelineStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import JobRequest, ModelRef
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.services.ports import Ports
from tests.fakes.makers import NOW


def a_pipeline(tenant: TenantId, name: str = "people", version: int = 1, **request: Any) -> Pipeline:
    models = (ModelRef("toy", "1", "a" * 64),)
    return Pipeline(tenant, name, version, JobRequest(("toy",), Sampling(), **request), models, NOW, "somebody")


def a_rich_pipeline(tenant: TenantId) -> Pipeline:
    return replace(
        a_pipeline(tenant),
        request=JobRequest(
            models=("toy", "other@prod"),
            sampling=Sampling(SamplingKind.PER_SECOND, Fraction(1, 2)),
            score_min=0.35,
            labels=("person", "dog"),
            segment_seconds=Fraction(1, 3),
            tracker=TrackingParameters(score_high=0.5, confirm_hits=4, labels=("dog",)),
        ),
        models=(ModelRef("toy", "1", "a" * 64), ModelRef("other", "7", "b" * 64)),
        created_at=NOW + timedelta(milliseconds=1),
    )


def test_what_was_added_is_what_is_read(ports: Ports, tenant: TenantId) -> None:
    pipeline = a_rich_pipeline(tenant)
    assert ports.pipelines.add(pipeline)
    assert ports.pipelines.get(tenant, "people", 1) == pipeline
    assert ports.pipelines.get_newest(tenant, "people") == pipeline


def test_one_of_two_gets_a_number_and_the_other_is_told(ports: Ports, tenant: TenantId) -> None:
    first, second = a_pipeline(tenant), a_pipeline(tenant, score_min=0.5)
    assert ports.pipelines.add(first)
    assert not ports.pipelines.add(second)
    assert ports.pipelines.get(tenant, "people", 1) == first


def test_the_newest_is_the_one_with_the_highest_number(ports: Ports, tenant: TenantId) -> None:
    for version in (1, 2, 9, 10, 100):
        ports.pipelines.add(a_pipeline(tenant, version=version))
    newest = ports.pipelines.get_newest(tenant, "people")
    assert newest is not None
    assert newest.version == 100


def test_versions_are_listed_newest_first_and_go_on_below_a_number(ports: Ports, tenant: TenantId) -> None:
    for version in range(1, 13):
        ports.pipelines.add(a_pipeline(tenant, version=version))
    pages = [
        [one.version for one in ports.pipelines.list_versions(tenant, "people", before, 5)]
        for before in (None, 8, 3, 1)
    ]
    assert pages == [[12, 11, 10, 9, 8], [7, 6, 5, 4, 3], [2, 1], []]


def test_pipelines_are_listed_by_name_each_in_its_newest_version(ports: Ports, tenant: TenantId) -> None:
    for name, versions in (("people", 3), ("a", 1), ("a-b", 2), ("cars.all", 1)):
        for version in range(1, versions + 1):
            ports.pipelines.add(a_pipeline(tenant, name, version))
    pages = [
        [(one.name, one.version) for one in ports.pipelines.list(tenant, after, 3)] for after in (None, "cars.all")
    ]
    assert pages == [[("a", 1), ("a-b", 2), ("cars.all", 1)], [("people", 3)]]


def test_a_name_that_begins_like_another_has_versions_of_its_own(ports: Ports, tenant: TenantId) -> None:
    ports.pipelines.add(a_pipeline(tenant, "people"))
    assert ports.pipelines.get_newest(tenant, "peop") is None
    assert list(ports.pipelines.list_versions(tenant, "people.1", None, 9)) == []


def test_another_tenant_sees_none(ports: Ports, tenant: TenantId) -> None:
    ports.pipelines.add(a_pipeline(tenant))
    stranger = TenantId(ports.ids.make("ten"))
    assert ports.pipelines.get(stranger, "people", 1) is None
    assert (ports.pipelines.get_newest(stranger, "people"), list(ports.pipelines.list(stranger, None, 9))) == (None, [])
