"""Bent boxes: a result or `BadInput`, soon, and in little memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.video.fuzz_boxes import read_seeds, run


def test_bent_boxes_give_a_table_or_a_typed_refusal(corpus: dict[str, Path]) -> None:
    ends = run(read_seeds(corpus), 2000, seed=1, watch_memory=False)
    assert ends["table"] > 200
    assert ends["refused MALFORMED"] > 200


def test_bent_boxes_take_no_more_memory_than_stated(corpus: dict[str, Path]) -> None:
    run(read_seeds(corpus), 300, seed=2, watch_memory=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_bent_boxes(corpus: dict[str, Path]) -> None:
    run(read_seeds(corpus), 100_000, seed=3, watch_memory=True)
