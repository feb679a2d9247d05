"""Jobs that do not simply succeed: parts are missing, or somebody has had enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.cdp import Page
from tests.browser.conftest import FAST_MODEL, Analysed, Viewer
from tests.flow.bad_files import damage_frames

GOP_FRAMES, GOP_SECONDS = 24, 0.96
"""Of the corpus."""
COVERAGE_COLOR = """
(({ timeline }) => {
  const ratio = devicePixelRatio || 1;
  const at = (seconds) => [...timeline.ruler.getContext("2d").getImageData(
    Math.round(timeline.xOf(seconds) * ratio), timeline.ruler.height - 2, 1, 1).data].slice(0, 3).join();
  return [0.5, 1.4, 2.5].map(at);
})(reelscan.view.results)
"""


def click(page: Page, text: str) -> None:
    """A button by its words."""
    button = f"[...document.querySelectorAll('.watch button')].find((each) => each.textContent === {text!r})"
    page.wait(button)
    page.run(f"{button}.click()")


def test_what_is_missing_of_a_partial_job_is_said_and_marked(
    viewer: Viewer, corpus: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.mp4"
    damage_frames(corpus["h264_closed"], path, positions=range(GOP_FRAMES + 9, GOP_FRAMES + 12))
    created = viewer.tenant.upload(path, analyze={"models": [FAST_MODEL], "sampling": {"kind": "every_frame"}})
    job = viewer.tenant.wait(created["job"]["job_id"])
    assert job["state"] == "PARTIAL"
    page = viewer.open(f"#/videos/{created['video']['video_id']}")
    said = page.wait("document.querySelector('.watch-status .problem')?.innerText")
    assert "0:00.96 – 0:01.92" in said
    assert job["missing"][0]["error"]["code"] in said
    assert job["missing"][0]["error"]["hint"] in said
    assert "Try again" not in said, "no retry mends a file"
    page.wait("reelscan.view.results?.timeline.coverage.failed.length")
    failed = page.run("reelscan.view.results.timeline.coverage.failed.map(({ start, end }) => [start, end])")
    assert failed == [[pytest.approx(GOP_SECONDS), pytest.approx(2 * GOP_SECONDS)]]
    page.wait("!reelscan.view.results.timeline.isDirty")
    before, within, after = page.run(COVERAGE_COLOR)
    assert (before, within != before) == (after, True)


POISON = """
(() => {
  const real = window.fetch;
  window.retried = 0;
  window.fetch = async (url, init) => {
    if (String(url).endsWith("/retry")) { window.retried++; return Response.json({ job: {} }, { status: 202 }); }
    const answer = await real(url, init);
    if (window.retried || !new RegExp("/jobs/[^/]+$").test(new URL(url).pathname)) return answer;
    const { job } = await answer.json();
    const error = { code: "ATTEMPTS_EXHAUSTED", detail: "the worker ended with exit code 137", hint: "Try again" };
    const missing = [{ start_seconds: 2, end_seconds: 4, error }];
    const progress = { ...job.progress, segments_failed: 1 };
    return Response.json({ job: { ...job, state: "PARTIAL", error, missing, progress } });
  };
})()
"""


def test_a_segment_that_was_given_up_can_be_tried_again(shared: Viewer, analysed: Analysed) -> None:
    """The flow tests kill workers until a segment is given up; here the answers say so."""
    page = shared.open()
    page.run(POISON)
    page.run(f"location.hash = {analysed.place()!r}")
    said = page.wait("document.querySelector('.watch-status .problem')?.innerText")
    assert "0:02.00 – 0:04.00" in said
    page.wait("reelscan.view.results?.timeline.coverage.failed.length")
    click(page, "Try again")
    page.wait("reelscan.view.job?.state === 'SUCCEEDED' && !document.querySelector('.watch-status .problem')")
    page.wait("reelscan.view.results?.timeline.coverage.failed.length === 0")
    assert page.run("window.retried") == 1


def test_a_job_can_be_cancelled_and_tried_again(viewer: Viewer, bikes: Path) -> None:
    page = viewer.open(sampling="keys")
    created = viewer.tenant.upload(
        bikes, analyze={"models": [FAST_MODEL], "sampling": {"kind": "every_frame"}, "segment_seconds": 2}
    )
    page.run(f"location.hash = '#/videos/{created['video']['video_id']}'")
    click(page, "Cancel")
    page.wait("reelscan.view.job?.state === 'CANCELLED'", 60)
    assert "What was found until then stays" in page.wait("document.querySelector('.progress-box')?.innerText")
    assert viewer.tenant.job(created["job"]["job_id"])["state"] == "CANCELLED"
    click(page, "Analyse")
    page.wait("document.querySelector('dialog[open] .primary')")
    page.run("document.querySelector('dialog[open] .primary').click()")
    page.wait("reelscan.view.job?.state === 'SUCCEEDED'", 100)
    page.wait("document.querySelectorAll('.job-picker option').length === 2")
    assert page.errors == []
