"""Renditions of odd videos: every thumbnail shows its frame, and every frame of a proxy is at its time."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.rendition_parameters import RenditionParameters
from chalicelib.contracts.work_order import OrderedMedia, OrderKind, WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.media import MediaLimits
from chalicelib.domain.renditions import Proxy, RenditionRequest, Thumbnails
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.tiles import MAX_TILES, Tiles, choose_sampling
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.containers.probe import probe_video
from gpu_batch.errors import BadInput, BadOrder, Drained
from gpu_batch.lease import Stop
from gpu_batch.main import STEP_BY_KIND
from gpu_batch.pictures import to_rgb
from gpu_batch.rendition_step import run_rendition
from gpu_batch.source_frames import DecodedFrame, source_frames
from gpu_batch.video.source import BytesSource
from tests.video.corpus import HEIGHT, TICKS_PER_FRAME, TIMEBASE, WIDTH, picture
from tests.video.kept_corpus import kept_corpus
from tests.worker.clips import damage_frame, make_clip
from tests.worker.memory_cloud import MemoryCloud, MemorySource
from tests.worker.scene import a_scene

UNIT = UnitKey("acme#vid_1", UnitKind.RENDITION, name="ren_1")
KEY = object_keys.rendition_key("acme", "vid_1", "ren_1")
VIDEO = ("acme#vid_1", table_keys.VIDEO)
ODD = [
    "h264_closed",
    "h264_vfr",
    "h264_empty_edit",
    "h264_start_later",
    "h264_rotated_90",
    "hevc_open",
    "hevc_10bit",
    "mpegts",
    "mjpeg_avi",
    "h264_avi",
    "mkv_vfr",
    "mpegts_new_size",
]
"""B-frames, variable rates, starts that are not zero, turned, ten bits, TS, AVI, times out of order, another size."""


@dataclass(frozen=True)
class Asked:
    """A deployment with a video, and the order for a rendition of it."""

    cloud: MemoryCloud
    order: WorkOrder

    def run(self, stop: Stop | None = None) -> bytes:
        """What a worker leaves in the bucket."""
        run_rendition(self.cloud, self.order, claimed_by="batch", stop=stop or Stop())
        return self.cloud.objects[KEY]

    @property
    def result(self) -> dict[str, Any]:
        """What it said of it."""
        result: dict[str, Any] = self.cloud.unit(UNIT)["result"]
        return result

    def source(self) -> list[DecodedFrame]:
        """The frames of the video, in order of time."""
        return sorted(source_frames(self.cloud, self.order, lambda: None), key=lambda frame: frame.pts)

    @property
    def media(self) -> OrderedMedia:
        assert self.order.media is not None
        return self.order.media


def ask(clip: bytes, request: RenditionRequest, sampling: Sampling | None = None) -> Asked:
    scene = a_scene(clip)
    if sampling is None and isinstance(request, Thumbnails):
        media, cells = probe_video(BytesSource(clip), MediaLimits()).media, scene.cells
        seconds = (cells[-1].end_pts - cells[0].start_pts) * media.timebase
        sampling = choose_sampling(media, seconds, MAX_TILES)
    parameters = RenditionParameters(request, "clip.avi", sampling or Sampling()).to_json()
    told: dict[str, Any] = {
        "kind": OrderKind.RENDITION,
        "job_id": "",
        "step": UNIT.name,
        "parameters": parameters,
        "sampling": None,
    }
    scene.cloud.open_unit(UNIT.pk, UNIT.kind, name=UNIT.name)
    scene.cloud.tables["meta"][VIDEO] = {"state": "READY"}
    return Asked(scene.cloud, replace(scene.order, **told))


def odd(name: str) -> bytes:
    return kept_corpus()[name].read_bytes()


@cache
def made(name: str, request: RenditionRequest) -> tuple[Asked, bytes]:
    """A rendition of a video of the corpus."""
    asked = ask(odd(name), request)
    return asked, asked.run()


def times_of(content: bytes) -> tuple[list[Fraction], list[Fraction]]:
    """Seconds of all packets of a file, in order of time, and of its keyframes."""
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        timebase = Fraction(stream.time_base.numerator, stream.time_base.denominator)
        packets = [(packet.pts, packet.is_keyframe) for packet in container.demux(stream) if packet.pts is not None]
    return sorted(pts * timebase for pts, _ in packets), sorted(pts * timebase for pts, is_key in packets if is_key)


def pictures_of(content: bytes) -> list[Any]:
    with av.open(io.BytesIO(content), "r") as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def distance(one: Any, other: Any) -> float:
    """Of two pictures: the mean over all samples."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("name", ODD)
