"""Detections as an iterator, and as the tables and objects of other libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from reelscan.connection import Connection
from reelscan.errors import ReelscanError
from reelscan.pages import Pages
from reelscan.records import Detection
from reelscan.worlds import World, operation

if TYPE_CHECKING:
    import pandas
    import supervision

W_co = TypeVar("W_co", bound=World, covariant=True)


class Detections(Pages[W_co, Detection]):
    """Detections in order of time, asked for page by page as they are taken."""

    def __init__(self, connection: Connection, path: str, query: Mapping[str, object]) -> None:
        super().__init__(connection, path, Detection, query)

    @operation
    async def to_pandas(self) -> pandas.DataFrame:
        """All of them as a table, a row each; the box as `x1`, `y1`, `x2`, `y2`. Needs `reelscan[pandas]`."""
        return to_pandas(await self._read_all())

    @operation
    async def to_supervision(self) -> supervision.Detections:
        """All of them as `supervision.Detections`; times, frames and labels are in its `data`.

        `class_id` numbers the labels in alphabetical order; `tracker_id` is 0 for what is on no track.
        Needs `reelscan[supervision]`.
        """
        return to_supervision(await self._read_all())


def to_pandas(detections: Sequence[Detection]) -> pandas.DataFrame:
    """See `Detections.to_pandas`: for detections that were picked."""
    try:
        import pandas
    except ImportError as error:
        raise _missing("pandas") from error
    columns = {
        "pts": ("int64", [found.pts for found in detections]),
        "timebase": ("str", [found.timebase for found in detections]),
        "time_seconds": ("float64", [found.time_seconds for found in detections]),
        "frame_index": ("Int64", [found.frame_index for found in detections]),
        "model": ("str", [found.model for found in detections]),
        "label": ("str", [found.label for found in detections]),
        "score": ("float64", [found.score for found in detections]),
        "x1": ("float64", [found.box[0] for found in detections]),
        "y1": ("float64", [found.box[1] for found in detections]),
        "x2": ("float64", [found.box[2] for found in detections]),
        "y2": ("float64", [found.box[3] for found in detections]),
        "track_id": ("Int64", [found.track_id for found in detections]),
    }
    return pandas.DataFrame({name: pandas.Series(values, dtype=kind) for name, (kind, values) in columns.items()})


def to_supervision(detections: Sequence[Detection]) -> supervision.Detections:
    """See `Detections.to_supervision`: for detections that were picked."""
    try:
        import numpy as np
        import supervision
    except ImportError as error:
        raise _missing("supervision") from error
    labels = sorted({found.label for found in detections})
    index_by_label = {label: index for index, label in enumerate(labels)}
    data: dict[str, Any] = {
        "class_name": np.array([found.label for found in detections]),
        "model": np.array([found.model for found in detections]),
        "pts": np.array([found.pts for found in detections], np.int64),
        "time_seconds": np.array([found.time_seconds for found in detections], np.float64),
        # -1 where the number of the frame is not known.
        "frame_index": np.array(
            [-1 if found.frame_index is None else found.frame_index for found in detections], np.int64
        ),
    }
    return supervision.Detections(
        xyxy=np.array([found.box for found in detections], np.float32).reshape(-1, 4),
        confidence=np.array([found.score for found in detections], np.float32),
        class_id=np.array([index_by_label[found.label] for found in detections], int),
        tracker_id=np.array([found.track_id or 0 for found in detections], int),
        data=data,
    )


def _missing(extra: str) -> ReelscanError:
    return ReelscanError(f"{extra} is not installed", f'Install it beside: pip install "reelscan[{extra}]"')
