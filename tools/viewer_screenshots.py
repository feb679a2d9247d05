"""`make viewer-screenshots`: pictures of the viewer for the documentation, taken of a real stack in a real browser."""

from __future__ import annotations

import struct
import sys
import tempfile
from pathlib import Path

from infra.local.stack import LocalStack, StackOptions
from tests.browser.cdp import Chromium, Page
from tests.flow.tenant import Tenant
from tools.browser import find_browser

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / ".cache" / "videos" / "bikes.mp4"
FOLDER = ROOT / "docs" / "images"
TENANT = "a"
WIDE, NARROW = (1280, 820), (390, 844)
MOMENT = 4.88
EARLY_MOMENT = 1.48
"""In the first segment, so it is soon there."""
REGION = """{
  kind: "polygon",
  points: [[330, 30], [560, 18], [610, 268], [345, 268]].map(([x, y]) => ({ x, y })),
}"""
IS_COMPARED = """
(({ comparison, stage, timeline }) =>
  comparison.pane.drawn?.length && stage.drawn?.length && timeline.labels.length
  && comparison.panel.querySelector(".sum")
)(reelscan.view.results)
"""
UPLOAD_BYTES = 160 << 20
SLOW_BYTES_PER_SECOND = 24 << 20
FIRST, SECOND = "nanodet-g", "ssdlite-mobilenet-v2"


def main() -> int:
    """Take all of them; the exit code is 1 without a browser."""
    browser = find_browser()
    if browser is None:
        print("There is no Chromium: run `python -m tools.browser` first", file=sys.stderr)
        return 1
    with (
        tempfile.TemporaryDirectory() as work,
        LocalStack(StackOptions(out=Path(work), slots=2)) as stack,
        Chromium(browser) as chromium,
    ):
        page = chromium.open(f"{stack.base_url}/viewer/#token={stack.token(TENANT)}", *WIDE)
        take_first_steps(page, Path(work))
        take_results(page, Tenant(stack.base_url, stack.token(TENANT)))
    return 0


def take_first_steps(page: Page, work: Path) -> None:
    """Nothing there, a file on its way, an analysis that has found the first things."""
    page.wait("document.querySelector('.drop.is-large .fields')")
    shoot(page, "empty")
    large = make_large(work / "street-camera.mp4")
    page.call("Network.enable")
    page.call(
        "Network.emulateNetworkConditions",
        offline=False,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=SLOW_BYTES_PER_SECOND,
    )
    page.choose_files("#files", large)
    page.wait("location.hash.includes('/videos/')")
    page.run("location.hash = '#/'")
    page.wait("document.querySelector('.fields') && document.querySelector('.upload progress')?.value > 35", 90)
    shoot(page, "uploading")
    page.run("document.querySelector('.upload [aria-label^=Discard]').click()")
    page.call("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    page.wait("!document.querySelector('.upload')")
    page.choose_files("#files", CLIP)
    page.wait("reelscan.view.results?.stage.player.isReady && document.querySelector('.partial-note')", 120)
    page.run(f"reelscan.view.results.go({EARLY_MOMENT})")
    page.wait("reelscan.view.results.stage.drawn?.length", 60)
    shoot(page, "running")
    page.wait("reelscan.view.job.state === 'SUCCEEDED'", 240)


def take_results(page: Page, tenant: Tenant) -> None:
    """What was found, in both colours, on a narrow page, and beside what another model finds."""
    video_id, first = page.run("[reelscan.view.video.video_id, reelscan.view.job.job_id]")
    body = {"models": [SECOND], "sampling": {"kind": "every_frame"}}
    second = tenant.post(f"/videos/{video_id}/jobs", body, expect=202)["job"]["job_id"]
    tenant.succeed(second, 240)
    show = f"location.hash = '#/videos/{video_id}?job={second}&t={MOMENT}'"
    page.run(show)
    settle(page, second)
    for label in ("person", "bicycle"):
        page.run(f"document.querySelector('[data-lane={label}]').click()")
    shoot(page, "results")
    page.emulate("dark")
    page.run("document.querySelectorAll('[role=tab]')[2].click()")
    page.run(f"reelscan.view.results.stage.regions.set({REGION})")
    page.run("reelscan.view.results.search.kind.value = 'dwell'; reelscan.view.results.search.askShape()")
    page.wait("document.querySelector('.found-item')")
    shoot(page, "dark")
    page.emulate("light")
    page.run(f"location.hash = '#/videos/{video_id}?job={first}&with={second}&t={MOMENT}'")
    page.wait(f"reelscan.view.results && {IS_COMPARED}", 60)
    shoot(page, "compare")
    page.resize(*NARROW, 2)
    page.run(show)
    settle(page, second)
    page.run("document.querySelector('[data-lane=person]').click()")
    shoot(page, "narrow")


def settle(page: Page, job_id: str) -> None:
    """Wait until all of a job is shown."""
    page.wait(f"reelscan.view.job?.job_id === '{job_id}' && reelscan.view.results?.stage.drawn?.length", 60)
    page.wait("reelscan.view.results.tracks.length && !reelscan.view.results.store.fetching.size", 60)


def shoot(page: Page, name: str) -> None:
    """One picture, once the page has come to rest."""
    page.run("new Promise((done) => setTimeout(done, 700))")
    file = FOLDER / f"viewer-{name}.png"
    page.screenshot(file)
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")


def make_large(target: Path) -> Path:
    """The clip in a file of a size that is worth a progress bar: players pass over the box at its end."""
    content = CLIP.read_bytes()
    padding = UPLOAD_BYTES - len(content)
    target.write_bytes(content + struct.pack(">I", padding) + b"free" + bytes(padding - 8))
    return target


if __name__ == "__main__":
    sys.exit(main())
