"""Uploads in parts from the page: side by side, and on from where they stopped when the page is loaded anew."""

from __future__ import annotations

import hashlib
from pathlib import Path

import boto3
import pytest

from infra.wiring import WIRING
from tests.browser.cdp import Page
from tests.browser.conftest import MIB, Viewer
from tests.flow.bad_files import make_large

PARTS = 6
PART_MIB = 8
SLOW_BYTES_PER_SECOND = 12 * MIB


@pytest.fixture
def large(bikes: Path, tmp_path: Path) -> Path:
    path = tmp_path / "large.mp4"
    make_large(bikes, path, (PARTS * PART_MIB - 3) * MIB)
    return path


def test_an_upload_goes_on_after_a_reload_and_sends_no_part_again_that_s3_has(viewer: Viewer, large: Path) -> None:
    page = viewer.open(sampling="keys")
    page.wait("document.querySelector('.fields')")
    page.call("Network.enable")
    _slow_down(page, SLOW_BYTES_PER_SECOND)
    page.choose_files("#files", large)
    video_id = page.wait("location.hash.match(/videos\\/(\\w+)/)?.[1]")
    tenant = viewer.tenant
    page.wait(f"reelscan.app.api.get('/videos/{video_id}/upload/parts').then((page) => page.items.length >= 2)", 60)
    page.reload()
    stored = [part["part_number"] for part in tenant.get(f"/videos/{video_id}/upload/parts")["items"]]
    _slow_down(page, -1)
    page.run("location.hash = '#/'")
    page.wait("document.querySelector('.upload-needs-file')")
    page.wait("document.querySelector('.fields')")
    sent = _put_parts(page)
    page.choose_files("#files", large)
    page.wait("[...reelscan.app.uploads.byVideoId.values()][0].state === 'done'", 60)
    assert 2 <= len(stored) < PARTS
    assert not set(stored) & set(sent)
    assert sorted([*stored, *sent]) == list(range(1, PARTS + 1))
    assert page.run("[...reelscan.app.uploads.byVideoId.values()][0].resumedParts") == len(stored)
    assert _stored_digest(viewer.tenant_name, video_id) == hashlib.sha256(large.read_bytes()).hexdigest()
    page.wait(
        "reelscan.view.job?.state === 'SUCCEEDED' || reelscan.app.api.get('/videos/"
        + video_id
        + "').then((one) => one.video.state === 'READY')",
        60,
    )


COPY_TO_DISK = """
(async () => {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle("large.mp4", { create: true });
  const writable = await handle.createWritable();
  await writable.write(document.querySelector("#files").files[0]);
  await writable.close();
  window.handle = handle;
  const file = await handle.getFile();
  await reelscan.app.uploads.add(file, reelscan.app.analysis(), handle);
})()
"""


def interrupt_with_handle(page: Page, large: Path) -> str:
    """An upload of a file that the browser has a handle of, and a reload in the middle; the video's id.

    Headless, nobody can say yes to the question whether a page may read a file of the disk again: so it is one of the
    page's own files, whose handles are kept and read in the same way.
    """
    page.wait("document.querySelector('.fields')")
    page.run("document.querySelector('#files').onchange = null")
    page.run("document.addEventListener('change', (event) => event.stopImmediatePropagation(), true)")
    page.choose_files("#files", large)
    page.call("Network.enable")
    _slow_down(page, SLOW_BYTES_PER_SECOND)
    page.run(COPY_TO_DISK)
    video_id = str(page.wait("[...reelscan.app.uploads.byVideoId.keys()][0]"))
    page.wait(f"reelscan.app.api.get('/videos/{video_id}/upload/parts').then((page) => page.items.length >= 1)", 60)
    return video_id


def test_a_file_that_can_be_read_again_goes_on_after_a_reload_without_being_asked_for(
    viewer: Viewer, large: Path
) -> None:
    page = viewer.open(sampling="keys")
    video_id = interrupt_with_handle(page, large)
    sent = _put_parts(page)
    page.reload()
    _slow_down(page, -1)
    page.wait("[...reelscan.app.uploads.byVideoId.values()][0]?.state === 'done'", 60)
    assert page.run("[...reelscan.app.uploads.byVideoId.values()][0].resumedParts") >= 1
    assert len(set(sent)) < PARTS
    assert _stored_digest(viewer.tenant_name, video_id) == hashlib.sha256(large.read_bytes()).hexdigest()
    assert page.errors == []


