"""Exit codes mirror the problem codes, and keep their meaning."""

from __future__ import annotations

import pytest

import reelscan
from chalicelib.domain.errors import ErrorCode
from reelscan.cli import exit_codes
from reelscan.cli.sending import exit_code_of_job
from reelscan.reading import read_record
from reelscan.records import Failure, Job
from tests.sdk.fake_service import Json, make_job

ERROR: Json = {"code": "MALFORMED", "title": "T", "detail": "D", "hint": "H"}


def test_every_code_has_an_exit_code_of_its_own() -> None:
    assert list(exit_codes.BY_CODE) == [str(code) for code in ErrorCode]
    given = [*exit_codes.BY_CODE.values(), *exit_codes.BY_ERROR.values(), exit_codes.OTHER, exit_codes.FILE_PROBLEM]
    assert len(set(given)) == len(given)
    assert all(2 < number < 126 for number in given[:-2]), "what shells do not use themselves"


@pytest.mark.parametrize(("name", "number"), list(exit_codes.BY_ERROR.items()))
def test_errors_that_are_no_answer_of_the_service_have_one_too(name: str, number: int) -> None:
    assert exit_codes.exit_code_of(getattr(reelscan, name)("why")) == number


def test_a_code_that_is_newer_than_the_package_is_a_failure_like_any_other() -> None:
    newer = Failure(code="TOO_LOUD", title="T", detail="D", hint="H")
    assert exit_codes.exit_code_of(reelscan.problem_of(newer)) == exit_codes.OTHER


@pytest.mark.parametrize(
    ("job", "number"),
    [
        (make_job(), 0),
        (make_job("FAILED", error=ERROR), 22),
        (make_job("PARTIAL", missing=[{"start_seconds": 0, "end_seconds": 1, "error": ERROR}]), 22),
        (make_job("CANCELLED"), 35),
    ],
)
def test_a_job_ends_the_command_with_the_code_of_its_error(job: Json, number: int) -> None:
    assert exit_code_of_job(read_record(Job, job)) == number
