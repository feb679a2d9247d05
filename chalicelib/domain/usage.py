"""What work really cost: measured by the worker, unit by unit, and summed by the finish of its job.

CPU seconds are those of the worker's process, all threads, start and imports included: every unit has what was spent
since the unit before it ended, so the sum over the units of a child is what the child cost. What is told apart is part
of that. Written as whole microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

MICRO = 1_000_000
_SECONDS = frozenset({"cpu", "start", "decode", "prepare", "wall"})


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """What a model took."""

    seconds: float = 0.0
    amount: float = 0.0
    """Frames, or for a model that was opened, times."""

    def __add__(self, other: ModelUsage) -> ModelUsage:
        return ModelUsage(self.seconds + other.seconds, self.amount + other.amount)


@dataclass(frozen=True, slots=True)
class Usage:
    """What some work took; seconds are CPU seconds but for `wall`."""

    cpu: float = 0.0
    """All of it."""
    start: float = 0.0
    """Of that: until the process began with its first unit."""
    children: int = 0
    """Processes that started for it."""
    load: Mapping[str, ModelUsage] = field(default_factory=dict)
    """By SHA-256 of a model: opening it."""
    decode: float = 0.0
    """Reading and decoding."""
    prepare: float = 0.0
    """Bringing frames to the sizes of models."""
    infer: Mapping[str, ModelUsage] = field(default_factory=dict)
    """By SHA-256 of a model and pixels of its input, as `{sha256}:{pixels}`: running it."""
    frames: int = 0
    """That models saw."""
    frames_decoded: int = 0
    pixels_decoded: int = 0
    bytes_read: int = 0
    """Of the source."""
    wall: float = 0.0
    """Of units, claim to end; those of one child may run side by side."""

    @property
    def told_apart(self) -> float:
        """What is known of `cpu`; the rest is reading items, storing and committing."""
        models = [*self.load.values(), *self.infer.values()]
        return self.start + self.decode + self.prepare + sum(model.seconds for model in models)

    def __add__(self, other: Usage) -> Usage:
        sums: dict[str, Any] = {}
        for one in fields(self):
            mine, others = getattr(self, one.name), getattr(other, one.name)
            sums[one.name] = _merge(mine, others) if isinstance(mine, Mapping) else mine + others
        return Usage(**sums)

    def to_json(self) -> dict[str, Any]:
        """Whole numbers; nothing of what is zero."""
        form: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Mapping):
                value = {
                    name: [round(model.seconds * MICRO), round(model.amount)] for name, model in sorted(value.items())
                }
            elif one.name in _SECONDS:
                value = round(value * MICRO)
            if value:
                form[one.name] = value
        return form

    @staticmethod
    def from_json(form: Mapping[str, Any] | None) -> Usage:
        """What `to_json` wrote; of nothing, nothing."""
        values: dict[str, Any] = {}
        for name, value in (form or {}).items():
            if name in ("load", "infer"):
                values[name] = {key: ModelUsage(int(s) / MICRO, float(n)) for key, (s, n) in value.items()}
            else:
                values[name] = int(value) / MICRO if name in _SECONDS else int(value)
        return Usage(**values)


NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class JobUsage:
    """What a job took, its failed attempts included as far as they could tell."""

    analysis: Usage = field(default_factory=Usage)
    finish: Usage = field(default_factory=Usage)
    share: float = 1.0
    """Part of its segments that were begun; less than 1 when it broke off."""

    @property
    def cpu_seconds(self) -> float:
        """Of all its workers."""
        return self.analysis.cpu + self.finish.cpu

    def to_json(self) -> dict[str, Any]:
        """By kind of work; the share in millionths, unless it is all."""
        share = {} if self.share == 1.0 else {"share": round(self.share * MICRO)}
        return {"analysis": self.analysis.to_json(), "finish": self.finish.to_json(), **share}

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> JobUsage:
        """What `to_json` wrote."""
        share = int(form.get("share", MICRO)) / MICRO
        return JobUsage(Usage.from_json(form["analysis"]), Usage.from_json(form["finish"]), share)


def _merge(mine: Mapping[str, ModelUsage], others: Mapping[str, ModelUsage]) -> dict[str, ModelUsage]:
    return {name: mine.get(name, ModelUsage()) + others.get(name, ModelUsage()) for name in {**mine, **others}}
