"""What a drawn frame shows."""

from __future__ import annotations

import numpy as np
import pytest

from gpu_batch.exports.drawing import LONGEST_LABEL, Image, Mark, draw

GREY = 128


def blank(width: int = 320, height: int = 240) -> Image:
    return np.full((height, width, 3), GREY, np.uint8)


def drawn_on(image: Image, marks: list[Mark], caption: str) -> Image:
    """The image after drawing on it."""
    draw(image, marks, caption)
    return image


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
    drawn = drawn_on(blank(), [mark()], "")

    assert tuple(drawn[130, 60]) == mark().colour
    assert tuple(drawn[130, 199]) == mark().colour
    assert tuple(drawn[199, 130]) == mark().colour


def test_what_is_inside_a_box_stays_visible() -> None:
    drawn = drawn_on(blank(), [mark()], "")

    assert (drawn[90:180, 80:180] == GREY).all()


def test_a_tag_between_samples_has_no_score() -> None:
    assert Mark((0, 0, 9, 9), "car", 0.5, 7, is_between=True).text == "#7 car"


def test_a_long_label_is_cut_and_a_line_break_is_a_space() -> None:
    assert len(Mark((0, 0, 9, 9), "x" * 200, 0.5, None).text) == LONGEST_LABEL + len(" 0.50")
    assert Mark((0, 0, 9, 9), "a\nb", 0.5, None).text == "a b 0.50"


def test_every_script_has_letters() -> None:
    """A font without them would draw the same box for each."""
    tags = [
        drawn_on(blank(), [Mark((60, 60, 200, 200), label, 0.5, 1)], "").tobytes() for label in ("犬", "猫", "ж", "é")
    ]
    assert len(set(tags)) == 4


def test_a_tag_wider_than_the_frame_shows_its_start() -> None:
    image = drawn_on(blank(60, 60), [Mark((20, 20, 50, 50), "a very long label indeed", 0.5, 1)], "")
    assert image.shape == (60, 60, 3)


def test_a_track_keeps_its_colour_whatever_it_is_called() -> None:
    assert Mark((0, 0, 1, 1), "car", 0.5, 7).colour == Mark((0, 0, 1, 1), "truck", 0.9, 7).colour


@pytest.mark.parametrize("track_id", range(1, 40))
def test_neighbouring_tracks_are_told_apart_by_colour(track_id: int) -> None:
    this, following = mark(track_id=track_id).colour, mark(track_id=track_id + 1).colour

    assert sum(abs(a - b) for a, b in zip(this, following, strict=True)) > 100


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (300, 0, 320, 20), (0, 220, 30, 240), (290, 200, 320, 240)])
def test_a_tag_at_the_edge_is_moved_into_the_frame(box: tuple[float, float, float, float]) -> None:
    wide = drawn_on(blank(520, 440), [mark((box[0] + 100, box[1] + 100, box[2] + 100, box[3] + 100))], "")
    edge = drawn_on(blank(), [mark(box)], "")

    assert count_of(edge, mark().colour) >= 0.9 * count_of(wide, mark().colour) - 2 * 2 * 40


def count_of(image: Image, colour: tuple[int, int, int]) -> int:
    return int((image == np.array(colour, np.uint8)).all(axis=2).sum())


def test_tags_of_boxes_at_one_place_do_not_cover_each_other() -> None:
    first, second = mark(track_id=1), mark(track_id=2)

    drawn = drawn_on(blank(), [first, second], "")

    # A tag of its own ground is hundreds of pixels; a covered one leaves a few.
    assert count_of(drawn, first.colour) > 500
    assert count_of(drawn, second.colour) > 500


def test_the_caption_stands_at_the_bottom_left() -> None:
    left, top, right, bottom = changed(blank(), drawn_on(blank(), [], "12.345 s"))

    assert (left, bottom) == (0, 239)
    assert top > 200
    assert right < 120


def test_no_marks_and_no_caption_leave_the_picture_alone_but_for_the_corner() -> None:
    drawn = drawn_on(blank(), [], "")

    assert (drawn[:200] == GREY).all()
