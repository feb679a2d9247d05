"""From text to tree: a parser by recursive descent, one method for each rule of the grammar in docs/query.md."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.query.ast import (
    MAX_NESTING,
    Anchor,
    And,
    Appearances,
    Choice,
    Comparison,
    Condition,
    Count,
    Crosses,
    Detections,
    Direction,
    Dwells,
    Inside,
    LabelIn,
    Line,
    ModelIn,
    Not,
    Or,
    Order,
    Pairs,
    PerTrack,
    Point,
    Polygon,
    Query,
    Ranking,
    Relation,
    ScoreIs,
    TimeIn,
    TimeIs,
    TrackIn,
    Tracks,
)
from chalicelib.domain.query.tokens import HINT, Token, TokenKind, find_tokens, refusal

Made = TypeVar("Made")
COMPARISONS = {comparison.value: comparison for comparison in Comparison}
ANCHORS = {anchor.value: anchor for anchor in Anchor}
CHOICES = {choice.value: choice for choice in Choice}
ORDERS = {order.value: order for order in Order}
RELATIONS = {
    "before": Relation.BEFORE,
    "overlaps": Relation.OVERLAPS,
    "during": Relation.DURING,
    "together": Relation.TOGETHER,
}
QUERIES = "detections, tracks, appearances, count, dwell, or best, largest, first or last detection per track"
CONDITIONS = "a condition on label, model, track, score or time, or inside"
CROSSES_HINT = (
    "Ask for tracks (or count tracks), and join crosses to the other conditions by `and`, outside of parentheses"
)


@lru_cache(maxsize=128)
def parse_query(text: str) -> Query:
    """The query that a text says; remembered, since the pages of an answer repeat it.

    Raises:
        InvalidRequest: it says none; the message has what was expected, what came, and at which character.
    """
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(find_tokens(text))
        self._next = 0
        self._nesting = 0

    # --- queries -----------------------------------------------------------------------------------------------------

    def query(self) -> Query:
        start = self._peek()
        query = self._query()
        if self._peek().kind is not TokenKind.END:
            raise self._refusal("the end")
        assert start.kind is TokenKind.WORD
        return query

    def _query(self) -> Query:
        token = self._peek()
        if token.kind is TokenKind.WORD:
            if token.text in ("detections", "tracks", "appearances"):
                return self._selection_or_pairs()
            if token.text in CHOICES:
                return self._per_track()
            if token.text == "count":
                return self._count()
            if token.text == "dwell":
                return self._dwells()
        raise self._refusal(QUERIES)

    def _selection_or_pairs(self) -> Query:
        start = self._peek()
        left = self._selection()
        token = self._peek()
        if token.kind is TokenKind.WORD and token.text in RELATIONS:
            return self._pairs(start, left)
        if not isinstance(left, Appearances):
            return left
        gap = self._duration() if self._accept("gap") else None
        ranking = None
        token = self._peek()
        if token.kind is TokenKind.WORD and token.text in ORDERS:
            self._take()
            count = self._whole_number()
            ranking = self._make(token, lambda: Ranking(ORDERS[token.text], count))
        return self._make(start, lambda: Appearances(left.where, gap, ranking))

    def _selection(self) -> Detections | Tracks | Appearances:
        token = self._peek()
        if self._accept("detections"):
            where = self._where()
            return self._make(token, lambda: Detections(where))
        if self._accept("tracks"):
            crossings: list[Crosses] = []
            where = self._where(crossings)
            return self._make(token, lambda: Tracks(where, tuple(crossings)))
        if self._accept("appearances"):
            where = self._where()
            return self._make(token, lambda: Appearances(where))
        raise self._refusal("detections, tracks or appearances")

    def _pairs(self, start: Token, left: Detections | Tracks | Appearances) -> Pairs:
        relation = RELATIONS[self._take().text]
        if relation is Relation.TOGETHER:
            self._expect_word("with")
        right = self._selection()
        within = None
        if self._accept("within"):
            kind = TokenKind.PIXELS if relation is Relation.TOGETHER else TokenKind.DURATION
            within = self._quantity(kind)
        gap = self._duration() if self._accept("gap") else None
        return self._make(start, lambda: Pairs(left, relation, right, within, gap))

    def _per_track(self) -> PerTrack:
        start = self._take()
        for word in ("detection", "per", "track"):
            self._expect_word(word)
        where = self._where()
        return self._make(start, lambda: PerTrack(CHOICES[start.text], where))

    def _count(self) -> Count:
        start = self._take()
        of = self._selection()
        if isinstance(of, Appearances):
            raise refusal("detections or tracks", "appearances", start.position)
        width: Fraction | None = None
        by_label = False
        if self._accept("by"):
            while True:
                token = self._peek()
                if not by_label and self._accept("label"):
                    by_label = True
                elif width is None and token.kind is TokenKind.DURATION:
                    width = self._duration()
                else:
                    raise self._refusal("label or a duration, each once")
                if not self._accept_sign(","):
                    break
        return self._make(start, lambda: Count(of, width, by_label))

    def _dwells(self) -> Dwells:
        start = self._take()
        anchor = self._anchor()
        if self._peek().text != "inside":
            raise self._refusal("inside")
        region = self._inside(anchor)
        where = self._where()
        at_least, longest = None, None
        if self._accept("at"):
            self._expect_word("least")
            at_least = self._duration()
        if self._accept("longest"):
            longest = self._whole_number()
        return self._make(start, lambda: Dwells(region, where, at_least, longest))

    # --- conditions --------------------------------------------------------------------------------------------------

    def _where(self, crossings: list[Crosses] | None = None) -> Condition | None:
        """The condition after `where`; lines that must be crossed go to `crossings`, where there is such a list."""
        if not self._accept("where"):
            return None
        parts: list[Condition] = []
        while True:
            if crossings is not None and self._is_at_crosses():
                crossings.append(self._crosses())
            else:
                parts.append(self._unary())
            if not self._accept("and"):
                break
        if self._peek().text == "or" and self._peek().kind is TokenKind.WORD:
            if crossings:
                raise self._refusal("the end of conditions that are joined by `and`", hint=CROSSES_HINT)
            return self._rest_of_or(self._joined(And, parts))
        return self._joined(And, parts) if parts else None

    def _or(self) -> Condition:
        return self._rest_of_or(self._and())

    def _rest_of_or(self, first: Condition) -> Condition:
        parts = [first]
        while self._accept("or"):
            parts.append(self._and())
        return self._joined(Or, parts)

    def _and(self) -> Condition:
        parts = [self._unary()]
        while self._accept("and"):
            parts.append(self._unary())
        return self._joined(And, parts)

    def _unary(self) -> Condition:
        token = self._peek()
        if self._accept("not"):
            return Not(self._deeper(token, self._unary))
        if self._accept_sign("("):
            inner = self._deeper(token, self._or)
            self._expect_sign(")")
            return inner
        return self._comparison()

    def _deeper(self, token: Token, rule: Callable[[], Condition]) -> Condition:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise refusal(f"conditions nested at most {MAX_NESTING} deep", "one more", token.position)
        made = rule()
        self._nesting -= 1
        return made

    def _comparison(self) -> Condition:
        token = self._peek()
        if token.kind is not TokenKind.WORD:
            raise self._refusal(CONDITIONS)
        if self._is_at_crosses():
            raise self._refusal(CONDITIONS, hint=CROSSES_HINT)
        if token.text in ANCHORS or token.text == "inside":
            return self._inside(self._anchor())
        match token.text:
            case "label":
                return self._names(LabelIn)
            case "model":
                return self._names(ModelIn)
            case "track":
                return self._tracks()
            case "score":
                return self._score()
            case "time":
                return self._time()
            case _:
                raise self._refusal(CONDITIONS)

    def _names(self, made_of: type[LabelIn] | type[ModelIn]) -> Condition:
        token = self._take()
        names, is_negated = self._values(self._name)
        found = self._make(token, lambda: made_of(names))
        return Not(found) if is_negated else found

    def _tracks(self) -> Condition:
        token = self._take()
        ids, is_negated = self._values(self._whole_number)
        found = self._make(token, lambda: TrackIn(ids))
        return Not(found) if is_negated else found

    def _values(self, value: Callable[[], Made]) -> tuple[tuple[Made, ...], bool]:
        """What a thing is compared with, and whether it must be none of it."""
        if self._accept("in"):
            self._expect_sign("(")
            values = [value()]
            while self._accept_sign(","):
                values.append(value())
            self._expect_sign(")")
            return tuple(values), False
        if self._accept_sign("!="):
            return (value(),), True
        if self._accept_sign("="):
            return (value(),), False
        raise self._refusal("=, != or in")

    def _score(self) -> Condition:
        token = self._take()
        return self._compared(token, lambda comparison: ScoreIs(comparison, self._quantity(TokenKind.NUMBER)))

    def _time(self) -> Condition:
        token = self._take()
        if not self._accept("in"):
            return self._compared(token, lambda comparison: TimeIs(comparison, self._duration()))
        self._expect_sign("[")
        start = self._duration()
        self._expect_sign(",")
        end = self._duration()
        # Windows are half-open everywhere, and this is where people try something else.
        self._expect_sign(")")
        return self._make(token, lambda: TimeIn(start, end))

    def _compared(self, token: Token, made_of: Callable[[Comparison], Condition]) -> Condition:
        sign = self._peek()
        if sign.kind is not TokenKind.SIGN or (sign.text not in COMPARISONS and sign.text != "!="):
            raise self._refusal("=, !=, <, <=, > or >=")
        self._take()
        if sign.text == "!=":
            return Not(self._make(token, lambda: made_of(Comparison.EQUAL)))
        return self._make(token, lambda: made_of(COMPARISONS[sign.text]))

    # --- regions -----------------------------------------------------------------------------------------------------

    def _anchor(self) -> Anchor:
        token = self._peek()
        if token.kind is TokenKind.WORD and token.text in ANCHORS:
            self._take()
            return ANCHORS[token.text]
        return Anchor.FEET

    def _is_at_crosses(self) -> bool:
        skipped = self._peek().kind is TokenKind.WORD and self._peek().text in ANCHORS
        token = self._tokens[self._next + skipped]
        return token.kind is TokenKind.WORD and token.text == "crosses"

    def _inside(self, anchor: Anchor) -> Inside:
        self._expect_word("inside")
        token = self._peek()
        self._expect_word("polygon")
        points = self._points()
        return Inside(anchor, self._make(token, lambda: Polygon(points)))

    def _crosses(self) -> Crosses:
        anchor = self._anchor()
        self._expect_word("crosses")
        token = self._peek()
        self._expect_word("line")
        points = self._points()
        if len(points) != 2:
            raise refusal("a line of 2 points", f"{len(points)}", token.position)
        line = self._make(token, lambda: Line(*points))
        direction = None
        if self._accept("left"):
            direction = Direction.LEFT_TO_RIGHT
        elif self._accept("right"):
            direction = Direction.RIGHT_TO_LEFT
        if direction is not None:
            for word in direction.value.split()[1:]:
                self._expect_word(word)
        return Crosses(anchor, line, direction)

    def _points(self) -> tuple[Point, ...]:
        self._expect_sign("(")
        points = [self._point()]
        while self._accept_sign(","):
            points.append(self._point())
        self._expect_sign(")")
        return tuple(points)

    def _point(self) -> Point:
        token = self._peek()
        self._expect_sign("(")
        x = self._quantity(TokenKind.NUMBER)
        self._expect_sign(",")
        y = self._quantity(TokenKind.NUMBER)
        self._expect_sign(")")
        return self._make(token, lambda: Point(x, y))

    # --- tokens ------------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        if self._peek().kind is not TokenKind.NAME:
            raise self._refusal(TokenKind.NAME)
        return self._take().text

    def _whole_number(self) -> int:
        token = self._peek()
        if token.kind is not TokenKind.NUMBER or token.number.denominator != 1 or "." in token.text:
            raise self._refusal("a whole number")
        return int(self._take().number)

    def _duration(self) -> Fraction:
        return self._quantity(TokenKind.DURATION)

    def _quantity(self, kind: TokenKind) -> Fraction:
        if self._peek().kind is not kind:
            raise self._refusal(kind)
        return self._take().number

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _accept(self, word: str) -> bool:
        return self._accept_token(TokenKind.WORD, word)

    def _accept_sign(self, sign: str) -> bool:
        return self._accept_token(TokenKind.SIGN, sign)

    def _accept_token(self, kind: TokenKind, text: str) -> bool:
        token = self._peek()
        if token.kind is not kind or token.text != text:
            return False
        self._next += 1
        return True

    def _expect_word(self, word: str) -> None:
        if not self._accept(word):
            raise self._refusal(word)

    def _expect_sign(self, sign: str) -> None:
        if not self._accept_sign(sign):
            raise self._refusal(sign)

    def _joined(self, made_of: type[And] | type[Or], parts: list[Condition]) -> Condition:
        return parts[0] if len(parts) == 1 else made_of(tuple(parts))

    def _make(self, token: Token, make: Callable[[], Made]) -> Made:
        """What `make` gives; what it refuses is said to stand at the token."""
        try:
            return make()
        except ValueError as error:
            raise InvalidRequest(f"q: {error}, at character {token.position + 1}", hint=HINT) from None

    def _refusal(self, expected: str, *, hint: str | None = None) -> InvalidRequest:
        token = self._peek()
        error = refusal(expected, token.shown, token.position)
        return InvalidRequest(error.failure.detail, hint=hint) if hint else error
