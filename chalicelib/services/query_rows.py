"""Queries about rows: one walk over the blocks that can matter, and a fold over its rows."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from chalicelib.domain.query.appearances import AppearancePairsFold, AppearancesFold
from chalicelib.domain.query.ast import Appearances, Count, Detections, Pairs, Relation
from chalicelib.domain.query.folds import Batches, CountFold, DetectionsFold, Fold, FramePairsFold
from chalicelib.domain.sampling import gap_seconds
from chalicelib.services.query_page import Filling, Source, either
from chalicelib.services.rows import RowFilter
from chalicelib.services.walk import Walk

RowQuery = Detections | Appearances | Count | Pairs


def fold_rows(source: Source, query: RowQuery, page: Filling, state: Any | None) -> Any | None:
    """Fill the page; the state to go on with, None at the end.

    A state is [position of the walk, state of the fold, how much of the next batch was given, whether the walk ended].
    """
    position, fold_state, skip, has_ended = state or (None, None, 0, False)
    fold, row_filter, row_steps = _make_fold(source, query, fold_state)
    if not has_ended and not fold.is_done:
        walk = Walk(source.ports, source.job, source.video, row_filter, blocks_budget=page.blocks_left)
        before, is_cut, rows_steps = position, False, 0
        for row in walk.rows(position):
            taken, skip = _take(page, fold.take(row, before), skip)
            if taken is not None:
                return [*(fold.held_from or (before,)), fold.state(), taken, False]
            before = walk.position
            rows_steps += row_steps
            # A page that ended where it began would never get on: a frame that is held is finished whatever it takes.
            has_moved = (fold.held_from or (before,)) != (position,)
            is_cut = page.is_full or (has_moved and fold.steps + rows_steps >= page.steps_left)
            if is_cut or fold.is_done:
                break
        page.steps_left -= fold.steps + rows_steps
        page.blocks_left = walk.blocks_left
        if walk.is_exhausted:
            taken, skip = _take(page, fold.pause(), skip)
            return [*(fold.held_from or (walk.position,)), fold.state(), taken or 0, False]
        if is_cut and not fold.is_done:
            return [*(fold.held_from or (before,)), fold.state(), 0, False]
    taken, _ = _take(page, fold.finish(), skip)
    if taken is None:
        return None
    return [*(fold.held_from or (None,)), fold.state(), taken, fold.held_from is None]


def _take(page: Filling, batches: Batches, skip: int) -> tuple[int | None, int]:
    """How much of a batch fitted (None: all of all), and how much of the next batch is to be skipped."""
    for batch in batches:
        taken = page.take(batch, skip)
        if taken is not None:
            return taken, 0
        skip = 0
    return None, skip


def _make_fold(source: Source, query: RowQuery, state: Any | None) -> tuple[Fold, RowFilter, int]:
    """The fold, the rows that it must see, and what each of them takes of the steps of a page."""
    timebase = source.timebase
    if isinstance(query, Pairs):
        left, right = source.ask(query.left.where), source.ask(query.right.where)
        rows, row_steps = either(left.rows, right.rows), left.row_steps + right.row_steps
        if query.relation is Relation.TOGETHER:
            return FramePairsFold(left.test, right.test, query.within), rows, row_steps
        within_ticks = math.floor((query.within or 0) / timebase)
        gap_ticks = _gap_ticks(source, query.gap)
        pairs = AppearancePairsFold(
            query.relation, left.test, right.test, gap_ticks=gap_ticks, within_ticks=within_ticks, state=state
        )
        return pairs, rows, row_steps
    asked = source.ask(query.of.where if isinstance(query, Count) else query.where)
    match query:
        case Detections():
            return DetectionsFold(asked.test), asked.rows, asked.row_steps
        case Appearances():
            gap_ticks = _gap_ticks(source, query.gap)
            return AppearancesFold(asked.test, gap_ticks, query.ranking, state), asked.rows, asked.row_steps
        case Count():
            width, by_label = query.width, query.by_label
            fold = CountFold(asked.test, timebase=timebase, width=width, by_label=by_label, state=state)
            return fold, asked.rows, asked.row_steps


def _gap_ticks(source: Source, gap: Fraction | None) -> int:
    seconds = gap_seconds(source.job.request.sampling) if gap is None else gap
    return math.floor(seconds / source.timebase)
