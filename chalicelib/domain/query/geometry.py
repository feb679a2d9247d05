"""Points, polygons and lines, exactly: in whole numbers of 1/20000 pixel.

Both the thirty-seconds of the middle of a box and the four decimals of a query are multiples of that. y grows
downward. For somebody who looks from a line's start to its end, a point to the right has a positive `side_of`.
"""

from __future__ import annotations

from chalicelib.domain.query.ast import Anchor, Direction, Line, Point, Polygon
from chalicelib.domain.query.rows import BOX_UNITS, Box

UNITS = 20_000
"""To a pixel."""
_PER_HALF_BOX_UNIT = UNITS // (2 * BOX_UNITS)
GridPoint = tuple[int, int]


def grid_point(point: Point) -> GridPoint:
    """The point in 1/20000 pixel."""
    return (int(point.x * UNITS), int(point.y * UNITS))


def anchor_point(anchor: Anchor, box: Box) -> GridPoint:
    """The point that stands for a box."""
    x1, y1, x2, y2 = box
    doubled_y = 2 * y2 if anchor is Anchor.FEET else y1 + y2
    return ((x1 + x2) * _PER_HALF_BOX_UNIT, doubled_y * _PER_HALF_BOX_UNIT)


class Area:
    """A polygon, ready to be asked many times."""

    def __init__(self, polygon: Polygon) -> None:
        points = [grid_point(point) for point in polygon.points]
        self._edges = list(zip(points, points[1:] + points[:1], strict=True))
        self._left, self._right = min(x for x, _ in points), max(x for x, _ in points)
        self._top, self._bottom = min(y for _, y in points), max(y for _, y in points)

    def contains(self, point: GridPoint) -> bool:
        """Whether the point is inside, by the even-odd rule, or on the border."""
        x, y = point
        if not (self._left <= x <= self._right and self._top <= y <= self._bottom):
            return False
        is_inside = False
        for (ax, ay), (bx, by) in self._edges:
            side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            if side == 0 and min(ax, bx) <= x <= max(ax, bx) and min(ay, by) <= y <= max(ay, by):
                return True
            # A ray to the right: an edge counts from its upper end on, without its lower one.
            if (ay <= y) != (by <= y) and (side > 0) == (by > ay):
                is_inside = not is_inside
        return is_inside


def side_of(start: GridPoint, end: GridPoint, point: GridPoint) -> int:
    """Positive to the right of the way from start to end, negative to the left, 0 on it."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


class Gate:
    """A line that can be crossed, ready to be asked many times."""

    def __init__(self, line: Line, direction: Direction | None) -> None:
        self._start, self._end = grid_point(line.start), grid_point(line.end)
        self._direction = direction

    def is_crossed(self, origin: GridPoint, target: GridPoint) -> bool:
        """Whether the way from origin to target leads over the line, its ends included.

        A point on the line counts as right of it, so that a way with a stop on the line crosses it once.
        """
        was_right = side_of(self._start, self._end, origin) >= 0
        is_right = side_of(self._start, self._end, target) >= 0
        if was_right == is_right:
            return False
        if self._direction is not None and is_right != (self._direction is Direction.LEFT_TO_RIGHT):
            return False
        start_side, end_side = side_of(origin, target, self._start), side_of(origin, target, self._end)
        return (start_side >= 0) != (end_side >= 0) or start_side == 0 or end_side == 0


def box_distance_squared(left: Box, right: Box) -> int:
    """The square of the shortest distance between two boxes, in the boxes' unit; 0 when they touch."""
    across = max(0, left[0] - right[2], right[0] - left[2])
    down = max(0, left[1] - right[3], right[1] - left[3])
    return across * across + down * down
