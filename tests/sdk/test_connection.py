"""Requests, their retries, and refusals as errors; in both worlds."""

from __future__ import annotations

import httpx
import pytest

import reelscan
from reelscan import Retries
from reelscan.records import Job
from tests.sdk.answers import BASE_URL, TOKEN, Answers, Clock, in_async_client, make_client, ok, problem
from tests.sdk.fake_service import make_job, make_video

JOB = {"job": make_job()}
LOST = httpx.ReadTimeout("no answer")


def test_the_token_is_sent() -> None:
    answers = Answers(ok(JOB))
    make_client(answers).jobs.get("job_1")
    assert answers.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert str(answers.requests[0].url) == f"{BASE_URL}/jobs/job_1"


def test_an_answer_of_a_newer_service_is_read() -> None:
    newer = {"job": {**make_job(), "mood": "good", "plan": {"segments": 1, "cells": 2, "colour": "red"}}}
    job = make_client(Answers(ok(newer))).jobs.get("job_1")
    assert job.plan is not None
    assert (job.job_id, job.plan.cells, job.created_at.year) == ("job_1", 2, 2026)


@pytest.mark.parametrize("trouble", [LOST, problem("INTERNAL", 503), httpx.Response(502), problem("INTERNAL", 500)])
def test_trouble_that_may_pass_is_tried_again(trouble: httpx.Response | httpx.TransportError) -> None:
    clock = Clock()
    answers = Answers(trouble, trouble, ok(JOB))
    assert make_client(answers, clock).jobs.get("job_1").job_id == "job_1"
    assert len(clock.sleeps) == 2
    assert all(0 <= pause <= bound for pause, bound in zip(clock.sleeps, (0.5, 1.0), strict=True))


def test_every_try_of_a_post_has_the_same_key_and_another_post_another() -> None:
    answers = Answers(LOST, LOST, ok(JOB), ok(JOB))
    client = make_client(answers)
    client.jobs.cancel("job_1")
    client.jobs.cancel("job_1")
    *tries, other = [request.headers["Idempotency-Key"] for request in answers.requests]
    assert len(set(tries)) == 1
    assert other != tries[0]


def test_a_get_has_no_key() -> None:
    answers = Answers(ok(JOB))
    make_client(answers).jobs.get("job_1")
    assert "Idempotency-Key" not in answers.requests[0].headers


def test_the_service_says_how_long_to_wait() -> None:
    clock = Clock()
    make_client(Answers(problem("LIMIT_EXCEEDED", 429, retry_after="7"), ok(JOB)), clock).jobs.get("job_1")
    assert clock.sleeps == [7.0]


def test_pauses_double_up_to_a_bound() -> None:
    retries = Retries(tries=9, base_seconds=1.0, cap_seconds=5.0)
    assert [retries.pause_seconds(n, chance=lambda: 1.0) for n in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]


def test_what_never_answers_is_unreachable_in_the_end() -> None:
    answers = Answers(LOST)
    with pytest.raises(reelscan.ServiceUnreachable, match=f"GET {BASE_URL}/jobs/job_1: no answer"):
        make_client(answers, tries=3).jobs.get("job_1")
    assert len(answers.requests) == 3


def test_a_refusal_is_tried_once() -> None:
    answers = Answers(problem("NOT_FOUND", 404))
    with pytest.raises(reelscan.NotFound) as caught:
        make_client(answers).jobs.get("job_1")
    assert len(answers.requests) == 1
    assert (caught.value.status, caught.value.title, caught.value.detail, caught.value.hint) == (404, "T", "D", "H")


def test_a_first_request_that_is_still_at_work_is_waited_for() -> None:
    answers = Answers(LOST, problem("CONFLICT", 409), ok(JOB))
    assert make_client(answers).jobs.cancel("job_1").job_id == "job_1"


def test_a_conflict_at_the_first_try_is_one() -> None:
    answers = Answers(problem("CONFLICT", 409))
    with pytest.raises(reelscan.Conflict):
        make_client(answers).jobs.cancel("job_1")
    assert len(answers.requests) == 1


def test_a_code_that_is_newer_than_the_package_is_a_problem() -> None:
    with pytest.raises(reelscan.Problem) as caught:
        make_client(Answers(problem("TOO_LOUD", 400))).jobs.get("job_1")
    assert type(caught.value) is reelscan.Problem
    assert caught.value.code == "TOO_LOUD"


