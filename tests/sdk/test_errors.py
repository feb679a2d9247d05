"""The tree of errors is that of the codes."""

from __future__ import annotations

import re

import pytest

import reelscan
from chalicelib.domain.errors import TITLE_BY_CODE, ErrorCode
from reelscan import errors
from reelscan.records import Failure


def test_every_code_has_a_class_and_no_class_is_without_a_code() -> None:
    assert set(errors.Problem.by_code) == {str(code) for code in ErrorCode}


@pytest.mark.parametrize("code", ErrorCode)
def test_a_failure_is_raised_as_the_class_of_its_code(code: ErrorCode) -> None:
    failure = Failure(code=code, title=TITLE_BY_CODE[code], detail="why", hint="what to do")
    problem = reelscan.problem_of(failure)
    assert type(problem) is errors.Problem.by_code[code] is getattr(reelscan, type(problem).__name__)
    assert (problem.code, problem.title, str(problem), problem.hint) == (code, failure.title, "why", "what to do")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^    ([│ ]*)(?:[├└]── )?(\w+) ", errors.__doc__ or "", flags=re.MULTILINE)
    drawn_depth = {name: 0 if name == "ReelscanError" else len(bars) // 4 + 1 for bars, name in drawn}
    classes = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ReelscanError)
    ]
    depth = {kind.__name__: kind.__mro__.index(errors.ReelscanError) for kind in classes}
    assert drawn_depth == depth


def test_the_codes_in_the_docstring_are_the_codes() -> None:
    drawn = dict(re.findall(r"── (\w+) +([A-Z_]{5,})$", errors.__doc__ or "", flags=re.MULTILINE))
    assert drawn == {kind.__name__: code for code, kind in errors.Problem.by_code.items()}