def test_every_frame_of_a_proxy_is_at_its_time(name: str) -> None:
    asked, content = made(name, Proxy())
    timebase = Fraction(asked.media.timebase)
    expected = [frame.pts * timebase for frame in asked.source()]
    times, _ = times_of(content)
    assert times == [time - expected[0] for time in expected]
    assert (asked.result["frames"], len(pictures_of(content))) == (len(expected), len(expected))
    assert asked.result["first_pts"] * Fraction(asked.result["timebase"]) == expected[0]


@pytest.mark.parametrize("name", ["h264_vfr", "h264_rotated_90", "h264_avi", "mpegts", "hevc_10bit", "mjpeg_avi"])
def test_a_frame_of_a_proxy_shows_that_of_the_video_upright_and_in_its_colours(name: str) -> None:
    asked, content = made(name, Proxy())
    size = (asked.result["width"], asked.result["height"])
    shown, source = pictures_of(content), asked.source()
    for number in (0, len(source) // 2, len(source) - 1):
        expected = to_rgb(source[number].image, size, asked.media.rotation, asked.media.height)
        assert distance(shown[number], expected) < 6
        other = to_rgb(source[number - 5].image, size, asked.media.rotation, asked.media.height)
        assert distance(shown[number], expected) < distance(shown[number], other) / 2


@pytest.mark.parametrize("name", ODD)
def test_a_proxy_plays_everywhere_and_any_frame_of_it_is_found_soon(name: str) -> None:
    _, content = made(name, Proxy())
    with av.open(io.BytesIO(content), "r") as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, len(container.streams)) == ("h264", "yuv420p", 1)
        assert (context.width % 2, context.height % 2) == (0, 0)
    assert content.index(b"moov") < content.index(b"mdat")
    times, keyframes = times_of(content)
    ends = [*keyframes[1:], times[-1]]
    # A rate that changes is noticed a frame later.
    assert max(end - start for start, end in zip(keyframes, ends, strict=True)) <= Fraction("2.05")


def test_a_proxy_is_made_smaller_and_never_larger() -> None:
    asked = ask(odd("h264_rotated_90"), Proxy(144))
    asked.run()
    assert (asked.result["width"], asked.result["height"]) == (86, 144)
    asked, _ = made("h264_rotated_90", Proxy())
    assert (asked.result["width"], asked.result["height"]) == (HEIGHT, WIDTH)


@pytest.mark.parametrize(("name", "side"), [("h264_start_later", 1), ("mpegts_wrap", -1)])
def test_a_video_that_begins_elsewhere_begins_at_zero_in_its_proxy_without_an_empty_edit(name: str, side: int) -> None:
    asked, content = made(name, Proxy())
    first, *_ = expected = [frame.pts * Fraction(asked.media.timebase) for frame in asked.source()]
    assert first * side > 0
    assert times_of(content)[0] == [time - first for time in expected]
    with av.open(io.BytesIO(content), "r") as container:
        # In microseconds: no player takes it for shorter than it is.
        assert container.start_time == 0
        assert (container.duration or 0) >= (expected[-1] - first) * 1_000_000
    assert asked.result["first_pts"] * Fraction(asked.result["timebase"]) == first


def test_a_damaged_range_is_stated_and_the_rest_is_there() -> None:
    asked = ask(damage_frame(make_clip(60), 30), Proxy())
    times, _ = times_of(asked.run())
    ((gap,), start, end) = asked.result["missing"], Fraction(24, 25), Fraction(36, 25)
    assert (gap["start_seconds"], gap["end_seconds"]) == (pytest.approx(float(start)), pytest.approx(float(end)))
    assert gap["failure"]["code"] == ErrorCode.DAMAGED_RANGES
    sound = {Fraction(number, 25) for number in range(60)} - {Fraction(number, 25) for number in range(24, 36)}
    assert sound <= set(times)


