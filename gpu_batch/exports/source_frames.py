"""Every frame of a job's video, decoded exactly and in order, for drawing on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from chalicelib.contracts.sample_table import CellSamples, DecoderConfig, unpack_cells, unpack_chunks
from chalicelib.contracts.work_order import OrderedMedia, WorkOrder
from chalicelib.domain.cells import Cell
from chalicelib.domain.media import MediaLimits
from chalicelib.domain.sampling import Sampling
from gpu_batch.aws import Cloud
from gpu_batch.exports.annotated import DecodedFrame
from gpu_batch.frames import RunFrames, TableFrames, WholeFrames

CELLS_PER_RUN = 8
"""Whose samples are in memory at a time."""


def source_frames(
    cloud: Cloud, order: WorkOrder, check: Callable[[], None], *, cells_per_run: int = CELLS_PER_RUN
) -> Iterator[DecodedFrame]:
    """The frames; `check` is called between them, and may raise to stop.

    Raises:
        BadInput: the source is gone or was replaced.
    """
    media = order.media
    assert isinstance(media, OrderedMedia)
    for frames in _runs(cloud, order, media, cells_per_run):
        for found in frames.decode(check):
            yield DecodedFrame(found.place.pts, found.place.ordinal, found.image)


def _runs(cloud: Cloud, order: WorkOrder, media: OrderedMedia, cells_per_run: int) -> Iterator[RunFrames]:
    source, limits = cloud.open_source(order.source), MediaLimits()
    if not media.decoder:
        yield WholeFrames(source, limits, Sampling(), order.parsed_timebase)
        return
    decoder = DecoderConfig.from_json(json.loads(media.decoder))
    cells = unpack_cells(cloud.get_object(media.cells_key))

    def load(some: Sequence[Cell]) -> list[CellSamples]:
        start = some[0].table_offset
        size = some[-1].table_offset + some[-1].table_size - start
        return list(unpack_chunks(cloud.get_object(media.table_key, start, size)))

    for first in range(0, len(cells), cells_per_run):
        run = load(cells[first : first + cells_per_run])
        yield TableFrames(decoder, run, source, limits, Sampling(), lambda index: load(cells[index : index + 1])[0])
