from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.errors import Conflict, ErrorCode, InvalidRequest, LimitExceeded
from chalicelib.domain.jobs import JobState
from chalicelib.domain.videos import UploadKind, Video, VideoState
from chalicelib.services.jobs import start_job
from chalicelib.services.uploads import (
    abort_upload,
    accept_upload,
    complete_upload,
    list_parts,
    part_size,
    sign_parts,
    ticket_of,
)
from tests.fakes.make import LIMITS
from tests.services.world import BODY, World, make_request, seconds, sha256_of

MIB = 1 << 20
SMALL_MULTIPART = replace(LIMITS, multipart_threshold_bytes=10)


def code_of(video: Video) -> ErrorCode | None:
    return video.failure.code if video.failure else None


def multipart_world(size_bytes: int = 20 * MIB) -> tuple[World, Video]:
    world = World(SMALL_MULTIPART)
    video, _ = world.create(size_bytes=size_bytes)
    return world, video


def upload_parts(world: World, video: Video) -> list[tuple[int, str]]:
    numbers = range(1, video.upload.part_count + 1)
    for part in sign_parts(world.ports, video, numbers, {}):
        assert world.fakes.objects.put_part(part, b"x" * part_size(video, part.part_number))
    return [(part.part_number, part.etag) for part in list_parts(world.ports, video)]


def test_a_small_upload_is_one_form_for_exactly_its_bytes() -> None:
    world = World()
    video, ticket = world.create(sha256=sha256_of(BODY))
    assert ticket.form is not None
    accepted = [world.fakes.objects.post(ticket.form, body) for body in (BODY + b"x", BODY[::-1], BODY)]
    assert (ticket.kind, accepted) == (UploadKind.POST, [False, False, True])
    assert world.ports.objects.get(video.source.key) == BODY


def test_a_form_ends_with_its_signature_and_not_with_the_wait() -> None:
    world = World()
    _, ticket = world.create()
    assert ticket.expires_at == world.now() + seconds(LIMITS.ticket_seconds)


def test_a_fresh_ticket_can_be_had_for_a_video_that_waits() -> None:
    world = World()
    video, _ = world.create()
    world.fakes.clock.advance(1000)
    ticket = ticket_of(world.ports, video)
    assert ticket.form is not None
    assert world.fakes.objects.post(ticket.form, BODY)


def test_a_video_that_is_larger_than_allowed_gets_no_ticket() -> None:
    world = World(replace(LIMITS, max_upload_bytes=10))
    with pytest.raises(LimitExceeded, match="may have 10 bytes but 11 were declared"):
        world.create(size_bytes=11)


def test_an_accepted_upload_is_pinned_to_its_bytes() -> None:
    world = World()
    source = world.uploaded().source
    stored = world.ports.objects.head(source.bucket, source.key)
    assert stored is not None
    assert (source.etag, source.version_id, source.size_bytes) == (stored.etag, stored.version_id, len(BODY))


def test_bytes_that_s3_checked_are_named_by_their_digest() -> None:
    world = World()
    video, _ = world.create(sha256=sha256_of(BODY))
    world.fakes.objects.place(video.source.key, BODY, sha256=sha256_of(BODY))
    world.object_created(video)
    assert world.video(video).source.content_digest == sha256_of(BODY)


def test_the_same_bytes_have_the_same_content_digest_without_a_checksum() -> None:
    world = World()
    assert world.uploaded().source.content_digest == world.uploaded().source.content_digest


@pytest.mark.parametrize(
    ("declared", "arrived", "code"),
    [
        (20, b"", ErrorCode.EMPTY_FILE),
        (20, b"x" * 19, ErrorCode.SIZE_MISMATCH),
        (20, b"x" * 21, ErrorCode.SIZE_MISMATCH),
    ],
)
def test_bytes_of_another_size_are_rejected_with_the_cause(declared: int, arrived: bytes, code: ErrorCode) -> None:
    world = World()
    video, _ = world.create(size_bytes=declared)
    world.fakes.objects.place(video.source.key, arrived)
    world.object_created(video)
    rejected = world.video(video)
    assert (rejected.state, code_of(rejected)) == (VideoState.REJECTED, code)


def test_other_bytes_than_declared_are_rejected() -> None:
    world = World()
    video, _ = world.create(sha256=sha256_of(BODY))
    world.fakes.objects.place(video.source.key, BODY[::-1], sha256=sha256_of(BODY[::-1]))
    world.object_created(video)
    assert code_of(world.video(video)) is ErrorCode.CHECKSUM_MISMATCH


def test_a_rejected_upload_ends_the_jobs_that_wait_for_it() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    world.fakes.objects.place(video.source.key, b"")
    world.object_created(video)
    ended = world.job(job)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (JobState.FAILED, ErrorCode.EMPTY_FILE)


def test_an_event_that_comes_twice_changes_nothing_the_second_time() -> None:
    world = World()
    video = world.uploaded()
    world.object_created(video)
    assert (world.video(video), len(world.fakes.batch.jobs)) == (video, 1)


def test_a_second_object_under_the_key_does_not_change_what_was_accepted() -> None:
    world = World()
    video = world.uploaded()
    world.fakes.objects.place(video.source.key, b"y" * len(BODY))
    world.object_created(video)
    assert world.video(video).source == video.source