def test_what_was_made_is_stated() -> None:
    for request, name, content_type in (
        (Proxy(), "clip-proxy.mp4", "video/mp4"),
        (Thumbnails(), "clip-thumbnails.jpg", "image/jpeg"),
    ):
        asked, content = made("h264_closed", request)
        stated = (asked.result["file_name"], asked.result["content_type"], asked.result["size_bytes"])
        assert stated == (name, content_type, len(content))
        assert "missing" not in asked.result


@pytest.mark.parametrize("name", ODD)
def test_every_tile_shows_the_frame_at_exactly_its_time(name: str) -> None:
    asked, content = made(name, Thumbnails())
    tiles, sheet = Tiles.from_json(asked.result["tiles"]), read_jpeg(content)
    assert sheet.shape == (tiles.rows * tiles.height, tiles.columns * tiles.width, 3)
    frame_by_pts = {frame.pts: frame for frame in asked.source()}
    assert 10 <= len(tiles.pts) <= 12
    assert list(tiles.pts) == sorted(set(tiles.pts))
    expected = [
        to_rgb(frame_by_pts[pts].image, (tiles.width, tiles.height), asked.media.rotation, asked.media.height)
        for pts in tiles.pts
    ]
    for number, shown in enumerate(tiles_of(sheet, tiles)):
        nearest = min(range(len(expected)), key=lambda other: distance(shown, expected[other]))
        assert nearest == number
        assert distance(shown, expected[number]) < 8


def read_jpeg(content: bytes) -> Any:
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def tiles_of(sheet: Any, tiles: Tiles) -> list[Any]:
    places = [divmod(number, tiles.columns) for number in range(len(tiles.pts))]
    return [
        sheet[row * tiles.height : (row + 1) * tiles.height, column * tiles.width : (column + 1) * tiles.width]
        for row, column in places
    ]


