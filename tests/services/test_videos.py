from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.contracts.blocks import BlockRef
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.services.jobs import get_job, list_jobs, start_job
from chalicelib.services.videos import delete_video, get_video, list_videos, source_url
from tests.fakes.make import LIMITS
from tests.fakes.makers import TENANT
from tests.services.world import World, make_request, seconds


@pytest.mark.parametrize("name", ["", "job_x", "vid_00000000000000000000000001", "../job"])
def test_what_is_no_id_of_a_job_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        get_job(World().ports, TENANT, name)


def test_another_tenants_job_and_video_are_not_found() -> None:
    world = World()
    job = world.running()
    for read, name in ((get_job, job.job_id), (get_video, job.video_id)):
        with pytest.raises(NotFound, match=f"there is no (job|video) {name}"):
            read(world.ports, TenantId("stranger"), name)


def test_jobs_and_videos_are_listed_newest_first() -> None:
    world = World()
    video = world.ready()
    jobs = [start_job(world.ports, video, make_request()).job_id for _ in range(3)]
    other = world.uploaded()
    listed = [job.job_id for job in list_jobs(world.ports, video, None, 2)]
    assert (listed, [v.video_id for v in list_videos(world.ports, TENANT, None, 9)]) == (
        jobs[:0:-1],
        [other.video_id, video.video_id],
    )


def test_the_source_url_plays_the_version_that_was_accepted() -> None:
    world = World()
    video = world.ready()
    world.fakes.objects.place(video.source.key, b"something else")
    url, expires_at = source_url(world.ports, video)
    assert world.fakes.objects.fetch(url) == b"the bytes of a video"
    assert expires_at == world.now() + seconds(LIMITS.download_seconds)


def test_a_video_without_bytes_has_no_source_url() -> None:
    world = World()
    video, _ = world.create()
    with pytest.raises(Conflict, match="AWAITING_UPLOAD"):
        source_url(world.ports, video)


def test_a_deleted_video_leaves_nothing() -> None:
    world = World()
    job = world.done()
    video = get_video(world.ports, TENANT, job.video_id)
    delete_video(world.ports, video)
    memory = world.fakes.memory
    assert (memory.videos, memory.jobs, memory.units, memory.submissions, memory.due) == ({}, {}, {}, {}, {})
    assert (world.fakes.objects.keys(), world.committed(job)) == (set(), [])


def test_deleting_drops_the_blocks_when_no_other_video_has_the_bytes() -> None:
    world = World()
    jobs = [world.done(), world.done()]
    videos = [get_video(world.ports, TENANT, job.video_id) for job in jobs]
    digest = videos[0].source.content_digest
    world.fakes.results.write_block(TENANT, digest, "block", b"packed")
    left = []
    for video in videos:
        delete_video(world.ports, video)
        left.append(dict(world.ports.results.get_blocks(TENANT, digest, [make_ref("block")])))
    assert left == [{"block": b"packed"}, {}]


def test_deleting_ends_the_jobs_that_run() -> None:
    world = World()
    job = world.running()
    batch_job = world.last_batch_job()
    fence = world.claim(batch_job, 0, 0)
    assert fence is not None
    delete_video(world.ports, get_video(world.ports, TENANT, job.video_id))
    assert (world.end_unit(batch_job.submission, 0, fence), world.committed(job)) == (False, [])
    assert batch_job.terminated_because != ""


def test_deleting_an_imported_video_leaves_the_object_where_it_was() -> None:
    world = World()
    world.fakes.objects.place("a.mp4", b"bytes", bucket="elsewhere")
    video = replace(world.ready(), source=replace(world.ready().source, bucket="elsewhere", key="a.mp4"))
    delete_video(world.ports, video)
    assert world.ports.objects.head("elsewhere", "a.mp4") is not None


def test_events_of_a_deleted_video_bring_nothing_back() -> None:
    world = World()
    job = world.running()
    video = get_video(world.ports, TENANT, job.video_id)
    batch_job = world.last_batch_job()
    delete_video(world.ports, video)
    world.object_created(video)
    world.changed(video)
    world.changed(job)
    world.child_ended(batch_job, 0, exit_code=65)
    assert (world.fakes.memory.videos, world.fakes.memory.jobs, world.fakes.memory.due) == ({}, {}, {})


def make_ref(sk: str) -> BlockRef:
    return BlockRef(sk, "ab" * 32, 0, 0, 1, 1, {"person": (1, 9000)})
