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
    page = viewer.open()
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


def test_another_file_of_that_name_does_not_continue_it(viewer: Viewer, large: Path, bikes: Path) -> None:
    page = viewer.open()
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
    page = viewer.open()
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