def test_an_event_of_a_deleted_video_is_none_of_our_business() -> None:
    world = World()
    video, _ = world.create()
    world.ports.videos.delete(video)
    world.object_created(video)
    assert world.ports.videos.get(video.tenant, video.video_id) is None


@pytest.mark.parametrize("key", ["models/abc.onnx", "tenants/a/videos/v/index/x.cells", "tenants/a/b/videos/v/source"])
def test_objects_that_are_no_sources_are_passed_over(key: str) -> None:
    world = World()
    accept_upload(world.ports, world.ports.bucket, key)
    assert world.fakes.batch.jobs == {}


def test_an_object_of_the_same_key_in_another_bucket_is_passed_over() -> None:
    world = World()
    video, _ = world.create()
    world.fakes.objects.place(video.source.key, BODY)
    accept_upload(world.ports, "elsewhere", video.source.key)
    assert world.video(video).state is VideoState.AWAITING_UPLOAD


def test_an_upload_that_never_comes_expires_with_its_jobs() -> None:
    world = World()
    video, _ = world.create()
    job = start_job(world.ports, video, make_request())
    world.tick(LIMITS.upload_seconds - 1)
    before = world.video(video).state
    world.tick(1)
    world.tick()
    assert (before, code_of(world.video(video))) == (VideoState.AWAITING_UPLOAD, ErrorCode.UPLOAD_EXPIRED)
    assert world.job(job).state is JobState.FAILED


def test_an_upload_whose_event_was_lost_is_found() -> None:
    world = World()
    video, _ = world.create()
    world.fakes.objects.place(video.source.key, BODY)
    world.tick(900)
    assert world.video(video).state is VideoState.UPLOADED


def test_bytes_that_lie_there_at_the_end_of_the_wait_are_accepted() -> None:
    world = World()
    video, _ = world.create()
    world.fakes.objects.place(video.source.key, BODY)
    world.tick(LIMITS.upload_seconds + 1)
    assert world.video(video).state is VideoState.UPLOADED


def test_bytes_that_come_after_the_upload_expired_change_nothing() -> None:
    world = World()
    video, _ = world.create()
    world.tick(LIMITS.upload_seconds + 1)
    world.fakes.objects.place(video.source.key, BODY)
    world.object_created(video)
    assert code_of(world.video(video)) is ErrorCode.UPLOAD_EXPIRED


def test_parts_are_of_one_size_but_for_the_last() -> None:
    _, video = multipart_world(20 * MIB + 3)
    assert [part_size(video, number) for number in (1, 2, 3)] == [8 * MIB, 8 * MIB, 4 * MIB + 3]


@pytest.mark.parametrize("size_bytes", [10, 8 * MIB, 8 * MIB + 1, 80_000 * MIB - 1, 80_000 * MIB, 200 << 30])
def test_parts_add_up_and_stay_within_the_limits_of_s3(size_bytes: int) -> None:
    _, video = multipart_world(size_bytes)
    count = video.upload.part_count
    assert video.upload.part_size_bytes * (count - 1) + part_size(video, count) == size_bytes
    assert (count <= 10_000, part_size(video, count) > 0) == (True, True)


def test_a_completed_multipart_upload_is_accepted() -> None:
    world, video = multipart_world()
    completed = complete_upload(world.ports, video, upload_parts(world, video))
    assert (completed.state, completed.source.size_bytes) == (VideoState.UPLOADED, 20 * MIB)


def test_completing_again_gives_the_video_as_it_is() -> None:
    world, video = multipart_world()
    parts = upload_parts(world, video)
    completed = complete_upload(world.ports, video, parts)
    assert complete_upload(world.ports, completed, parts) == completed


def test_a_complete_whose_answer_was_lost_can_be_repeated() -> None:
    world, video = multipart_world()
    parts = upload_parts(world, video)
    world.ports.objects.complete_multipart(video.source.key, video.upload.upload_id, parts)
    assert complete_upload(world.ports, video, parts).state is VideoState.UPLOADED


def test_completing_with_parts_that_are_missing_leaves_the_upload_open() -> None:
    world, video = multipart_world()
    parts = upload_parts(world, video)
    with pytest.raises(InvalidRequest):
        complete_upload(world.ports, video, [(1, "0" * 32)])
    assert complete_upload(world.ports, video, parts).state is VideoState.UPLOADED


@pytest.mark.parametrize("number", [0, 4])
def test_a_part_that_the_upload_does_not_have_is_not_signed(number: int) -> None:
    world, video = multipart_world()
    with pytest.raises(InvalidRequest, match="from 1 to 3"):
        sign_parts(world.ports, video, [1, number], {})


def test_parts_of_a_plain_upload_are_refused() -> None:
    world = World()
    video, _ = world.create()
    with pytest.raises(Conflict):
        sign_parts(world.ports, video, [1], {})


def test_an_aborted_upload_ends_the_video_and_takes_no_part() -> None:
    world, video = multipart_world()
    abort_upload(world.ports, video)
    aborted = world.video(video)
    with pytest.raises(Conflict):
        sign_parts(world.ports, aborted, [1], {})
    assert code_of(aborted) is ErrorCode.UPLOAD_EXPIRED


def test_an_upload_that_was_accepted_cannot_be_aborted() -> None:
    world = World()
    with pytest.raises(Conflict, match="is over"):
        abort_upload(world.ports, world.uploaded())
