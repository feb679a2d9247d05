"""Frames of a video, decoded exactly and in order, for whoever shows them: drawn on, scaled, or as they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import av

from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, unpack_cells, unpack_chunks
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.cells import Cell
from chalicelib.domain.media import MediaLimits, Pts
from chalicelib.domain.sampling import Sampling
from gpu_batch.aws import Cloud
from gpu_batch.frames import RunFrames, TableFrames, WholeFrames

CELLS_PER_RUN = 8
"""Whose samples are in memory at a time."""


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame of the video; (pts, ordinal) is its identity."""

    pts: Pts
    ordinal: int
    image: av.VideoFrame


def source_frames(
    cloud: Cloud, order: WorkOrder, check: Callable[[], None], *, cells_per_run: int = CELLS_PER_RUN
) -> Iterator[DecodedFrame]:
    """Every frame; `check` is called between them, and may raise to stop.

    Raises:
        BadInput: the source is gone or was replaced.
    """
    for run in source_runs(cloud, order, Sampling(), cells_per_run=cells_per_run):
        yield from frames_of_run(run, check)


def source_runs(
    cloud: Cloud, order: WorkOrder, sampling: Sampling, *, cells_per_run: int = CELLS_PER_RUN
) -> Iterator[RunFrames]:
    """The sampled frames run by run; when one is through, its `damage` says what of it is not sound.

    Raises:
        BadInput: the source is gone or was replaced.
    """
    media, limits = order.media, MediaLimits()
    assert isinstance(media, OrderedMedia)
    source = cloud.open_source(order.source)
    if not media.decoder:
        yield WholeFrames(source, limits, sampling, order.parsed_timebase)
        return
    decoder = DecoderConfig.from_json(json.loads(media.decoder))
    cells = source_cells(cloud, order)

    def load(some: Sequence[Cell]) -> list[CellSamples]:
        start = some[0].table_offset
        size = some[-1].table_offset + some[-1].table_size - start
        return list(unpack_chunks(cloud.get_object(media.table_key, start, size)))

    for first in range(0, len(cells), cells_per_run):
        run = load(cells[first : first + cells_per_run])
        yield TableFrames(decoder, run, source, limits, sampling, lambda index: load(cells[index : index + 1])[0])


def source_cells(cloud: Cloud, order: WorkOrder) -> Sequence[Cell]:
    """The cells of the video, as its probe left them."""
    media = order.media
    assert isinstance(media, OrderedMedia)
    return unpack_cells(cloud.get_object(media.cells_key))


def frames_of_run(run: RunFrames, check: Callable[[], None]) -> Iterator[DecodedFrame]:
    """The frames of one run, in order of time."""
    for found in run.decode(check):
        yield DecodedFrame(found.place.pts, found.place.ordinal, found.image)
