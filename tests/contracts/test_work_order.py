"""Work orders: a child reads what the service wrote, and refuses what another release wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from chalicelib.contracts.work_order import OrderedMedia, OrderedModel, OrderedSource, OrderKind, WorkOrder
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import SubmissionId
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.segments import Segment

GOLDEN_VERSION_1 = (Path(__file__).parent / "golden" / "work_order_1.json").read_bytes()


def an_analyze_order() -> WorkOrder:
    return WorkOrder(
        kind=OrderKind.FINISH,
        tenant="acme",
        video_id="vid_01JD8GQ0M5X2R7T4V9W3Y6Z1AB",
        submission=SubmissionId("analyze"),
        source=OrderedSource("bucket", "tenants/acme/videos/v/source", "version", "etag", 20_000_000, "ab" * 32),
        lease_seconds=30.0,
        heartbeat_seconds=10.0,
        job_id="job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB",
        media=OrderedMedia(640, 272, 90, "1/12800", "cells", "table", '{"codec": "h264"}'),
        models=(OrderedModel("nanodet-g", "models/cd.onnx", {"name": "nanodet-g", "labels": ["person"]}),),
        sampling={"kind": "per_second", "n": 2.5},
        provider_class="cuda",
        children=((0, 2), (1,)),
        segments=(Segment(0, -512, 512, 0, 1), Segment(1, 512, 1024, 1, 2)),
        score_min=0.35,
        labels=("person",),
        tracking=False,
    )


def a_probe_order() -> WorkOrder:
    source = OrderedSource("bucket", "key", "", "", 1, "digest")
    return WorkOrder(OrderKind.PROBE, "acme", "vid_1", SubmissionId("probe"), source, 30.0, 10.0)


def a_finish_that_is_told_how_to_track() -> WorkOrder:
    return replace(an_analyze_order(), parameters={"tracking": {"lost_seconds": 2.5}})


def a_side_order() -> WorkOrder:
    return replace(
        an_analyze_order(), kind=OrderKind.TRACKS, step="0001", parameters={"lost_seconds": 2.5}, job_finished_at="now"
    )


def an_admission() -> WorkOrder:
    return replace(
        a_probe_order(), kind=OrderKind.ADMIT, video_id="", model_id="mdl_1", parameters={"adapter": "yolox"}
    )


@pytest.mark.parametrize(
    "order",
    [an_analyze_order(), a_probe_order(), a_side_order(), a_finish_that_is_told_how_to_track(), an_admission()],
    ids=["all fields", "fewest fields", "a side step", "a finish with a tracker", "an admission"],
)
def test_an_order_comes_back(order: WorkOrder) -> None:
    assert WorkOrder.from_bytes(order.to_bytes()) == order


def test_an_order_of_version_1_is_read() -> None:
    assert WorkOrder.from_bytes(GOLDEN_VERSION_1) == an_analyze_order()


def test_an_order_is_written_as_version_1_is() -> None:
    assert json.loads(an_analyze_order().to_bytes()) == json.loads(GOLDEN_VERSION_1)


def test_an_order_of_another_release_is_refused() -> None:
    form = json.loads(GOLDEN_VERSION_1) | {"version": 2}
    with pytest.raises(InvalidRequest, match="must be of version 1"):
        WorkOrder.from_bytes(json.dumps(form).encode())


def test_an_order_of_a_later_release_is_refused_by_version_even_with_fields_that_we_do_not_know() -> None:
    form = json.loads(GOLDEN_VERSION_1) | {"version": 2, "new": 1}
    with pytest.raises(InvalidRequest, match="must be of version 1"):
        WorkOrder.from_bytes(json.dumps(form).encode())


def test_the_units_of_a_job_lie_with_the_job() -> None:
    assert an_analyze_order().pk == "acme#job_01JD8GQ0M5X2R7T4V9W3Y6Z1AB"


def test_the_probe_lies_with_the_video() -> None:
    assert a_probe_order().pk == "acme#vid_1"


def test_the_admission_lies_with_the_model() -> None:
    assert an_admission().pk == "acme#mdl_1"


def test_sampling_and_timebase_are_exact() -> None:
    order = an_analyze_order()
    assert order.parsed_sampling == Sampling(SamplingKind.PER_SECOND, Fraction(5, 2))
    assert order.parsed_timebase == Fraction(1, 12800)


@pytest.mark.parametrize("fact", ["parsed_sampling", "parsed_timebase"])
def test_an_order_to_analyse_without_its_facts_is_refused(fact: str) -> None:
    with pytest.raises(InvalidRequest, match="an order to analyse must have"):
        getattr(a_probe_order(), fact)
