"""Reads which label each column of a network's scores stands for."""

from __future__ import annotations

from pathlib import Path

from gpu_batch.compiler.coco import COCO_LABELS, COCO_NUMBERS

BUILT_IN_LABELS = frozenset({"coco", "coco-91"})
_NO_LABEL = frozenset({"", "n/a", "background", "__background__", "no-object"})


def read_columns(source: str) -> tuple[str | None, ...]:
    """The columns of a label file, one a line; or `coco` (80 columns), or `coco-91` (by COCO's numbers 0..90).

    A line that is empty, or says N/A or background, is a column of no label.
    """
    if source == "coco":
        return COCO_LABELS
    if source == "coco-91":
        label_by_number = dict(zip(COCO_NUMBERS, COCO_LABELS, strict=True))
        return tuple(label_by_number.get(number) for number in range(91))
    lines = [line.strip() for line in Path(source).read_text(encoding="utf-8").splitlines()]
    return tuple(None if line.lower() in _NO_LABEL else line for line in lines)
