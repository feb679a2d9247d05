"""From tree to text: the one way to write a query. `parse_query(format_query(query)) == query`."""

from __future__ import annotations

from fractions import Fraction

from chalicelib.domain.query.ast import (
    Anchor,
    And,
    Appearances,
    Condition,
    Count,
    Crosses,
    Detections,
    Dwells,
    Inside,
    LabelIn,
    ModelIn,
    Not,
    Or,
    Pairs,
    PerTrack,
    Point,
    Query,
    Relation,
    ScoreIs,
    TimeIn,
    TimeIs,
    TrackIn,
    Tracks,
)


def format_query(query: Query) -> str:
    """The text of a query."""
    match query:
        case Detections():
            return "detections" + _where(query.where)
        case Tracks():
            return "tracks" + _where(query.where, query.crossings)
        case Appearances():
            ranking = f" {query.ranking.order} {query.ranking.count}" if query.ranking else ""
            return "appearances" + _where(query.where) + _duration("gap", query.gap) + ranking
        case PerTrack():
            return f"{query.choice} detection per track" + _where(query.where)
        case Count():
            groups = [f"{format_number(query.width)}s"] if query.width is not None else []
            groups += ["label"] if query.by_label else []
            return f"count {format_query(query.of)}" + (" by " + ", ".join(groups) if groups else "")
        case Dwells():
            longest = f" longest {query.longest}" if query.longest else ""
            inside = format_condition(query.region)
            return f"dwell {inside}" + _where(query.where) + _duration("at least", query.at_least) + longest
        case Pairs():
            unit = "px" if query.relation is Relation.TOGETHER else "s"
            within = f" within {format_number(query.within)}{unit}" if query.within is not None else ""
            sides = f"{format_query(query.left)} {query.relation} {format_query(query.right)}"
            return sides + within + _duration("gap", query.gap)


def format_condition(condition: Condition | Crosses) -> str:
    """The text of a condition."""
    match condition:
        case LabelIn():
            return "label" + _one_of([_name(name) for name in condition.names])
        case ModelIn():
            return "model" + _one_of([_name(name) for name in condition.names])
        case TrackIn():
            return "track" + _one_of([str(track_id) for track_id in condition.ids])
        case ScoreIs():
            return f"score {condition.comparison} {format_number(condition.score)}"
        case TimeIs():
            return f"time {condition.comparison} {format_number(condition.seconds)}s"
        case TimeIn():
            return f"time in [{format_number(condition.start)}s, {format_number(condition.end)}s)"
        case Inside():
            return f"{_anchor(condition.anchor)}inside polygon({_points(condition.polygon.points)})"
        case Crosses():
            points = _points((condition.line.start, condition.line.end))
            direction = f" {condition.direction}" if condition.direction else ""
            return f"{_anchor(condition.anchor)}crosses line({points}){direction}"
        case Not():
            return f"not {_part(condition.part)}"
        case And():
            return " and ".join(map(_part, condition.parts))
        case Or():
            return " or ".join(map(_part, condition.parts))


def format_number(number: Fraction) -> str:
    """A number of few decimals, exactly."""
    sign = "-" if number < 0 else ""
    whole, rest = divmod(abs(number), 1)
    decimals = ""
    while rest:
        digit, rest = divmod(rest * 10, 1)
        decimals += str(digit)
    return f"{sign}{whole}" + (f".{decimals}" if decimals else "")


def _where(condition: Condition | None, crossings: tuple[Crosses, ...] = ()) -> str:
    # What is joined by `or` needs parentheses beside a line, which is joined by `and`.
    is_apart = bool(crossings) and isinstance(condition, Or)
    parts = (
        [] if condition is None else [f"({format_condition(condition)})" if is_apart else format_condition(condition)]
    )
    parts += map(format_condition, crossings)
    return " where " + " and ".join(parts) if parts else ""


def _part(condition: Condition) -> str:
    text = format_condition(condition)
    return f"({text})" if isinstance(condition, And | Or) else text


def _one_of(values: list[str]) -> str:
    return f" = {values[0]}" if len(values) == 1 else f" in ({', '.join(values)})"


def _name(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _anchor(anchor: Anchor) -> str:
    return "" if anchor is Anchor.FEET else f"{anchor} "


def _points(points: tuple[Point, ...]) -> str:
    return ", ".join(f"({format_number(point.x)}, {format_number(point.y)})" for point in points)


def _duration(word: str, seconds: Fraction | None) -> str:
    return "" if seconds is None else f" {word} {format_number(seconds)}s"