@cache
def a_long_clip() -> bytes:
    """Two minutes, two frames a second, a keyframe every four seconds."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "x264-params": "keyint=8:min-keyint=8:scenecut=0:threads=1"}
        stream.codec_context.time_base = TIMEBASE
        for index in range(240):
            frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24").reformat(format="yuv420p")
            frame.time_base, frame.pts = TIMEBASE, index * 6400
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


def test_of_a_long_video_only_keyframes_are_read() -> None:
    clip = a_long_clip()
    asked = ask(clip, Thumbnails())
    source = MemorySource(clip)
    asked.cloud.open_source = lambda _: source  # type: ignore[assignment, return-value, method-assign]
    asked.run()
    _, keyframes = times_of(clip)
    tiles = Tiles.from_json(asked.result["tiles"])
    assert [pts * tiles.timebase for pts in tiles.pts] == keyframes
    with av.open(io.BytesIO(clip), "r") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    of_keyframes = sum(packet.size for packet in packets if packet.is_keyframe)
    # Keyframes that lie close together are read as one piece (`gpu_batch/video/feed.py`).
    assert of_keyframes <= source.bytes_read < len(clip)


def test_more_frames_than_a_sheet_takes_are_thinned_out_evenly() -> None:
    asked = ask(make_clip(24 * 40), Thumbnails(), Sampling())
    asked.run()
    pts = asked.result["tiles"]["pts"]
    assert pts == [number * TICKS_PER_FRAME for number in range(0, 24 * 40, 4)]


def test_a_tile_of_a_damaged_group_is_left_out() -> None:
    asked = ask(damage_frame(make_clip(60), 30), Thumbnails(), Sampling(SamplingKind.PER_SECOND, Fraction(25)))
    asked.run()
    left = [pts // TICKS_PER_FRAME for pts in asked.result["tiles"]["pts"]]
    assert left == [*range(24), *range(36, 60)]


@pytest.mark.parametrize("request_", [Proxy(), Thumbnails()])
def test_a_video_of_which_nothing_can_be_decoded_any_more_has_no_rendition(request_: RenditionRequest) -> None:
    clip = make_clip(24)
    asked = ask(clip, request_)
    start = clip.index(b"mdat") + 4
    asked.cloud.videos["source"] = clip[:start] + bytes(len(clip) - start)
    with pytest.raises(BadInput):
        asked.run()
    unit = asked.cloud.unit(UNIT)
    assert (unit["state"], unit["failure"]["code"]) == (UnitState.FAILED, ErrorCode.MALFORMED)
    assert KEY not in asked.cloud.objects


@pytest.mark.parametrize("request_", [Proxy(), Thumbnails()])
def test_another_worker_makes_the_same_bytes(request_: RenditionRequest) -> None:
    runs = [ask(make_clip(60), request_) for _ in range(3)]
    assert len({asked.run() for asked in runs}) == 1
    assert [asked.result for asked in runs] == [runs[0].result] * 3


@pytest.mark.parametrize("request_", [Proxy(), Thumbnails()])
def test_a_worker_that_is_told_to_stop_gives_it_back_and_leaves_nothing(
    request_: RenditionRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked, stop = ask(make_clip(60), request_), Stop()
    open_source = asked.cloud.open_source

    def open_and_stop(source: Any) -> Any:
        stop.set()
        return open_source(source)

    asked.cloud.open_source = open_and_stop  # type: ignore[method-assign]
    with pytest.raises(Drained):
        asked.run(stop)
    unit = asked.cloud.unit(UNIT)
    assert (unit["state"], unit["attempts_allowed"] - unit["attempt"]) == (UnitState.OPEN, 3)
    assert (KEY in asked.cloud.objects, list(tmp_path.iterdir())) == (False, [])


def test_what_a_killed_worker_held_is_made_by_the_next() -> None:
    asked = ask(make_clip(24), Proxy())
    assert asked.cloud.claim(UNIT, claimed_by="killed", lease_seconds=30) is not None
    asked.cloud.time += 60
    asked.run()
    assert (asked.cloud.unit(UNIT)["state"], asked.cloud.unit(UNIT)["attempt"]) == (UnitState.DONE, 2)


@pytest.mark.parametrize("is_gone", [True, False])
def test_of_a_video_that_was_deleted_meanwhile_nothing_is_left(is_gone: bool) -> None:
    asked = ask(make_clip(24), Thumbnails())
    upload = asked.cloud.upload_file

    def upload_late(*arguments: Any, **options: Any) -> None:
        upload(*arguments, **options)
        # What the service does first, and last.
        asked.cloud.unit(UNIT).update(state=UnitState.CANCELLED, fence="another")
        if is_gone:
            del asked.cloud.tables["meta"][VIDEO]
            del asked.cloud.tables["meta"][UNIT.pk, UNIT.sk]

    asked.cloud.upload_file = upload_late  # type: ignore[method-assign]
    run_rendition(asked.cloud, asked.order, claimed_by="batch", stop=Stop())
    assert KEY not in asked.cloud.objects


def test_it_ends_only_while_its_video_is_there() -> None:
    asked = ask(make_clip(24), Thumbnails())
    asked.cloud.tables["meta"][VIDEO]["state"] = "REJECTED"
    asked.run()
    assert asked.cloud.unit(UNIT)["state"] == UnitState.CLAIMED


def test_a_rendition_of_another_release_is_a_bad_order() -> None:
    asked = ask(make_clip(24), Proxy())
    assert asked.order.parameters is not None
    for change in ({"version": 99}, {"kind": "dream"}, {"options": {"speed": 2}}):
        order = replace(asked.order, parameters=asked.order.parameters | change)
        asked.cloud.open_unit(UNIT.pk, UNIT.kind, name=UNIT.name)
        with pytest.raises(BadOrder, match="unknown"):
            run_rendition(asked.cloud, order, claimed_by="batch", stop=Stop())


def test_the_worker_follows_an_order_for_a_rendition() -> None:
    asked = ask(make_clip(24), Thumbnails())
    STEP_BY_KIND[OrderKind.RENDITION](asked.cloud, asked.order, 0, "batch:0", Stop())
    assert asked.cloud.unit(UNIT)["state"] == UnitState.DONE