def test_a_file_that_is_gone_after_a_reload_is_asked_for(viewer: Viewer, large: Path) -> None:
    page = viewer.open(sampling="keys")
    interrupt_with_handle(page, large)
    page.run("reelscan.app.uploads.byVideoId.values().next().value.abort.abort()")
    page.run("navigator.storage.getDirectory().then((folder) => folder.removeEntry('large.mp4'))")
    page.reload()
    assert "cannot be read" in page.wait("document.querySelector('.upload .problem')?.innerText")
    _slow_down(page, -1)
    page.choose_files(".upload-again input[type=file]", large)
    # It has another date than the page's own copy had, and so it may be another file.
    page.wait("document.querySelector('.upload .problem code')?.textContent === 'SOURCE_CHANGED'")


def test_files_can_be_dropped_anywhere_and_several_at_once(viewer: Viewer, bikes: Path, tmp_path: Path) -> None:
    empty, second = tmp_path / "empty.mp4", tmp_path / "second.mp4"
    empty.write_bytes(b"")
    second.write_bytes(bikes.read_bytes())
    page = viewer.open(sampling="keys")
    page.wait("document.querySelector('.fields')")
    page.drop_files(40, 700, bikes, empty, second)
    page.wait("document.querySelectorAll('.upload-done').length === 2", 60)
    assert "empty.mp4 is empty" in page.wait("document.querySelector('.toast-error')?.innerText")
    assert page.run("document.querySelector('.drop.is-over')") is None
    assert page.run("location.hash") in ("", "#/"), "with several files the page stays where all are seen"
    names = {video["filename"] for video in viewer.tenant.get("/videos")["items"]}
    assert names == {bikes.name, second.name}
    handles = page.run("[...reelscan.app.uploads.byVideoId.values()].map(({ entry }) => entry.handle?.kind)")
    assert handles == ["file", "file"], "Chromium gives handles of what is dropped"


def test_another_file_of_that_name_does_not_continue_it(viewer: Viewer, large: Path, bikes: Path) -> None:
    page = viewer.open(sampling="keys")
    page.wait("document.querySelector('.fields')")
    page.call("Network.enable")
    _slow_down(page, SLOW_BYTES_PER_SECOND)
    page.choose_files("#files", large)
    page.wait("location.hash.includes('videos')")
    page.reload()
    _slow_down(page, -1)
    page.run("location.hash = '#/'")
    page.wait("document.querySelector('.upload-again input[type=file]')")
    page.choose_files(".upload-again input[type=file]", bikes)
    said = page.wait("document.querySelector('.upload .problem')?.innerText")
    assert "SOURCE_CHANGED" in said
    page.run("document.querySelector('.upload [aria-label^=Discard]').click()")
    page.wait("!document.querySelector('.upload')")
    page.reload()
    page.wait("document.querySelector('.fields')")
    assert page.run("reelscan.app.uploads.byVideoId.size") == 0


def test_a_refused_upload_says_why_and_what_to_do(viewer: Viewer, tmp_path: Path) -> None:
    file = tmp_path / "notes.mp4"
    file.write_bytes(b"not a video at all" * 100)
    page = viewer.open(sampling="keys")
    page.wait("document.querySelector('.fields')")
    page.choose_files("#files", file)
    said = page.wait("document.querySelector('.watch .problem')?.innerText", 60)
    video = viewer.tenant.video(page.run("reelscan.view.video.video_id"))
    assert video["error"]["code"] in said
    assert video["error"]["hint"] in said


def _slow_down(page: Page, bytes_per_second: int) -> None:
    page.call(
        "Network.emulateNetworkConditions",
        offline=False,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=bytes_per_second,
    )


def _put_parts(page: Page) -> list[int]:
    """Grows by the number of each part that the page sends from now on."""
    sent: list[int] = []

    def hear(parameters: dict[str, dict[str, str]]) -> None:
        request = parameters["request"]
        if request["method"] == "PUT" and "partNumber=" in request["url"]:
            sent.append(int(request["url"].partition("partNumber=")[2].partition("&")[0]))

    page.hear("Network.requestWillBeSent", hear)
    return sent


def _stored_digest(tenant: str, video_id: str) -> str:
    key = f"tenants/{tenant}/videos/{video_id}/source"
    body = boto3.client("s3").get_object(Bucket=WIRING.bucket.name, Key=key)["Body"].read()
    return hashlib.sha256(body).hexdigest()
