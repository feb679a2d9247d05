"""The words, names, numbers and signs that the text of a query is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from chalicelib.domain.errors import InvalidRequest

MAX_CHARS = 4096
HINT = "docs/query.md has the grammar, with an example of everything"
SHOWN_CHARS = 40


class TokenKind(StrEnum):
    """What a token is, in the words of a message."""

    WORD = "a word"
    NAME = "a name in double quotes"
    NUMBER = "a number"
    DURATION = "a duration such as 10s, 1m20s or 250ms"
    PIXELS = "a distance such as 80px"
    SIGN = "a sign"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """One token and where it stands."""

    kind: TokenKind
    text: str
    position: int
    """Characters before it."""
    number: Fraction = Fraction(0)
    """Of a number; seconds of a duration; pixels of a distance."""

    @property
    def shown(self) -> str:
        """The token in a message."""
        if self.kind is TokenKind.END:
            return "the end"
        return self.text if len(self.text) <= SHOWN_CHARS else self.text[:SHOWN_CHARS] + "…"


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>[A-Za-z_]+)
      | (?P<name>"(?:[^"\\]|\\["\\])*")
      | (?P<quantity>-?[0-9][0-9A-Za-z_.]*)
      | (?P<sign><=|>=|!=|[<>=()\[\],])
    )""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_PIXELS = re.compile(r"([0-9]+(?:\.[0-9]+)?)px")
_DURATION = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+(?:\.[0-9]+)?)s)?")
_MILLISECONDS = re.compile(r"([0-9]+)ms")


def find_tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, an `END` last; words in lower case, names without their quotes.

    Raises:
        InvalidRequest: something that is none.
    """
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"a query must have at most {MAX_CHARS} characters but got {len(text)}", hint=HINT)
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            break
        assert match.lastgroup is not None
        yield _token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
        position = match.end()
    rest = _SPACE.match(text, position)
    position = rest.end() if rest else position
    if position < len(text):
        wanted = "a closing quote" if text[position] == '"' else "a word, a name, a number or a sign"
        raise refusal(wanted, text[position : position + SHOWN_CHARS], position)
    yield Token(TokenKind.END, "", position)


def refusal(expected: str, got: str, position: int) -> InvalidRequest:
    """The error that says what was expected, what came, and where."""
    return InvalidRequest(f"q: expected {expected} but got {got} at character {position + 1}", hint=HINT)


def _token(group: str, text: str, position: int) -> Token:
    match group:
        case "word":
            return Token(TokenKind.WORD, text.lower(), position)
        case "name":
            name = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
            if any("\ud800" <= character <= "\udfff" for character in name):
                raise refusal("a name of whole characters", "half of a surrogate pair", position)
            return Token(TokenKind.NAME, name, position)
        case "quantity":
            return _quantity(text, position)
        case _:
            return Token(TokenKind.SIGN, text, position)


def _quantity(text: str, position: int) -> Token:
    if _NUMBER.fullmatch(text):
        return Token(TokenKind.NUMBER, text, position, Fraction(text))
    if match := _PIXELS.fullmatch(text):
        return Token(TokenKind.PIXELS, text, position, Fraction(match[1]))
    if match := _MILLISECONDS.fullmatch(text):
        return Token(TokenKind.DURATION, text, position, Fraction(int(match[1]), 1000))
    if match := _DURATION.fullmatch(text):
        hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
        return Token(TokenKind.DURATION, text, position, hours * 3600 + minutes * 60 + seconds)
    raise refusal(
        "a number, a duration such as 1m20s or 250ms, or a distance such as 80px", text[:SHOWN_CHARS], position
    )
