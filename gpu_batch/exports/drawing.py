"""Boxes, labels and time drawn on a frame, readable on any background.

Text is drawn with the fonts that OpenCV brings along, which know most scripts.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""uint8 (H, W, 3) RGB, as shown."""
Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
GOLDEN_RATIO = 0.618034
"""Steps of this fraction of the colour circle keep neighbouring track ids far apart."""
WEIGHT = 500
LONGEST_LABEL = 40
"""Characters; a longer one is cut."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One detection, as it is drawn."""

    box: tuple[float, float, float, float]
    label: str
    score: float
    track_id: int | None
    is_between: bool = False
    """It lies between two detections of its track: nobody looked at this frame. Drawn thin and without a score."""
    is_of_frame: bool = False
    """It is a label of the frame as a whole: it stands in the caption, not in a box."""

    @property
    def text(self) -> str:
        """What the tag says: `#3 person 0.87`."""
        label = " ".join(self.label.split())
        name = label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
        name = name if self.is_between else f"{name} {self.score:.2f}"
        return name if self.track_id is None else f"#{self.track_id} {name}"

    @property
    def colour(self) -> Colour:
        """The same for every detection of a track; for what has no track, the same for every detection of a label."""
        number = self.track_id if self.track_id is not None else sum(self.label.encode())
        return _colour_of(number)


def draw(image: Image, marks: Sequence[Mark], caption: str) -> None:
    """Draw every mark on `image`, and `caption` in a corner."""
    height, width = image.shape[:2]
    scale = _Scale.of(width, height)
    # The largest first: a small thing before a large one stays visible.
    ordered = sorted(marks, key=lambda mark: (-_area(mark.box), mark.box, mark.text))
    for mark in ordered:
        _draw_box(image, mark, scale)
    taken = [_draw_caption(image, caption, scale)]
    for mark in ordered:
        taken.append(_draw_tag(image, mark, scale, taken))


@dataclass(frozen=True, slots=True)
class _Scale:
    """Sizes that suit a frame, in pixels."""

    line: int
    text: int
    padding: int

    @classmethod
    def of(cls, width: int, height: int) -> _Scale:
        short = min(width, height)
        return cls(line=max(2, round(short / 270)), text=max(12, round(short / 38)), padding=max(3, round(short / 180)))


def _draw_box(image: Image, mark: Mark, scale: _Scale) -> None:
    left, top, right, bottom = (round(side) for side in mark.box)
    line = max(1, scale.line // 2) if mark.is_between else scale.line
    # Lines lie inside the box, so that those of a box that fills the frame are seen; a dark rim on both sides lets them
    # stand out from a background of their own colour.
    _frame(image, (left - 1, top - 1, right + 1, bottom + 1), line + 2, BLACK)
    _frame(image, (left, top, right, bottom), line, mark.colour)


def _frame(image: Image, box: Rectangle, line: int, colour: Colour) -> None:
    left, top, right, bottom = box
    height, width = image.shape[:2]
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    image[top : top + line, left:right] = colour
    image[max(bottom - line, 0) : bottom, left:right] = colour
    image[top:bottom, left : left + line] = colour
    image[top:bottom, max(right - line, 0) : right] = colour


def _draw_tag(image: Image, mark: Mark, scale: _Scale, taken: Sequence[Rectangle]) -> Rectangle:
    """Draw the tag where it hides no other one, if there is such a place; returns where it stands."""
    width, height = _text_size(mark.text, scale)
    left, top, _, bottom = (round(side) for side in mark.box)
    tops = (top - height, top, bottom, bottom - height)
    size = (image.shape[1], image.shape[0])
    places = [_inside((left, at, left + width, at + height), size) for at in tops]
    place = next((place for place in places if not any(_overlap(place, other) for other in taken)), places[0])
    _draw_text(image, mark.text, place, scale, mark.colour)
    return place


def _draw_caption(image: Image, caption: str, scale: _Scale) -> Rectangle:
    width, height = _text_size(caption, scale)
    bottom = image.shape[0]
    place = (0, bottom - height, width, bottom)
    _draw_text(image, caption, place, scale, BLACK)
    return place


def _draw_text(image: Image, text: str, place: Rectangle, scale: _Scale, ground: Colour) -> None:
    left, top, right, bottom = place
    image[max(top, 0) : bottom, max(left, 0) : right] = ground
    # The baseline: digits and capitals are about seven tenths of the size above it.
    baseline = (top + bottom) // 2 + round(0.36 * scale.text)
    cv2.putText(image, text, (left + scale.padding, baseline), _readable_on(ground), _face(), scale.text, WEIGHT)


@lru_cache(maxsize=4096)
def _text_size(text: str, scale: _Scale) -> tuple[int, int]:
    x, _, width, _ = cv2.getTextSize((1, 1), text, (0, 0), _face(), scale.text, WEIGHT)
    return x + width + 2 * scale.padding, scale.text + 2 * scale.padding


@cache
def _face() -> cv2.FontFace:
    return cv2.FontFace("sans")


@cache
def _colour_of(number: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(number * GOLDEN_RATIO % 1, 0.72, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _readable_on(ground: Colour) -> Colour:
    """Black or white, whichever differs more. Source: luma weights of ITU-R BT.601."""
    luma = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2]
    return BLACK if luma > 140 else WHITE


def _inside(place: Rectangle, size: tuple[int, int]) -> Rectangle:
    """The same rectangle, moved so that the frame shows all of it, or its start when it is larger than that."""
    left, top, right, bottom = place
    across = min(max(left, 0), max(size[0] - (right - left), 0)) - left
    down = min(max(top, 0), max(size[1] - (bottom - top), 0)) - top
    return left + across, top + down, right + across, bottom + down


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
