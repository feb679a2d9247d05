"""The contract of the port `VideoStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import ErrorCode, Failure
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.media import WholeReason
from chalicelib.domain.units import UnitKind
from chalicelib.domain.videos import Source, Upload, UploadKind, Video, VideoState
from chalicelib.services.ports import Due, Owner, Ports, VersionConflict
from tests.fakes.makers import NOW, make_index, make_media, make_submission, make_unit, make_video


def a_video(ports: Ports, tenant: TenantId) -> Video:
    return make_video(tenant=tenant, video_id=VideoId(ports.ids.make("vid")))


def a_rich_video(ports: Ports, tenant: TenantId) -> Video:
    return replace(
        a_video(ports, tenant),
        state=VideoState.REJECTED,
        filename="Straße 1.mp4",
        upload=Upload(UploadKind.MULTIPART, NOW, "upload-1", 8 << 20, 13),
        source=Source("bucket", "key", 1 << 40, "etag", "version", "digest"),
        sha256="ab" * 32,
        media=make_media(frame_count=None, duration_seconds=10.0),
        index=make_index(table_key="", decoder="", start_pts=-5, whole_reason=WholeReason.NOT_INDEXED),
        failure=Failure(ErrorCode.MALFORMED, "no moov", "upload it again"),
    )


def test_what_was_added_is_what_is_read(ports: Ports, tenant: TenantId) -> None:
    video = a_rich_video(ports, tenant)
    ports.videos.add(video, NOW)
    assert ports.videos.get(tenant, video.video_id) == video


def test_a_video_that_was_never_added_is_none(ports: Ports, tenant: TenantId) -> None:
    assert ports.videos.get(tenant, VideoId(ports.ids.make("vid"))) is None


def test_another_tenants_video_is_none(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    ports.videos.add(video, None)
    assert ports.videos.get(TenantId("stranger"), video.video_id) is None


def test_a_video_is_not_added_over_another(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    ports.videos.add(video, None)
    with pytest.raises(VersionConflict):
        ports.videos.add(replace(video, filename="other.mp4"), None)
    assert ports.videos.get(tenant, video.video_id) == video


def test_saving_gives_the_next_version_and_stores_it(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    ports.videos.add(video, None)
    saved = ports.videos.save(replace(video, state=VideoState.UPLOADED), None)
    assert saved == replace(video, state=VideoState.UPLOADED, version=2)
    assert ports.videos.get(tenant, video.video_id) == saved


def test_of_two_saves_of_one_version_the_second_conflicts_and_changes_nothing(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    ports.videos.add(video, None)
    winner = ports.videos.save(replace(video, state=VideoState.UPLOADED), None)
    with pytest.raises(VersionConflict):
        ports.videos.save(replace(video, state=VideoState.REJECTED), None)
    assert ports.videos.get(tenant, video.video_id) == winner


def test_saving_a_deleted_video_conflicts_and_does_not_bring_it_back(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    ports.videos.add(video, None)
    ports.videos.delete(video)
    with pytest.raises(VersionConflict):
        ports.videos.save(video, None)
    assert ports.videos.get(tenant, video.video_id) is None


def test_videos_are_listed_newest_first_page_by_page(ports: Ports, tenant: TenantId) -> None:
    videos = sorted((a_video(ports, tenant) for _ in range(5)), key=lambda video: video.video_id, reverse=True)
    for video in videos:
        ports.videos.add(video, None)
    first = ports.videos.list(tenant, None, 2)
    rest = ports.videos.list(tenant, first[-1].video_id, 10)
    assert (list(first), list(rest)) == (videos[:2], videos[2:])


def test_a_list_has_only_the_tenants_own(ports: Ports, tenant: TenantId) -> None:
    mine = a_video(ports, tenant)
    ports.videos.add(mine, None)
    ports.videos.add(a_video(ports, TenantId(f"{tenant}x")), None)
    assert list(ports.videos.list(tenant, None, 10)) == [mine]


def test_deleting_takes_the_probe_and_the_submissions_along(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    owner = Owner(tenant, video.video_id)
    ports.videos.add(video, NOW)
    ports.units.open_step(owner, make_unit(UnitKind.PROBE))
    ports.submissions.add(make_submission(owner, "probe"))
    ports.videos.delete(video)
    found = (
        ports.videos.get(tenant, video.video_id),
        ports.units.get(owner, UnitKind.PROBE),
        list(ports.submissions.list(owner)),
        list(ports.videos.list(tenant, None, 10)),
    )
    assert found == (None, None, [], [])


def test_deleting_takes_the_video_out_of_the_due_index(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    ports.videos.add(video, NOW)
    ports.videos.delete(video)
    assert Due(Owner(tenant, video.video_id)) not in ports.due.list_due(NOW + timedelta(days=1), 1000)


def test_several_videos_are_read_together(ports: Ports, tenant: TenantId) -> None:
    videos = [a_video(ports, tenant), a_rich_video(ports, tenant)]
    for video in videos:
        ports.videos.add(video, None)
    missing = VideoId(ports.ids.make("vid"))
    ids = [videos[1].video_id, missing, videos[0].video_id, videos[1].video_id]
    assert dict(ports.videos.get_many(tenant, ids)) == {video.video_id: video for video in videos}


def test_several_videos_of_another_tenant_are_not_there(ports: Ports, tenant: TenantId) -> None:
    video = a_video(ports, tenant)
    ports.videos.add(video, None)
    assert dict(ports.videos.get_many(TenantId("stranger"), [video.video_id])) == {}
