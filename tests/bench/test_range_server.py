"""The server that counts what it sends: it must count what was sent, or measures 7 to 11 mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.range_server import HttpSource, serve

CONTENT = bytes(range(256)) * 1024


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip").write_bytes(CONTENT)
    return tmp_path


def test_a_range_is_sent_and_counted_to_the_byte(folder: Path) -> None:
    with serve(folder) as (url, counts):
        content = HttpSource(f"{url}/clip", len(CONTENT)).read(1000, 70_000)
        assert content == CONTENT[1000:71_000]
        assert (counts.requests, counts.bytes_sent) == (1, 70_000)


def test_a_range_ends_where_the_file_does(folder: Path) -> None:
    with serve(folder) as (url, counts):
        source = HttpSource(f"{url}/clip", len(CONTENT))
        assert source.read(len(CONTENT) - 5, 100) == CONTENT[-5:]
        assert source.read(len(CONTENT), 100) == b""
        assert (counts.requests, counts.bytes_sent) == (1, 5)


def test_counts_begin_again_after_a_reset(folder: Path) -> None:
    with serve(folder) as (url, counts):
        source = HttpSource(f"{url}/clip", len(CONTENT))
        source.read(0, 10)
        counts.reset()
        source.read(0, 7)
        assert (counts.requests, counts.bytes_sent) == (1, 7)
