"""Renditions: what may be asked for, and how large a proxy is."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.renditions import (
    Proxy,
    RenditionKind,
    Thumbnails,
    encoded_pixels,
    file_name,
    options_of,
    proxy_size,
    request_of,
)
from tests.fakes.makers import make_media

sides = st.integers(2, 8192)


@given(sides, sides, st.integers(144, 1080))
def test_a_proxy_is_even_of_the_same_shape_and_never_larger(width: int, height: int, height_max: int) -> None:
    proxy_width, proxy_height = proxy_size(width, height, height_max)
    assert (proxy_width % 2, proxy_height % 2) == (0, 0)
    assert proxy_height <= min(height, height_max)
    assert proxy_width <= max(width, 2)
    scale = Fraction(min(height, height_max), height)
    assert 0 <= height * scale - proxy_height < 2
    assert proxy_width == 2 or 0 <= width * scale - proxy_width < 3


@pytest.mark.parametrize("request_", [Thumbnails(), Thumbnails(64), Proxy(), Proxy(1080)])
def test_a_request_survives_its_form(request_: Thumbnails | Proxy) -> None:
    assert request_of(request_.kind.value, options_of(request_)) == request_


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (RenditionKind.THUMBNAILS, {"width": 63}),
        (RenditionKind.THUMBNAILS, {"width": 321}),
        (RenditionKind.PROXY, {"height_max": 143}),
        (RenditionKind.PROXY, {"height_max": 1081}),
        (RenditionKind.PROXY, {"width": 160}),
        ("dream", {}),
    ],
)
def test_what_is_out_of_bounds_is_no_request(kind: str, options: dict[str, int]) -> None:
    with pytest.raises((ValueError, TypeError)):
        request_of(kind, options)


def test_files_are_called_after_their_video() -> None:
    assert [file_name(one, "a/My street.avi") for one in (Thumbnails(), Proxy())] == [
        "My_street-thumbnails.jpg",
        "My_street-proxy.mp4",
    ]


def test_only_a_proxy_is_encoded_frame_by_frame() -> None:
    media = make_media(width=1920, height=1080)
    assert [encoded_pixels(one, media) for one in (Thumbnails(), Proxy())] == [0, 1280 * 720]
