"""Renditions of a video: asked for once, made by a worker, played or downloaded by a presigned URL.

A rendition is a side step of its video, named by the question: who asks the same again gets the one that is there,
ready or not. Only one that failed is made again, under another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chalicelib.contracts import object_keys
from chalicelib.contracts.rendition_parameters import RENDITION_PREFIX, RenditionParameters, from_json
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.ids import is_id
from chalicelib.domain.renditions import RenditionRequest, Thumbnails
from chalicelib.domain.sampling import Sampling
from chalicelib.domain.side_steps import SideStep, SideStepState, StepName
from chalicelib.domain.tiles import Tiles, choose_sampling, most_tiles, tile_size, to_webvtt
from chalicelib.domain.units import UnitKind
from chalicelib.domain.videos import Video, VideoState
from chalicelib.services.dispatch import owner_of
from chalicelib.services.downloads import Download, make_download
from chalicelib.services.lanes import choose_rendition_lane
from chalicelib.services.ports import Ports
from chalicelib.services.pricing import price_rendition
from chalicelib.services.side_steps import find_or_start, start_video_step


@dataclass(frozen=True, slots=True)
class Rendition:
    """A rendition as a client sees it."""

    rendition_id: str
    parameters: RenditionParameters
    step: SideStep

    @property
    def result(self) -> dict[str, Any]:
        """What its worker found; empty until it has."""
        return self.step.result or {}

    def tiles(self) -> Tiles | None:
        """What is on the sheet; None for a proxy, and until it is made."""
        tiles = self.result.get("tiles")
        return Tiles.from_json(tiles) if tiles else None

    def webvtt(self) -> str | None:
        """The track that a player finds the tiles by; None likewise."""
        on_sheet = self.tiles()
        return to_webvtt(on_sheet, self.result["end_pts"], self.result["file_name"]) if on_sheet else None


def request_rendition(ports: Ports, video: Video, request: RenditionRequest) -> Rendition:
    """The rendition that was asked for, made by a worker unless it was asked for before.

    Raises:
        Conflict: the video is not READY.
        LimitExceeded: it would cost more than it may.
    """
    sampling = _choose_sampling(video, request)
    parameters = RenditionParameters(request, video.filename, sampling)
    told = parameters.to_json()

    def name(attempt: int) -> StepName:
        return StepName(
            UnitKind.RENDITION, parameters.rendition_id(video.video_id, video.source.content_digest, attempt)
        )

    def start(step_name: StepName) -> SideStep | None:
        lane = choose_rendition_lane(ports, video, request, sampling)
        return start_video_step(ports, video, step_name, told, lane, price_rendition(ports, video, told, lane))

    step = find_or_start(ports, owner_of(video), name, start)
    return Rendition(step.unit.name, parameters, step)


def get_rendition(ports: Ports, video: Video, rendition_id: str) -> Rendition:
    """One rendition of the video.

    Raises:
        NotFound: there is none of that id.
    """
    name = StepName(UnitKind.RENDITION, rendition_id) if is_id(RENDITION_PREFIX, rendition_id) else None
    step = ports.units.get_side_step(owner_of(video), name) if name else None
    if step is None:
        raise NotFound(f"there is no rendition {rendition_id} of video {video.video_id}")
    return _to_rendition(step)


def list_renditions(ports: Ports, video: Video) -> Sequence[Rendition]:
    """The video's renditions, oldest first."""
    steps = ports.units.list_side_steps(owner_of(video), UnitKind.RENDITION)
    return sorted(map(_to_rendition, steps), key=lambda found: (found.step.created_at, found.rendition_id))


def download_of(ports: Ports, video: Video, rendition: Rendition) -> Download | None:
    """Where the rendition can be had for a while; None until it is made."""
    if rendition.step.state is not SideStepState.SUCCEEDED:
        return None
    return make_download(ports, object_keys.rendition_key(video.tenant, video.video_id, rendition.rendition_id))


def _choose_sampling(video: Video, request: RenditionRequest) -> Sampling:
    """Which frames it shows: of a proxy every one."""
    media, index = video.media, video.index
    if video.state is not VideoState.READY or media is None or index is None:
        raise Conflict(
            f"video {video.video_id} must be READY but is {video.state}",
            hint="Wait until the video is READY; one that was REJECTED says why",
        )
    if not isinstance(request, Thumbnails):
        return Sampling()
    # Where the container states no length, the end of its timeline is made up.
    is_known = media.duration_seconds > 0
    seconds = (index.end_pts - index.start_pts) * media.timebase if is_known else Fraction(0)
    return choose_sampling(media, seconds, most_tiles(*tile_size(media.width, media.height, request.width)))


def _to_rendition(step: SideStep) -> Rendition:
    return Rendition(step.unit.name, from_json(step.parameters), step)