@pytest.mark.parametrize("answer", [ok([1]), ok({"job": {"job_id": "job_1"}}), httpx.Response(200, text="<html>")])
def test_what_no_service_answers_is_named(answer: httpx.Response) -> None:
    with pytest.raises(reelscan.UnexpectedAnswer):
        make_client(Answers(answer)).jobs.get("job_1")


def test_an_error_page_of_something_else_is_shown() -> None:
    with pytest.raises(reelscan.UnexpectedAnswer, match="answered 404: 'nginx'"):
        make_client(Answers(httpx.Response(404, text="nginx"))).jobs.get("job_1")


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELSCAN_URL", "https://elsewhere.test/v1/")
    monkeypatch.setenv("REELSCAN_TOKEN", "from-the-environment")
    answers = Answers(ok(JOB))
    with reelscan.Client(transport=answers) as client:
        client.jobs.get("job_1")
    assert str(answers.requests[0].url) == "https://elsewhere.test/v1/jobs/job_1"
    assert answers.requests[0].headers["Authorization"] == "Bearer from-the-environment"


# ---- waiting --------------------------------------------------------------------------------------------------------


def test_a_wait_hears_of_each_change_and_asks_when_the_service_says() -> None:
    clock = Clock()
    seen: list[str] = []
    running = ok({"job": make_job("RUNNING", 1)}, ETag='"a"', Retry_After="3")
    answers = Answers(running, httpx.Response(304, headers={"Retry-After": "3"}), ok(JOB))
    job = make_client(answers, clock).jobs.wait("job_1", on_progress=lambda job: seen.append(job.state))
    assert (job.state, seen, clock.sleeps) == ("SUCCEEDED", ["RUNNING", "SUCCEEDED"], [3.0, 3.0])
    assert [request.headers.get("If-None-Match") for request in answers.requests] == [None, '"a"', '"a"']


def test_a_wait_ends_when_its_time_is_over() -> None:
    clock = Clock()
    with pytest.raises(reelscan.WaitTimeout, match="it is RUNNING"):
        make_client(Answers(ok({"job": make_job("RUNNING")}, Retry_After="4")), clock).jobs.wait(
            "job_1", timeout_seconds=10
        )
    assert clock.seconds == 8.0


def test_a_wait_can_look_more_often() -> None:
    clock = Clock()
    answers = Answers(ok({"job": make_job("RUNNING")}, Retry_After="4"), ok(JOB))
    make_client(answers, clock).jobs.wait("job_1", poll_seconds=0.5)
    assert clock.sleeps == [0.5]


# ---- the other world ------------------------------------------------------------------------------------------------


def test_the_asynchronous_client_retries_and_waits_as_the_blocking_one_does() -> None:
    clock = Clock()
    seen: list[Job] = []
    answers = Answers(LOST, ok({"job": make_job("RUNNING")}, Retry_After="2"), ok(JOB))
    job = in_async_client(answers, lambda client: client.jobs.wait("job_1", on_progress=seen.append), clock)
    assert (job.state, len(seen), clock.sleeps[1:]) == ("SUCCEEDED", 2, [2.0])


def test_pages_are_iterated_in_both_worlds() -> None:
    pages = [ok({"items": [make_video()], "next_cursor": "c"}), ok({"items": [], "next_cursor": "d"})]
    last = ok({"items": [make_video(), make_video()], "next_cursor": None})
    answers = Answers(*pages, last)
    assert len(list(make_client(answers).videos.list())) == 3
    assert [request.url.params.get("cursor") for request in answers.requests] == [None, "c", "d"]

    async def count(client: reelscan.AsyncClient) -> int:
        return len([video async for video in client.videos.list()])

    assert in_async_client(Answers(*pages, last), count) == 3


def test_one_page_can_be_asked_for_alone() -> None:
    answers = Answers(ok({"items": [make_video()], "next_cursor": "c"}))
    page = make_client(answers).videos.list().page("b")
    assert (len(page.items), page.next_cursor, answers.requests[0].url.params["cursor"]) == (1, "c", "b")


def test_pages_of_an_asynchronous_client_say_how_to_go_through_them() -> None:
    async def wrongly(client: reelscan.AsyncClient) -> None:
        list(client.videos.list())

    with pytest.raises(TypeError, match="async for"):
        in_async_client(Answers(ok({})), wrongly)


def test_methods_keep_their_names_and_documents_in_both_worlds() -> None:
    for client in (make_client(Answers(ok({}))), reelscan.AsyncClient(BASE_URL, TOKEN)):
        assert (client.jobs.get.__name__, client.jobs.get.__doc__) == ("get", "The job as it is now.")
