"""Every detection on its very frame, in one MP4 and a few stills."""

from __future__ import annotations

from pathlib import Path

from client.annotate import STILLS, Annotated, annotate
from client.service import Json
from tests.client.clips import FRAME_TICKS, make_clip, read_clip
from tests.client.fake_service import MEDIA, make_detection


def annotated(folder: Path, detections: list[Json]) -> Annotated:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return annotate(make_clip(folder / "clip.mp4"), MEDIA, detections, out)


def test_a_detection_is_drawn_on_the_frame_with_its_pts_and_on_no_other(tmp_path: Path) -> None:
    done = annotated(tmp_path, [make_detection(7 * FRAME_TICKS, box=(100, 20, 150, 80))])

    # The right half of the clip is dark: a box is the only thing that shines there.
    bright = [index for index, (_, image) in enumerate(read_clip(done.video)) if (image[30:70, 90:158] > 120).any()]
    assert bright == [7]


def test_the_video_has_every_frame_of_the_source(tmp_path: Path) -> None:
    done = annotated(tmp_path, [])

    assert done.frames == len(read_clip(done.video)) == 25


def test_all_detections_of_a_frame_are_drawn(tmp_path: Path) -> None:
    done = annotated(tmp_path, [make_detection(512), make_detection(512, track_id=2), make_detection(1024)])

    assert (done.detections, done.unmatched) == (3, 0)


def test_a_detection_on_no_frame_is_counted_and_drawn_nowhere(tmp_path: Path) -> None:
    done = annotated(tmp_path, [make_detection(512), make_detection(513), make_detection(10**9)])

    assert (done.detections, done.unmatched) == (1, 2)


def test_the_stills_are_of_the_fullest_frame_in_each_part(tmp_path: Path) -> None:
    crowd = [make_detection(3 * FRAME_TICKS, track_id=n) for n in range(1, 4)]
    alone = [make_detection(5 * FRAME_TICKS), make_detection(20 * FRAME_TICKS)]

    done = annotated(tmp_path, [*crowd, *alone])

    assert [still.name for still in done.stills] == ["clip-at-00.120s.png", "clip-at-00.800s.png"]


def test_there_are_only_a_few_stills(tmp_path: Path) -> None:
    done = annotated(tmp_path, [make_detection(n * FRAME_TICKS) for n in range(25)])

    assert len(done.stills) == STILLS


def test_stills_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    annotated(tmp_path, [make_detection(FRAME_TICKS)])

    annotated(tmp_path, [make_detection(2 * FRAME_TICKS)])

    assert [path.name for path in sorted((tmp_path / "out").glob("*.png"))] == ["clip-at-00.080s.png"]


def test_how_far_it_is_grows_from_zero_to_the_end(tmp_path: Path) -> None:
    seen: list[float] = []

    annotate(make_clip(tmp_path / "clip.mp4"), MEDIA, [], tmp_path, seen.append)

    assert seen == sorted(seen)
    assert (seen[0], round(seen[-1], 2)) == (0.0, 0.96)
