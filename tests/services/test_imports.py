from __future__ import annotations

import pytest

from chalicelib.domain.errors import ErrorCode, InvalidRequest
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.uploads import import_video
from tests.fakes.makers import TENANT
from tests.services.world import BODY, World


def code_of(video: Video) -> ErrorCode | None:
    return video.failure.code if video.failure else None


def test_an_imported_object_is_taken_where_it_lies() -> None:
    world = World()
    world.fakes.objects.place("clips/a b.mp4", BODY, bucket="elsewhere")
    video = import_video(world.ports, TENANT, "s3://elsewhere/clips/a b.mp4")
    source = video.source
    assert (source.bucket, source.key, video.filename) == ("elsewhere", "clips/a b.mp4", "a b.mp4")
    assert (video.state, source.size_bytes) == (VideoState.UPLOADED, len(BODY))


def test_an_empty_object_is_imported_as_rejected() -> None:
    world = World()
    world.fakes.objects.place("a.mp4", b"", bucket="elsewhere")
    assert code_of(import_video(world.ports, TENANT, "s3://elsewhere/a.mp4")) is ErrorCode.EMPTY_FILE


@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere/a.mp4",
        "s3://elsewhere",
        "s3:///a.mp4",
        "s3://Bad_Bucket!/a.mp4",
        "s3://forbidden/a.mp4",
        "s3://elsewhere/missing.mp4",
        "s3://bucket/tenants/stranger/videos/v/source",
    ],
)
def test_what_may_not_or_cannot_be_imported_is_refused(uri: str) -> None:
    world = World()
    for bucket in ("elsewhere", "forbidden"):
        world.fakes.objects.place("a.mp4", BODY, bucket=bucket)
    world.fakes.objects.place("tenants/stranger/videos/v/source", BODY)
    with pytest.raises(InvalidRequest):
        import_video(world.ports, TENANT, uri)


def test_a_tenant_may_import_what_is_its_own() -> None:
    world = World()
    world.fakes.objects.place(f"tenants/{TENANT}/exports/a.mp4", BODY)
    assert import_video(world.ports, TENANT, f"s3://bucket/tenants/{TENANT}/exports/a.mp4").failure is None
