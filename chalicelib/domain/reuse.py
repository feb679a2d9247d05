"""What a job did not pay again, and what is known of how its results came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.domain.ids import JobId


@dataclass(frozen=True, slots=True)
class Made:
    """How the results of a finished job came about; known only when every segment was done, and all in one way."""

    recipe: str
    """Jobs of one content with the same recipe have the same results, byte for byte (`contracts/recipes.py`)."""
    analyses: tuple[str, ...]
    """By model of the job: what its blocks are keyed by (`contracts/blocks.analysis_id`)."""


@dataclass(frozen=True, slots=True)
class ModelReuse:
    """Of one model of a job: what there is, and what of it was not paid again."""

    cells: int = 0
    cells_reused: int = 0
    """Cells whose results were stored already."""
    frames: int = 0
    """Frames that the sampling chose."""
    frames_inferred: int = 0
    """Those that the model really saw for this job."""

    def __add__(self, other: ModelReuse) -> ModelReuse:
        return ModelReuse(
            self.cells + other.cells,
            self.cells_reused + other.cells_reused,
            self.frames + other.frames,
            self.frames_inferred + other.frames_inferred,
        )


@dataclass(frozen=True, slots=True)
class ReuseReceipt:
    """What a finished job reused."""

    by_model: tuple[ModelReuse, ...]
    """In the order of the job's models."""
    job_id: JobId | None = None
    """The job whose results were taken over whole, without any worker."""

    @property
    def total(self) -> ModelReuse:
        """All models together: a cell or frame counts once for each."""
        return sum(self.by_model, ModelReuse())

    def to_json(self) -> dict[str, Any]:
        """Form for items."""
        models = [[one.cells, one.cells_reused, one.frames, one.frames_inferred] for one in self.by_model]
        return {"models": models} | ({"job_id": self.job_id} if self.job_id else {})

    @staticmethod
    def from_json(form: dict[str, Any]) -> ReuseReceipt:
        """The receipt that `to_json` wrote."""
        job_id = form.get("job_id")
        return ReuseReceipt(tuple(ModelReuse(*one) for one in form["models"]), JobId(job_id) if job_id else None)
