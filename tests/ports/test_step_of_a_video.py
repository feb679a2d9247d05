"""The end of a video's side step on DynamoDB: only while the video is there, and READY."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import wiring
from chalicelib.contracts import outcomes, table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.side_steps import SideStep
from chalicelib.domain.units import UnitKind, UnitState
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.ports import Ports
from chalicelib.services.side_steps import VIDEO_DELETED, end_side_steps
from chalicelib.settings import read_settings
from gpu_batch.aws import Cloud, Superseded
from infra.local.stack import LocalStack
from tests.fakes.makers import NOW, make_unit, make_video

NAME = "ren_1"


@pytest.fixture
def ports(stack: LocalStack) -> Ports:
    return wiring.make_ports(read_settings())


def a_video(ports: Ports) -> Video:
    """A video that is READY, with a step that may be claimed."""
    video = make_video(
        tenant=TenantId("acme"), video_id=VideoId(ports.ids.make("vid")), state=VideoState.READY, created_at=NOW
    )
    ports.videos.add(video, None)
    unit = make_unit(UnitKind.RENDITION, name=NAME)
    ports.units.add_side_step(owner_of(video), SideStep(unit, {}, NOW, NOW + timedelta(hours=1)), NOW)
    return video


def ends_after(ports: Ports, video: Video, meanwhile: Callable[[], object]) -> bool:
    """Whether a worker's claim ends well after that."""
    settings = read_settings()
    cloud = Cloud(settings.meta_table, settings.results_table, settings.bucket)
    pk = table_keys.partition(video.tenant, video.video_id)
    claim = cloud.claim(UnitKey(pk, UnitKind.RENDITION, name=NAME), claimed_by="batch", lease_seconds=30)
    assert claim is not None
    meanwhile()
    try:
        cloud.end(claim, UnitState.DONE, facts={"result": {}}, more=[outcomes.video_ready(cloud.meta_table, pk)])
    except Superseded:
        return False
    (step,) = ports.units.list_side_steps(owner_of(video), UnitKind.RENDITION)
    return step.unit.state is UnitState.DONE


def test_a_step_of_a_video_that_is_there_ends_well(ports: Ports) -> None:
    assert ends_after(ports, a_video(ports), lambda: None)


def test_a_step_of_a_video_that_was_deleted_does_not(ports: Ports) -> None:
    video = a_video(ports)
    assert not ends_after(ports, video, lambda: ports.videos.delete(video))


def test_nor_does_one_whose_deletion_has_begun(ports: Ports) -> None:
    video = a_video(ports)
    assert not ends_after(ports, video, lambda: end_side_steps(ports, video, UnitState.CANCELLED, VIDEO_DELETED))


def test_nor_does_one_of_a_video_that_is_not_ready(ports: Ports) -> None:
    video = a_video(ports)
    assert not ends_after(ports, video, lambda: ports.videos.save(replace(video, state=VideoState.REJECTED), None))
