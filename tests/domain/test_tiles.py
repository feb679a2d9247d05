"""Which frames become thumbnails, and where each lies: a law of times, whatever the video."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.domain.media import Media
from chalicelib.domain.sampling import Sampling, SamplingKind, select_sampled
from chalicelib.domain.tiles import (
    CHEAP_SECONDS,
    MAX_SHEET_PIXELS,
    MAX_TILES,
    MIN_TILES,
    EvenChoice,
    Tiles,
    choose_sampling,
    grid,
    most_tiles,
    tile_size,
    to_webvtt,
)
from tests.fakes.makers import make_media

sides = st.integers(1, 8192)
tile_widths = st.integers(64, 320)


@given(sides, sides, tile_widths)
def test_a_tile_has_the_shape_of_the_video_and_a_sheet_is_never_too_large(width: int, height: int, asked: int) -> None:
    tile_width, tile_height = tile_size(width, height, asked)
    assert 1 <= tile_width <= asked
    assert 1 <= tile_height <= 2 * asked
    # Within half a pixel of the shape, unless a side would be less than one.
    assert abs(tile_width * height - tile_height * width) <= max(width, height)
    most = most_tiles(tile_width, tile_height)
    assert MIN_TILES < most <= MAX_TILES
    columns, rows = grid(most)
    assert most * tile_width * tile_height <= MAX_SHEET_PIXELS
    assert max(columns * tile_width, rows * tile_height) < 65_536


@given(st.integers(1, MAX_TILES))
def test_a_grid_has_a_place_for_every_tile_and_hardly_more(count: int) -> None:
    columns, rows = grid(count)
    assert count <= columns * rows < count + columns


def chosen(media: Media, pts: list[int], keyframe_every: int, most: int) -> tuple[Sampling, list[int]]:
    """The sampling, and the times that it chooses of frames at these times."""
    seconds = (2 * pts[-1] - pts[-2] - pts[0]) * media.timebase if len(pts) > 1 else media.timebase
    sampling = choose_sampling(media, seconds, most)
    frames = list(enumerate(pts))
    found = select_sampled(
        frames, sampling, media.timebase, pts_of=lambda one: one[1], is_key=lambda one: one[0] % keyframe_every == 0
    )
    return sampling, [time for _, time in found]


@given(
    frames=st.integers(1, 4000),
    step=st.integers(1, 3000),
    start=st.integers(0, 10**9),
    keyframe_every=st.integers(1, 600),
    most=st.integers(78, MAX_TILES),
    is_counted=st.booleans(),
)
def test_tiles_are_evenly_spread_frames_and_never_more_than_a_sheet_takes(
    frames: int, step: int, start: int, keyframe_every: int, most: int, is_counted: bool
) -> None:
    pts = [start + number * step for number in range(frames)]
    keyframes = len(range(0, frames, keyframe_every)) if is_counted else 0
    media = make_media(
        frame_count=frames if is_counted else None,
        keyframes=keyframes,
        timebase=Fraction(1, 1000),
        duration_seconds=frames * step / 1000,
    )
    sampling, times = chosen(media, pts, keyframe_every, most)
    seconds = Fraction(frames * step, 1000)
    assert times == sorted(set(times))
    assert 1 <= len(times) <= most
    if sampling.kind is SamplingKind.KEYFRAMES:
        assert seconds > CHEAP_SECONDS
        assert keyframes >= MIN_TILES
    elif frames * step >= MIN_TILES * 2:
        # Otherwise there are more than a thousand frames in a second.
        assert len(times) >= min(MIN_TILES, frames)
    if seconds > MIN_TILES + 1:
        assert len(times) <= seconds + 2


@given(st.integers(100, 7200), st.integers(1, 20))
def test_a_long_video_with_keyframes_is_never_decoded_in_between(seconds: int, keyframe_seconds: int) -> None:
    assume(seconds // keyframe_seconds >= MIN_TILES)
    media = make_media(frame_count=25 * seconds, keyframes=seconds // keyframe_seconds)
    assert choose_sampling(media, Fraction(seconds), MAX_TILES).kind is SamplingKind.KEYFRAMES


def test_a_video_of_unknown_length_is_looked_at_as_a_whole() -> None:
    assert choose_sampling(make_media(frame_count=None), Fraction(0), MAX_TILES) == Sampling()


@given(st.integers(0, 3000), st.integers(1, 60))
def test_an_even_choice_is_even_and_bounded(count: int, most: int) -> None:
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number

    choice: EvenChoice[int] = EvenChoice(most)
    for number in range(count):
        choice.add(partial(make, number))
    step = 1
    while -(-count // step) > most:
        step *= 2
    assert choice.items == list(range(0, count, step))
    # What cannot stay is not even made.
    assert len(made) <= most * 13


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30, unique=True).map(sorted), st.integers(1, 10**6))
def test_every_moment_has_one_thumbnail_in_the_track(pts: list[int], after: int) -> None:
    columns, rows = grid(len(pts))
    tiles = Tiles(columns, rows, 160, 90, Fraction(1, 1000), tuple(pts))
    lines = to_webvtt(tiles, pts[-1] + after, "a b-thumbnails.jpg").splitlines()
    cues = list(zip(lines[2::3], lines[3::3], strict=True))
    times = [line.split(" --> ") for line, _ in cues]
    assert lines[0] == "WEBVTT"
    assert times[0][0] == "00:00:00.000"
    assert [end for _, end in times[:-1]] == [start for start, _ in times[1:]]
    number = len(pts) - 1
    place = f"{number % columns * 160},{number // columns * 90},160,90"
    assert cues[-1][1] == f"a%20b-thumbnails.jpg#xywh={place}"


def test_tiles_survive_their_form() -> None:
    tiles = Tiles(2, 1, 160, 90, Fraction(1001, 30000), (0, 33))
    assert Tiles.from_json(tiles.to_json()) == tiles
