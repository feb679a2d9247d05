"""What a drawn frame shows."""

from __future__ import annotations

import numpy as np
import pytest

from client.drawing import Mark, draw
from client.video import Image

GREY = 128


def blank(width: int = 320, height: int = 240) -> Image:
    return np.full((height, width, 3), GREY, np.uint8)


def mark(box: tuple[float, float, float, float] = (60, 60, 200, 200), track_id: int | None = 3) -> Mark:
    return Mark(box, "person", 0.874, track_id)


def changed(before: Image, after: Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of everything that differs."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_a_tag_names_track_label_and_score() -> None:
    assert mark().text == "#3 person 0.87"


def test_a_tag_without_a_track_names_none() -> None:
    assert mark(track_id=None).text == "person 0.87"


def test_a_box_is_drawn_where_it_is() -> None:
    drawn = draw(blank(), [mark()], "")

    assert tuple(drawn[130, 60]) == mark().colour
    assert tuple(drawn[130, 200]) == mark().colour
    assert tuple(drawn[200, 130]) == mark().colour


def test_what_is_inside_a_box_stays_visible() -> None:
    drawn = draw(blank(), [mark()], "")

    assert (drawn[90:180, 80:180] == GREY).all()


def test_the_frame_itself_stays_as_it_was() -> None:
    image = blank()

    draw(image, [mark()], "1.000 s")

    assert (image == GREY).all()


def test_a_track_keeps_its_colour_whatever_it_is_called() -> None:
    assert Mark((0, 0, 1, 1), "car", 0.5, 7).colour == Mark((0, 0, 1, 1), "truck", 0.9, 7).colour


@pytest.mark.parametrize("track_id", range(1, 40))
def test_neighbouring_tracks_are_told_apart_by_colour(track_id: int) -> None:
    this, following = mark(track_id=track_id).colour, mark(track_id=track_id + 1).colour

    assert sum(abs(a - b) for a, b in zip(this, following, strict=True)) > 100


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (300, 0, 320, 20), (0, 220, 30, 240), (290, 200, 320, 240)])
def test_a_tag_at_the_edge_is_moved_into_the_frame(box: tuple[float, float, float, float]) -> None:
    wide = draw(blank(520, 440), [mark((box[0] + 100, box[1] + 100, box[2] + 100, box[3] + 100))], "")
    edge = draw(blank(), [mark(box)], "")

    assert count_of(edge, mark().colour) >= 0.9 * count_of(wide, mark().colour) - 2 * 2 * 40


def count_of(image: Image, colour: tuple[int, int, int]) -> int:
    return int((image == np.array(colour, np.uint8)).all(axis=2).sum())


def test_tags_of_boxes_at_one_place_do_not_cover_each_other() -> None:
    first, second = mark(track_id=1), mark(track_id=2)

    drawn = draw(blank(), [first, second], "")

    # A tag of its own ground is hundreds of pixels; a covered one leaves a few.
    assert count_of(drawn, first.colour) > 500
    assert count_of(drawn, second.colour) > 500


def test_the_caption_stands_at_the_bottom_left() -> None:
    left, top, right, bottom = changed(blank(), draw(blank(), [], "12.345 s"))

    assert (left, bottom) == (0, 239)
    assert top > 200
    assert right < 120


def test_no_marks_and_no_caption_leave_the_picture_alone_but_for_the_corner() -> None:
    drawn = draw(blank(), [], "")

    assert (drawn[:200] == GREY).all()
