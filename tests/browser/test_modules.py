"""Rules of single modules, asked in the browser that runs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.local.stack import LocalStack
from tests.browser.cdp import Chromium, Page
from tools.browser import find_typescript

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def page(stack: LocalStack, chromium: Chromium) -> Page:
    return chromium.open(f"{stack.base_url}/viewer/")


def ask(page: Page, module: str, script: str) -> Any:
    """The value of an expression that uses what a module exports as `it`."""
    return page.run(f"import('./js/{module}.js').then((it) => {script})")


def test_the_types_in_the_comments_hold() -> None:
    command = ["node", str(find_typescript()), "-p", str(HERE / "tsconfig.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("first_pts", "first_media_time", "shift"),
    [(25600, 2.0, 0.0), (25600, 0.0, 2.0), (0, 0.0, 0.0), (1024, 0.08, 0.0), (1024, 0.0, 0.08), (-512, 0.0, 0.0)],
    ids=["unshifted", "shifted to zero", "from zero", "later", "later, shifted", "before zero"],
)
def test_a_browser_that_lets_every_video_begin_at_zero_is_noticed(
    page: Page, first_pts: int, first_media_time: float, shift: float
) -> None:
    script = f"""(() => {{
      const clock = new it.FrameClock(1 / 12800, {first_pts});
      clock.setFirstMediaTime({first_media_time});
      return [clock.shiftSeconds, clock.toPts({first_media_time} + 0.04), clock.toMediaTime(clock.toSeconds(1.5))];
    }})()"""
    found = ask(page, "clock", script)
    expected_pts = round((first_media_time + shift + 0.04) * 12800)
    assert found == [pytest.approx(shift), expected_pts, pytest.approx(1.5)]


@pytest.mark.parametrize(
    ("shape", "labels", "kind", "q"),
    [
        ("polygon", None, "detections", "detections where inside polygon((1.3, 2), (30, 4), (5, 66.7))"),
        ("polygon", ["dog"], "dwell", 'dwell inside polygon((1.3, 2), (30, 4), (5, 66.7)) where label = "dog"'),
        (
            "polygon",
            ["dog", 'a "b" \\'],
            "tracks",
            'tracks where label in ("dog", "a \\"b\\" \\\\") and inside polygon((1.3, 2), (30, 4), (5, 66.7))',
        ),
        ("line", ["dog"], "detections", 'tracks where label = "dog" and crosses line((1.3, 2), (30, 4))'),
    ],
)
def test_shapes_are_written_in_the_query_language_and_read_back(
    page: Page, shape: str, labels: list[str] | None, kind: str, q: str
) -> None:
    corners: list[tuple[float, float]] = [(1.26, 2), (30, 4), (5, 66.66)]
    points = [{"x": x, "y": y} for x, y in corners[: 2 if shape == "line" else 3]]
    drawn = json.dumps({"kind": shape, "points": points})
    asked = ask(page, "regions", f"it.shapeQuery({drawn}, {json.dumps(labels)}, {kind!r})")
    again = ask(page, "regions", f"it.readShape({json.dumps(q)})")
    rounded = [{"x": round(point["x"], 1), "y": round(point["y"], 1)} for point in points]
    assert (asked, again) == (q, {"kind": shape, "points": rounded})


def test_a_place_survives_being_written_into_an_address(page: Page) -> None:
    place = {
        "videoId": "vid_1",
        "job": "job_1",
        "other": "job_2",
        "t": 12.345,
        "labels": ["traffic light", "a&b=c"],
        "score": 0.35,
        "q": 'tracks where label = "a&b" and inside polygon((1, 2), (3, 4), (5, 6))',
        "track": 7,
    }
    assert ask(page, "links", f"it.readPlace(it.writePlace({json.dumps(place)}))") == place
    assert ask(page, "links", "it.readPlace('#/')")["videoId"] is None


def test_boxes_are_matched_by_the_law_of_the_diff(page: Page) -> None:
    def box(x: int, score: float, label: str = "dog") -> dict[str, Any]:
        return {"box": [x, 0, x + 100, 100], "label": label, "score": score, "track": 0}

    a = [box(0, 0.9), box(300, 0.8), box(600, 0.7)]
    b = [box(5, 0.9), box(330, 0.8), box(600, 0.7, "cat"), box(8, 0.5)]
    counts = ask(page, "compare", f"it.matchBoxes({json.dumps(a)}, {json.dumps(b)}).counts")
    assert counts == {"same": 1, "moved": 1, "removed": 1, "added": 2}


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [(0, 2, "0:00.00"), (59.999, 2, "1:00.00"), (3725.5, 1, "1:02:05.5"), (-1.25, 2, "−0:01.25"), (61.04, 0, "1:01")],
)
def test_times_are_rounded_as_a_whole(page: Page, seconds: float, decimals: int, text: str) -> None:
    assert ask(page, "format", f"it.formatTime({seconds}, {decimals})") == text


def test_a_histogram_counts_what_its_tile_has(page: Page) -> None:
    script = """import('./js/tile.js').then(({ Tile, Names }) => {
      const [labels, models, tile] = [new Names(), new Names(), new Tile(8, 16)];
      const items = Array.from({ length: 1000 }, (_, at) => ({
        pts: 800 + at - (at % 4), box: [0, 0, 1, 1], score: (at % 100) / 100,
        label: at % 3 ? 'dog' : 'cat', model: 'm', track_id: null }));
      tile.add(items.filter(({ pts }) => pts < 1600), labels, models);
      tile.finish();
      const histogram = new it.Histogram(4, 8);
      histogram.count(1, tile, 0.01);
      let spans = 0;
      for (let span = 0; span < it.SPANS; span++) spans += histogram.at(1, span, 0, 0.5);
      const [name] = labels.all;
      const rows = items.filter(({ pts, label, score }) => pts < 1600 && label === name && score >= 0.5).length;
      return [spans, histogram.total(0, 0.5), rows, tile.frames, tile.rowsOf(tile.frameAt(1003))];
    })"""
    spans, total, rows, frames, of_frame = ask(page, "histogram", script)
    assert spans == total == rows > 0
    assert frames == 200
    assert of_frame == [200, 204]


@pytest.mark.parametrize(
    ("seconds", "tile"), [(-1, 0), (2.0, 0), (2.9, 0), (3.1, 1), (5.0, 2), (6.4, 2), (6.6, 3), (99, 3)]
)
def test_the_nearest_tile_of_a_sheet_is_shown(page: Page, seconds: float, tile: int) -> None:
    assert ask(page, "thumbnails", f"it.nearest([2, 4, 5, 8], {seconds})") == tile
