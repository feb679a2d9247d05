"""Renditions by the SDK, on the real service over ports in memory: asked for, waited for, and on the disk."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from reelscan import AsyncClient, Client, Conflict, Internal, StorageRefused
from tests.api.seed import SHEET, end_rendition, seed_video
from tests.api.service import Service
from tests.sdk.in_memory import BASE_URL, InMemory

MADE = SHEET | {"sha256": hashlib.sha256(b"data").hexdigest()}


@pytest.fixture
def service() -> Service:
    return Service()


def a_client(service: Service) -> Client:
    return Client(BASE_URL, "acme", transport=InMemory(service), sleep=lambda _: None)


def test_options_that_are_given_reach_the_service(service: Service) -> None:
    video, client = seed_video(service).video_id, a_client(service)
    widths = [client.renditions.thumbnails(video, **given).options.width for given in ({}, {"width": 64})]
    heights = [client.renditions.proxy(video, **given).options.height_max for given in ({}, {"height_max": 144})]
    assert (widths, heights) == ([160, 64], [720, 144])
    kinds = sorted(made.kind for made in client.renditions.list(video))
    assert kinds == ["proxy", "proxy", "thumbnails", "thumbnails"]


def test_a_sheet_is_written_with_its_track_beside_it(service: Service, tmp_path: Path) -> None:
    video, client = seed_video(service).video_id, a_client(service)
    asked = client.renditions.thumbnails(video)
    end_rendition(service, video, asked.rendition_id, MADE)
    made = client.renditions.wait(video, asked)
    assert client.renditions.download(made, tmp_path) == tmp_path / "street-thumbnails.jpg"
    assert (tmp_path / "street-thumbnails.jpg").read_bytes() == b"data"
    assert (tmp_path / "street-thumbnails.vtt").read_text() == made.vtt


def test_the_track_of_a_sheet_under_another_name_names_that(service: Service, tmp_path: Path) -> None:
    video, client = seed_video(service).video_id, a_client(service)
    asked = client.renditions.thumbnails(video)
    end_rendition(service, video, asked.rendition_id, MADE)
    client.renditions.download(client.renditions.get(video, asked), tmp_path / "my sheet.jpg")
    track = (tmp_path / "my sheet.vtt").read_text()
    assert next(line for line in track.splitlines() if "#" in line) == "my%20sheet.jpg#xywh=0,0,160,90"
    assert "street" not in track


def test_what_is_not_made_or_comes_without_its_track_is_not_written(service: Service, tmp_path: Path) -> None:
    video, client = seed_video(service).video_id, a_client(service)
    asked = client.renditions.thumbnails(video)
    with pytest.raises(Conflict, match="QUEUED"):
        client.renditions.download(asked, tmp_path)
    end_rendition(service, video, asked.rendition_id, MADE)
    (listed,) = client.renditions.list(video)
    with pytest.raises(Conflict, match="list"):
        client.renditions.download(listed, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_than_were_stated_are_not_kept(service: Service, tmp_path: Path) -> None:
    video, client = seed_video(service).video_id, a_client(service)
    asked = client.renditions.thumbnails(video)
    end_rendition(service, video, asked.rendition_id, SHEET)
    with pytest.raises(StorageRefused, match="expected SHA-256"):
        client.renditions.download(client.renditions.get(video, asked), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_one_that_failed_is_told_why(service: Service) -> None:
    video, client = seed_video(service).video_id, a_client(service)
    asked = client.renditions.proxy(video)
    end_rendition(service, video, asked.rendition_id, None)
    with pytest.raises(Internal, match="it broke"):
        client.renditions.wait(video, asked)


def test_the_asynchronous_client_does_the_same(service: Service, tmp_path: Path) -> None:
    video = seed_video(service).video_id

    async def write() -> Path:
        async with AsyncClient(BASE_URL, "acme", transport=InMemory(service)) as client:
            asked = await client.renditions.thumbnails(video)
            end_rendition(service, video, asked.rendition_id, MADE)
            return await client.renditions.download(await client.renditions.wait(video, asked), tmp_path)

    assert asyncio.run(write()).with_suffix(".vtt").exists()
