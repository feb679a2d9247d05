"""Names of pipelines, and what makes two versions the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.jobs import JobRequest, ModelRef, PipelineRef
from chalicelib.domain.pipelines import Pipeline, check_name, parse_ref
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.tracking import TrackingParameters
from tests.fakes.makers import NOW, TENANT

MODELS = (ModelRef("toy", "1", "a" * 64),)
REQUEST = JobRequest(("toy",), Sampling(), labels=("person", "dog"))
PIPELINE = Pipeline(TENANT, "people", 3, REQUEST, MODELS, NOW, "somebody")


@pytest.mark.parametrize(("text", "meant"), [("people", ("people", None)), ("a.b-c_9@9999", ("a.b-c_9", 9999))])
def test_a_reference_is_a_name_and_perhaps_a_version(text: str, meant: object) -> None:
    assert parse_ref(text) == meant


@pytest.mark.parametrize("text", ["", "@1", "people@", "people@0", "people@01", "people@-1", "people@1@2", "people@x"])
def test_what_names_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_ref(text)


@pytest.mark.parametrize("name", ["", "default", "People", "a#b", "a/b", "a:b", "-a", "a" * 65, "a\n", "ä"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_name(name)


@pytest.mark.parametrize(
    ("request_", "models"),
    [
        (REQUEST, MODELS),
        # However its models are named, and in whatever order its labels.
        (replace(REQUEST, models=("toy@prod",), labels=("dog", "person", "dog")), MODELS),
    ],
)
def test_the_same_content_is_the_same_version(request_: JobRequest, models: tuple[ModelRef, ...]) -> None:
    assert PIPELINE.does_the_same(request_, models)


@pytest.mark.parametrize(
    ("changes", "models"),
    [
        ({}, (ModelRef("toy", "1", "b" * 64),)),
        ({}, (*MODELS, ModelRef("other", "1", "b" * 64))),
        ({"sampling": Sampling(SamplingKind.KEYFRAMES)}, MODELS),
        ({"score_min": 0.4}, MODELS),
        ({"labels": ()}, MODELS),
        ({"tracking": False}, MODELS),
        ({"tracker": TrackingParameters(lost_seconds=3)}, MODELS),
    ],
)
def test_other_content_is_another_version(changes: dict[str, object], models: tuple[ModelRef, ...]) -> None:
    assert not PIPELINE.does_the_same(replace(REQUEST, **changes), models)  # type: ignore[arg-type]


def test_a_job_of_it_says_so() -> None:
    assert PIPELINE.job_request.pipeline == PipelineRef("people", 3)
    assert replace(PIPELINE.job_request, pipeline=None) == REQUEST
