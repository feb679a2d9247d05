"""The requests of docs/versions.md are sent, and answered as the page shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import PipelineRef
from chalicelib.domain.pipelines import NAME_PATTERN
from chalicelib.domain.result_versions import MOVES_KEPT
from chalicelib.services.result_versions import JOBS_LOOKED_AT, MAX_ALIASES
from tests.api.seed import seed_job
from tests.api.service import Service
from tests.docs.test_query_page import only

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "versions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(r"^(GET|POST|PUT) (\S+)(?: (.+))?\n(\d+) (.+)$", re.MULTILINE)


def shown(answer: Any, expected: Any) -> Any:
    """The fields that the page shows."""
    if isinstance(expected, dict):
        return {name: shown(answer[name], part) for name, part in expected.items()}
    return only(answer, expected)


def test_every_request_is_answered_as_the_page_shows() -> None:
    service = Service()
    first = seed_job(service, pipeline=PipelineRef("people", 1))
    ids = {"VIDEO": first.video_id, "FIRST": first.job_id}
    for number, block in enumerate(BLOCKS):
        if number == 1:
            # The jobs that the first block starts have no worker here; these are the ones that ended.
            job = seed_job(service, video_id=VideoId(first.video_id), pipeline=PipelineRef("people", 2))
            ids["SECOND"] = job.job_id
            assert service.call("GET", f"/videos/{first.video_id}/versions").status == 200
        examples = EXAMPLE.findall(re.sub("VIDEO|FIRST|SECOND", lambda place: ids[place[0]], block))
        assert len(examples) == 4 + number
        for method, target, body, status, answer in examples:
            path, _, query = target.partition("?")
            told = service.call(method, path, json.loads(body) if body else None, query=query)
            assert told.status == int(status), told.body
            assert shown(told.json, json.loads(answer)) == json.loads(answer)


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"({MAX_ALIASES} at most)" in PAGE
    assert f"its newest {MOVES_KEPT} moves" in PAGE
    assert f"the {JOBS_LOOKED_AT} newest jobs" in PAGE
    assert NAME_PATTERN.fullmatch("a" * 64)
    assert not NAME_PATTERN.fullmatch("a" * 65)
