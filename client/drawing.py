"""Boxes, labels and time drawn on a frame, readable on any background."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from client.video import Image

Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)

GOLDEN_RATIO = 0.618034
"""Steps of this fraction of the colour circle keep neighbouring track ids far apart."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One detection, as it is drawn."""

    box: Rectangle
    label: str
    score: float
    track_id: int | None

    @property
    def text(self) -> str:
        """What the tag says: `#3 person 0.87`."""
        name = f"{self.label} {self.score:.2f}"
        return name if self.track_id is None else f"#{self.track_id} {name}"

    @property
    def colour(self) -> Colour:
        """The same for every detection of a track; for what has no track, the same for every detection of a label."""
        number = self.track_id if self.track_id is not None else sum(self.label.encode())
        return _colour_of(number)


def draw(image: Image, marks: Sequence[Mark], caption: str) -> Image:
    """A copy of `image` with every mark, and `caption` in a corner."""
    picture = Pillow.fromarray(image)
    canvas = ImageDraw.Draw(picture)
    scale = _Scale.of(picture.width, picture.height)
    # The largest first: a small thing before a large one stays visible.
    ordered = sorted(marks, key=lambda mark: -_area(mark.box))
    for mark in ordered:
        _draw_box(canvas, mark, scale)
    taken = [_draw_caption(canvas, caption, scale, picture.height)]
    for mark in ordered:
        taken.append(_draw_tag(canvas, mark, scale, taken, (picture.width, picture.height)))
    return np.asarray(picture)


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


def _draw_box(canvas: ImageDraw.ImageDraw, mark: Mark, scale: _Scale) -> None:
    left, top, right, bottom = mark.box
    # A dark rim inside and outside lets the line stand out from a background of its own colour.
    canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=BLACK, width=scale.line + 2)
    canvas.rectangle(mark.box, outline=mark.colour, width=scale.line)


def _draw_tag(
    canvas: ImageDraw.ImageDraw, mark: Mark, scale: _Scale, taken: Sequence[Rectangle], size: tuple[int, int]
) -> Rectangle:
    """Draw the tag where it hides no other one, if there is such a place; returns where it stands."""
    width, height = _text_size(mark.text, scale)
    left, top, _, bottom = mark.box
    tops = (top - height, top, bottom, bottom - height)
    places = [_inside((left, at, left + width, at + height), size) for at in tops]
    place = next((place for place in places if not any(_overlap(place, other) for other in taken)), places[0])
    _draw_text(canvas, mark.text, place, scale, mark.colour)
    return place


def _draw_caption(canvas: ImageDraw.ImageDraw, caption: str, scale: _Scale, image_height: int) -> Rectangle:
    width, height = _text_size(caption, scale)
    place = (0.0, image_height - height, width, float(image_height))
    _draw_text(canvas, caption, place, scale, BLACK)
    return place


def _draw_text(canvas: ImageDraw.ImageDraw, text: str, place: Rectangle, scale: _Scale, ground: Colour) -> None:
    canvas.rectangle(place, fill=ground)
    middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
    canvas.text(middle, text, fill=_readable_on(ground), font=_font(scale.text), anchor="mm")


def _text_size(text: str, scale: _Scale) -> tuple[float, float]:
    font = _font(scale.text)
    return font.getlength(text) + 2 * scale.padding, scale.text + 2 * scale.padding


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


@cache
def _colour_of(number: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(number * GOLDEN_RATIO % 1, 0.72, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def _readable_on(ground: Colour) -> Colour:
    """Black or white, whichever differs more. Source: luma weights of ITU-R BT.601."""
    luma = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2]
    return BLACK if luma > 140 else WHITE


def _inside(place: Rectangle, size: tuple[int, int]) -> Rectangle:
    """The same rectangle, moved so that the frame shows all of it."""
    left, top, right, bottom = place
    across = max(0.0, right - size[0]) if right > size[0] else min(0.0, left)
    down = max(0.0, bottom - size[1]) if bottom > size[1] else min(0.0, top)
    return left - across, top - down, right - across, bottom - down


def _area(box: Rectangle) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
