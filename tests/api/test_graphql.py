"""GraphQL over ports in memory: it answers what REST answers, in few reads, to the same callers, within its limits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from graphql import get_introspection_query, get_named_type, is_leaf_type

from chalicelib import wiring
from chalicelib.api.graphql import lambda_entry
from chalicelib.api.graphql.limits import COST_MAX, DEPTH_MAX, FACTS, RECORDS, RESOLVERS_MAX
from chalicelib.api.graphql.resolvers import RESOLVERS, TYPE_BY_KIND
from chalicelib.api.graphql.words import to_camel
from chalicelib.domain.ids import VideoId
from chalicelib.domain.jobs import JobState
from chalicelib.domain.query.ast import ResultKind
from chalicelib.domain.videos import VideoState
from infra.local.appsync.execution import Caller, Engine
from infra.local.appsync.sdl import IAM
from infra.wiring import WIRING
from tests.api.graphql_client import FUNCTIONS, SDL, ask, caller_of, counting, data_of
from tests.api.seed import seed_job, seed_upload_in_parts, seed_video
from tests.api.service import ACME, OTHER, Service
from tests.fakes.makers import make_media

NEVER_JOB = "job_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
START = {"models": ["toy"]}


def everything(type_name: str) -> str:
    """A selection of every property of a type, and of theirs."""
    kind: Any = SDL.schema.type_map[type_name]
    parts = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if (type_name, name) in RESOLVERS and name != "progress":
            continue
        parts.append(name if is_leaf_type(inner) else f"{name} {{ {everything(inner.name)} }}")
    return " ".join(parts)


def as_graphql(value: Any, type_name: str) -> Any:
    """What REST said, as GraphQL says it: other names, null for what is absent, text for what is free JSON."""
    if isinstance(value, list):
        return [as_graphql(item, type_name) for item in value]
    kind: Any = SDL.schema.type_map[type_name]
    named = {to_camel(name): inner for name, inner in value.items()}
    shown: dict[str, Any] = {}
    for name, field in kind.fields.items():
        if (type_name, name) in RESOLVERS and name != "progress":
            continue
        inner = get_named_type(field.type)
        given = named.get(name)
        if given is None or (is_leaf_type(inner) and inner.name != "AWSJSON"):
            shown[name] = given
        else:
            shown[name] = json.dumps(given) if inner.name == "AWSJSON" else as_graphql(given, inner.name)
    return shown


def error_of(answer: Any) -> Any:
    (error,) = answer["errors"]
    return error


# --- the same answers as REST -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", VideoState)
def test_a_video_is_that_of_rest(state: VideoState) -> None:
    service = Service()
    video = seed_video(service, state=state)
    told = data_of(service, f'{{ video(videoId: "{video.video_id}") {{ {everything("Video")} }} }}')["video"]
    assert told == as_graphql(service.call("GET", f"/videos/{video.video_id}").json["video"], "Video")


@pytest.mark.parametrize(
    ("state", "failed"), [(JobState.SUCCEEDED, ()), (JobState.RUNNING, ()), (JobState.PARTIAL, (1,))]
)
def test_a_job_is_that_of_rest(state: JobState, failed: tuple[int, ...]) -> None:
    service = Service()
    seeded = seed_job(service, state=state, failed=failed)
    told = data_of(service, f'{{ job(jobId: "{seeded.job_id}") {{ {everything("Job")} }} }}')["job"]
    assert told == as_graphql(service.call("GET", f"/jobs/{seeded.job_id}").json["job"], "Job")


@pytest.mark.parametrize(
    ("field", "path", "item"),
    [
        ("segments", "segments", "Segment"),
        ("detections", "detections", "Detection"),
        ("tracks", "tracks", "Track"),
        ("events", "events", "JobEvent"),
        ("detections(scoreMin: 0)", "detections?score_min=0", "Detection"),
        ('detections(label: "dog", from: 1.2, to: 4.4, scoreMin: 0.5)',
         "detections?label=dog&from=1.2&to=4.4&score_min=0.5", "Detection"),
        ("detections(trackId: 3)", "detections?track_id=3", "Detection"),
        ('tracks(label: "dog", from: 3)', "tracks?label=dog&from=3", "Track"),
        ("segments(limit: 2)", "segments?limit=2", "Segment"),
        ("events(after: 0)", "events?after=0", "JobEvent"),
    ],
)  # fmt: skip
def test_a_list_of_a_job_is_that_of_rest(field: str, path: str, item: str) -> None:
    service = Service()
    job_id = seed_job(service).job_id
    rest = service.call("GET", f"/jobs/{job_id}/{path.partition('?')[0]}", query=path.partition("?")[2]).json
    query = f'{{ job(jobId: "{job_id}") {{ list: {field} {{ nextCursor items {{ {everything(item)} }} }} }} }}'
    told = data_of(service, query)["job"]["list"]
    assert rest["items"]
    assert told["items"] == as_graphql(rest["items"], item)
    assert told["nextCursor"] == rest["next_cursor"]


@pytest.mark.parametrize(
    "q",
    [
        'detections where label = "dog"',
        'tracks where label = "dog"',
        'appearances where label = "person"',
        'detections where label = "dog" together with detections where label = "person"',
        "count detections by 2s, label",
        "dwell inside polygon((0, 0), (640, 0), (640, 480), (0, 480))",
    ],
)
def test_the_answer_to_a_query_is_that_of_rest(q: str) -> None:
    service = Service()
    job_id = seed_job(service).job_id
    rest = service.call("GET", f"/jobs/{job_id}/query", query={"q": q}).json
    member = TYPE_BY_KIND[ResultKind(rest["kind"])]
    selected = f"kind nextCursor items {{ __typename ... on {member} {{ {everything(member)} }} }}"
    query = (
        f"query($j: ID!, $q: String!) {{ jobQuery(jobId: $j, q: $q) {{ {selected} }} search(q: $q) {{ {selected} }} }}"
    )
    told = data_of(service, query, j=job_id, q=q)
    assert rest["items"]
    shown = [{"__typename": member, **item} for item in as_graphql(rest["items"], member)]
    assert told["jobQuery"] == {"kind": rest["kind"], "nextCursor": rest["next_cursor"], "items": shown}
    assert told["search"]["items"] == shown


def test_a_search_does_not_ask_a_canary() -> None:
    service = Service()
    seeded = seed_job(service)
    canary = seed_job(service, video_id=VideoId(seeded.video_id), promote=False)
    query = '{ search(q: "count tracks") { items { ... on BucketItem { jobId } } } }'
    assert data_of(service, query)["search"]["items"] == [{"jobId": seeded.job_id}]
    service.call("PUT", f"/videos/{seeded.video_id}/versions/latest", {"job_id": canary.job_id, "cause": "as good"})
    assert data_of(service, query)["search"]["items"] == [{"jobId": canary.job_id}]


def test_a_text_that_is_no_query_is_refused_as_rest_refuses_it() -> None:
    service = Service()
    rest = service.call("GET", "/search", query={"q": "find me"}).json
    error = error_of(ask(service, '{ search(q: "find me") { kind } }'))
    assert (error["errorType"], error["message"]) == (rest["code"], rest["detail"])


def test_models_are_those_of_rest() -> None:
    service = Service()
    told = data_of(service, f"{{ models {{ items {{ {everything('Model')} }} }} }}")["models"]["items"]
    assert told == as_graphql(service.call("GET", "/models").json["items"], "Model")


def test_a_source_plays_what_that_of_rest_plays() -> None:
    service = Service()
    video_id = seed_video(service).video_id
    told = data_of(service, f'{{ video(videoId: "{video_id}") {{ source {{ url expiresAt }} }} }}')["video"]["source"]
    assert told == as_graphql(service.call("GET", f"/videos/{video_id}/source").json, "Source")


def test_pages_of_videos_and_of_their_jobs_follow_one_another() -> None:
    service = Service()
    for _ in range(3):
        seed_job(service)
    seen: list[str] = []
    cursor = None
    while True:
        query = "query($c: String) { videos(limit: 2, cursor: $c) { nextCursor items { videoId } } }"
        page = data_of(service, query, c=cursor)["videos"]
        seen += [item["videoId"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == [item["video_id"] for item in service.call("GET", "/videos").json["items"]]


def test_a_cursor_of_a_videos_jobs_is_good_for_rest_too() -> None:
    service = Service()
    video_id = seed_video(service).video_id
    ids = [service.call("POST", f"/videos/{video_id}/jobs", START).json["job"]["job_id"] for _ in range(3)]
    query = f'{{ video(videoId: "{video_id}") {{ jobs(limit: 2) {{ nextCursor items {{ jobId }} }} }} }}'
    page = data_of(service, query)["video"]["jobs"]
    assert [item["jobId"] for item in page["items"]] == ids[:0:-1]
    rest = service.call("GET", f"/videos/{video_id}/jobs", query={"limit": 2, "cursor": page["nextCursor"]}).json
    again = data_of(service, query.replace("limit: 2", f'limit: 2, cursor: "{page["nextCursor"]}"'))["video"]["jobs"]
    assert [item["job_id"] for item in rest["items"]] == [item["jobId"] for item in again["items"]] == ids[:1]


def test_numbers_beyond_32_bits_come_whole() -> None:
    service = Service()
    query = (
        "mutation($i: CreateUploadInput!) { createUpload(input: $i) { video { sizeBytes } upload { partSizeBytes } } }"
    )
    size = 200 * 2**30 + 1
    told = data_of(service, query, i={"filename": "long.mp4", "sizeBytes": size})["createUpload"]
    assert told["video"]["sizeBytes"] == size


def test_a_number_that_no_float_holds_is_an_error_and_not_rounded() -> None:
    service = Service()
    video = seed_video(service)
    service.ports.videos.save(replace(video, media=make_media(frame_count=2**53 + 1)), None)
    answer = ask(service, f'{{ video(videoId: "{video.video_id}") {{ media {{ frameCount }} }} }}')
    assert (answer["data"]["video"], error_of(answer)["errorType"]) == (None, "LIMIT_EXCEEDED")


# --- mutations --------------------------------------------------------------------------------------------------------


def test_an_upload_is_announced_sent_and_its_job_waits() -> None:
    service = Service()
    query = (
        "mutation($i: CreateUploadInput!) { createUpload(input: $i)"
        " { video { videoId state } upload { kind fields } job { jobId state models { name } } } }"
    )
    given = {
        "filename": "street.mp4",
        "sizeBytes": 100,
        "analyze": {**START, "sampling": {"kind": "per_second", "n": 2}},
    }
    made = data_of(service, query, i=given)["createUpload"]
    assert (made["video"]["state"], made["upload"]["kind"], made["job"]["state"]) == (
        "AWAITING_UPLOAD",
        "post",
        "PENDING",
    )
    assert "key" in json.loads(made["upload"]["fields"])
    rest = service.call("GET", f"/jobs/{made['job']['jobId']}").json["job"]
    assert rest["sampling"] == {"kind": "per_second", "n": 2}


def test_parts_of_a_large_upload_are_signed() -> None:
    service = Service()
    video_id = seed_upload_in_parts(service)
    query = 'mutation($i: SignPartsInput!) { signParts(videoId: "%s", input: $i) { items { partNumber url headers } } }'
    given = {"partNumbers": [1, 2], "sha256ByPart": json.dumps({"1": "ab" * 32})}
    told = data_of(service, query % video_id, i=given)["signParts"]["items"]
    assert [part["partNumber"] for part in told] == [1, 2]
    assert json.loads(told[0]["headers"])["Content-Length"]


def test_jobs_are_started_cancelled_and_retried() -> None:
    service = Service()
    video_id = seed_video(service).video_id
    form = '{ models: ["toy"], scoreMin: 0.3 }'
    start = f'mutation {{ startJob(videoId: "{video_id}", input: {form}) {{ jobId scoreMin }} }}'
    job = data_of(service, start)["startJob"]
    assert job["scoreMin"] == 0.3
    cancelled = data_of(service, f'mutation {{ cancelJob(jobId: "{job["jobId"]}") {{ state error {{ code }} }} }}')
    assert cancelled["cancelJob"] == {"state": "CANCELLED", "error": {"code": "CANCELLED"}}
    partial = seed_job(service, state=JobState.PARTIAL, failed=(1,)).job_id
    assert (
        data_of(service, f'mutation {{ retryJob(jobId: "{partial}") {{ state }} }}')["retryJob"]["state"] == "RUNNING"
    )


def test_a_finished_job_is_tracked_again_and_its_versions_are_those_of_rest() -> None:
    service = Service()
    job_id = seed_job(service).job_id
    given = {"iouMin": 0.25, "labels": ["dog"], "makeCurrent": True}
    query = (
        f'mutation($i: RetrackInput!) {{ retrack(jobId: "{job_id}", input: $i) {{ {everything("TrackVersion")} }} }}'
    )
    made = data_of(service, query, i=given)["retrack"]
    assert (made["version"], made["state"]) == (1, "QUEUED")
    assert json.loads(made["parameters"]) == {"iou_min": 0.25, "labels": ["dog"]}
    listed = f'{{ job(jobId: "{job_id}") {{ trackVersions {{ items {{ {everything("TrackVersion")} }} }} }} }}'
    rest = service.call("GET", f"/jobs/{job_id}/track-versions").json["items"]
    told = data_of(service, listed)["job"]["trackVersions"]["items"]
    assert told == as_graphql(rest, "TrackVersion")
    assert made in told


def test_an_upload_that_lacks_parts_is_refused_as_rest_refuses_it() -> None:
    service = Service()
    video_id = seed_upload_in_parts(service)
    form = '{ parts: [{ partNumber: 1, etag: "e" }] }'
    query = f'mutation {{ completeUpload(videoId: "{video_id}", input: {form}) {{ state }} }}'
    rest = service.call("POST", f"/videos/{video_id}/upload/complete", {"parts": [{"part_number": 1, "etag": "e"}]})
    error = error_of(ask(service, query))
    assert (error["errorType"], error["message"]) == (rest.json["code"], rest.json["detail"])


def test_one_key_is_one_job_and_another_request_with_it_is_refused() -> None:
    service = Service()
    video_id = seed_video(service).video_id
    query = (
        "mutation($k: String, $m: [String!]!, $l: [String!]) {"
        f' startJob(videoId: "{video_id}", input: {{ models: $m, labels: $l }}, idempotencyKey: $k) {{ jobId }} }}'
    )
    first = data_of(service, query, k="one", m=["toy"])
    assert data_of(service, query, k="one", m=["toy"]) == first
    assert data_of(service, query, k="two", m=["toy"]) != first
    assert (
        error_of(ask(service, query, {"k": "one", "m": ["toy"], "l": ["dog"]}))["errorType"] == "IDEMPOTENCY_MISMATCH"
    )
    assert len(service.call("GET", f"/videos/{video_id}/jobs").json["items"]) == 2


def test_a_request_that_was_refused_may_be_corrected_under_its_key() -> None:
    service = Service()
    video_id = seed_video(service).video_id
    given = f'videoId: "{video_id}", input: {{ models: $m }}, idempotencyKey: "k"'
    query = f"mutation($m: [String!]!) {{ startJob({given}) {{ jobId }} }}"
    assert error_of(ask(service, query, {"m": ["none"]}))["errorType"] == "INVALID_REQUEST"
    assert data_of(service, query, m=["toy"])["startJob"]["jobId"]


# --- errors -----------------------------------------------------------------------------------------------------------


def test_an_error_has_the_code_cause_and_hint_of_rest() -> None:
    service = Service()
    error = error_of(ask(service, f'{{ job(jobId: "{NEVER_JOB}") {{ state }} }}'))
    problem = service.call("GET", f"/jobs/{NEVER_JOB}").json
    assert (error["errorType"], error["message"]) == (problem["code"], problem["detail"])
    assert error["errorInfo"] == {"title": problem["title"], "hint": problem["hint"], "status": problem["status"]}
    assert error["path"] == ["job"]
    assert error["locations"] == [{"line": 1, "column": 3, "sourceName": None}]


def test_a_mistake_is_named_as_the_schema_names_it() -> None:
    service = Service()
    job_id = seed_job(service).job_id
    error = error_of(ask(service, f'{{ job(jobId: "{job_id}") {{ detections(scoreMin: 2) {{ nextCursor }} }} }}'))
    assert error["errorType"] == "INVALID_REQUEST"
    assert error["message"].startswith("scoreMin: ")


def test_an_error_of_one_field_leaves_the_others() -> None:
    service = Service()
    seeded = seed_job(service)
    query = (
        f'{{ job(jobId: "{seeded.job_id}") {{ state detections(cursor: "x") {{ nextCursor }} video {{ videoId }} }} }}'
    )
    answer = ask(service, query)
    assert answer["data"]["job"] == {"state": "SUCCEEDED", "detections": None, "video": {"videoId": seeded.video_id}}
    assert error_of(answer)["path"] == ["job", "detections"]


def test_an_error_of_one_object_of_a_batch_is_no_error_of_the_others() -> None:
    service = Service()
    ids = [seed_job(service) for _ in range(2)]
    lost = service.ports.videos.get(ACME, ids[0].video_id)  # type: ignore[arg-type]
    assert lost is not None
    service.ports.videos.delete(lost)
    query = " ".join(
        f'{name}: job(jobId: "{seeded.job_id}") {{ video {{ videoId }} }}'
        for name, seeded in zip("ab", ids, strict=True)
    )
    answer = ask(service, f"{{ {query} }}")
    assert answer["data"] == {"a": {"video": None}, "b": {"video": {"videoId": ids[1].video_id}}}
    assert (error_of(answer)["errorType"], error_of(answer)["path"]) == ("NOT_FOUND", ["a", "video"])


def test_a_bug_is_told_without_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service()
    service.ports = replace(service.ports, jobs=None)  # type: ignore[arg-type]
    error = error_of(ask(service, f'{{ job(jobId: "{NEVER_JOB}") {{ state }} }}'))
    assert (error["errorType"], error["errorInfo"]["status"]) == ("INTERNAL", 500)
    assert "NoneType" not in json.dumps(error)


# --- tenancy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        '{ video(videoId: "%(video_id)s") { state } }',
        '{ job(jobId: "%(job_id)s") { state } }',
        '{ jobEvents(jobId: "%(job_id)s") { nextCursor } }',
        'mutation { startJob(videoId: "%(video_id)s", input: { models: ["toy"] }) { jobId } }',
        'mutation { cancelJob(jobId: "%(job_id)s") { state } }',
        'mutation { retryJob(jobId: "%(job_id)s") { state } }',
        'mutation { retrack(jobId: "%(job_id)s", input: {}) { state } }',
        'mutation { signParts(videoId: "%(video_id)s", input: { partNumbers: [1] }) { items { url } } }',
        'mutation { completeUpload(videoId: "%(video_id)s", input: { parts: [{partNumber: 1, etag: "e"}] }) {state} }',
    ],
)
def test_what_belongs_to_another_tenant_answers_like_what_never_was(query: str) -> None:
    service = Service()
    seeded = seed_job(service)
    names = {"video_id": seeded.video_id, "job_id": seeded.job_id}
    never = {"video_id": NEVER_JOB.replace("job", "vid"), "job_id": NEVER_JOB}
    foreign = json.dumps(ask(service, query % names, caller=caller_of(OTHER)))
    missing = json.dumps(ask(service, query % never, caller=caller_of(OTHER)))
    for name, value in names.items():
        missing = missing.replace(never[name], value)
    assert foreign == missing
    assert "NOT_FOUND" in foreign


def test_lists_hold_nothing_of_another_tenant() -> None:
    service = Service()
    seed_job(service)
    answer = ask(service, "{ videos { items { videoId } } }", caller=caller_of(OTHER))
    assert answer["data"]["videos"]["items"] == []


def test_a_cursor_of_another_tenant_is_refused() -> None:
    service = Service()
    for _ in range(2):
        seed_job(service)
    cursor = data_of(service, "{ videos(limit: 1) { nextCursor } }")["videos"]["nextCursor"]
    answer = ask(service, f'{{ videos(limit: 1, cursor: "{cursor}") {{ nextCursor }} }}', caller=caller_of(OTHER))
    assert error_of(answer)["errorType"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "claims", [{"custom:tenant": None}, {"custom:tenant": "a#b"}, {"token_use": "id"}, {"custom:tenant": ["acme"]}]
)
def test_a_token_without_a_tenant_is_nobody(claims: dict[str, Any]) -> None:
    answer = ask(Service(), "{ videos { nextCursor } }", caller=caller_of(ACME, **claims))
    assert error_of(answer)["errorType"] == "UNAUTHENTICATED"


def test_the_function_refuses_a_call_without_an_identity() -> None:
    event = {"info": {"parentTypeName": "Query", "fieldName": "videos"}, "arguments": {}, "identity": None}
    with wiring.using(Service().ports):
        answer = lambda_entry.resolve(event)
    assert isinstance(answer, dict)
    assert answer["errorType"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_json_that_is_none_is_a_mistake_of_the_client(text: str) -> None:
    event = {
        "info": {"parentTypeName": "Mutation", "fieldName": "signParts"},
        "arguments": {"videoId": "vid_1", "input": {"partNumbers": [1], "sha256ByPart": text}},
        "identity": caller_of(ACME).identity,
    }
    with wiring.using(Service().ports):
        answer = lambda_entry.resolve(event)
    assert isinstance(answer, dict)
    assert (answer["errorType"], "sha256ByPart" in answer["errorMessage"]) == ("INVALID_REQUEST", True)


PUBLISH = """mutation($e: JobEventInput!) { publishJobEvent(event: $e) { jobId seq kind state labels { label } } }"""
EVENT = {
    "seq": 1,
    "jobId": NEVER_JOB,
    "videoId": "v",
    "kind": "JOB_STATE_CHANGED",
    "createdAt": "2026-03-01T12:00:00.000Z",
    "state": "RUNNING",
}


def test_a_client_may_not_publish() -> None:
    answer = ask(Service(), PUBLISH, {"e": EVENT})
    assert error_of(answer)["errorType"] == "Unauthorized"
    event = {
        "info": {"parentTypeName": "Mutation", "fieldName": "publishJobEvent"},
        "arguments": {"event": EVENT},
        "identity": dict(caller_of(ACME).identity),
    }
    with wiring.using(Service().ports):
        told = lambda_entry.resolve(event)
    assert isinstance(told, dict)
    assert told["errorType"] == "FORBIDDEN", "even where the schema's directives are not there"


def test_the_service_may_publish_and_read_nothing() -> None:
    service_role = Caller(IAM, {"userArn": "arn:aws:sts::1:assumed-role/reelscan/x"})
    told = ask(Service(), PUBLISH, {"e": EVENT}, caller=service_role)
    assert told["data"]["publishJobEvent"]["state"] == "RUNNING"
    refused = ask(Service(), "{ videos { nextCursor } }", caller=service_role)
    assert error_of(refused)["errorType"] == "Unauthorized"


@pytest.mark.parametrize("time", ["nope", "2026-03-01", "2026-03-01 12:00:00Z"])
def test_a_time_that_is_none_is_refused_as_a_literal_and_as_a_variable(time: str) -> None:
    service_role = Caller(IAM, {})
    by_variable = ask(Service(), PUBLISH, {"e": {**EVENT, "createdAt": time}}, caller=service_role)
    fields = f'seq: 1, jobId: "j", videoId: "v", kind: JOB_STATE_CHANGED, createdAt: "{time}"'
    by_literal = ask(Service(), f"mutation {{ publishJobEvent(event: {{ {fields} }}) {{ seq }} }}", caller=service_role)
    assert "AWSDateTime" in by_variable["errors"][0]["message"]
    assert "AWSDateTime" in by_literal["errors"][0]["message"]


# --- reads ------------------------------------------------------------------------------------------------------------

WITH_JOBS = """query($n: Int) { videos(limit: $n) { items {
    videoId jobs(limit: 1) { items { jobId state progress { segmentsDone } video { filename } } } } } }"""


def test_a_page_of_videos_with_their_jobs_costs_as_many_reads_as_one_video() -> None:
    service = Service()
    for _ in range(20):
        seed_job(service)
    with counting(service) as one:
        data_of(service, WITH_JOBS, n=1)
    with counting(service) as twenty:
        found = data_of(service, WITH_JOBS, n=20)["videos"]["items"]
    assert len(found) == 20
    assert all(video["jobs"]["items"][0]["video"]["filename"] == "street.mp4" for video in found)
    assert twenty == one == {"videos.list": 1, "jobs.list_newest": 1, "videos.get_many": 1}


def test_a_page_larger_than_a_batch_costs_a_read_for_each_batch() -> None:
    service = Service()
    for _ in range(45):
        seed_job(service)
    with counting(service) as calls:
        data_of(service, WITH_JOBS, n=45)
    assert calls == {"videos.list": 1, "jobs.list_newest": 3, "videos.get_many": 3}
    assert WIRING.graphql.batch_max == 20


def test_progress_is_counted_only_for_jobs_under_way_and_only_when_asked_for() -> None:
    service = Service()
    for state in (JobState.SUCCEEDED, JobState.RUNNING, JobState.RUNNING):
        seed_job(service, state=state)
    with counting(service) as asked:
        data_of(service, WITH_JOBS, n=20)
    with counting(service) as not_asked:
        data_of(service, "{ videos { items { jobs { items { state } } } } }")
    assert (asked["units.count"], not_asked["units.count"]) == (2, 0)


def test_a_job_with_its_progress_is_one_read() -> None:
    service = Service()
    job_id = seed_job(service, state=JobState.RUNNING).job_id
    with counting(service) as calls:
        told = data_of(service, f'{{ job(jobId: "{job_id}") {{ state progress {{ segmentsTotal segmentsDone }} }} }}')
    assert told["job"]["progress"] == {"segmentsTotal": 3, "segmentsDone": 0}
    assert calls == {"jobs.get_with_counts": 1}


# --- limits -----------------------------------------------------------------------------------------------------------


def nested(levels: int) -> str:
    """A query that goes from video to job and back."""
    inner = "videoId"
    for level in range(levels):
        inner = f"video {{ {inner} }}" if level % 2 == 0 else f"jobs(limit: 1) {{ items {{ {inner} }} }}"
    return f'{{ job(jobId: "{NEVER_JOB}") {{ {inner} }} }}'


def test_a_query_may_be_deep_and_no_deeper() -> None:
    service = Service()
    assert DEPTH_MAX == 8
    assert error_of(ask(service, nested(3)))["errorType"] == "NOT_FOUND"
    with counting(service) as calls:
        assert error_of(ask(service, nested(5)))["errorType"] == "LIMIT_EXCEEDED"
    assert calls == {}


BOMBS = {
    "lists in lists": "{ videos(limit: 100) { items { jobs(limit: 100) { items { state models { name } } } } } }",
    "a variable": "query($n: Int = 1000) { videos(limit: 100) { items { jobs(limit: 1)"
    " { items { detections(limit: $n) { items { pts } } } } } } }",
    "aliases": "{" + " ".join(f"a{n}: videos(limit: 100) {{ items {{ videoId }} }}" for n in range(120)) + "}",
    "fragments that double": "query { videos { ...f0 } } "
    + " ".join(f"fragment f{n} on VideoConnection {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))
    + " fragment f60 on VideoConnection { items { jobs(limit: 100) { items { models { name } } } } }",
    "a huge document": "{" + " ".join(f"a{n}: __typename" for n in range(3000)) + "}",
    "a cycle": "{ videos { ...f } } fragment f on VideoConnection { items { jobs { items { video { ...g } } } } }"
    " fragment g on Video { jobs { items { video { ...g } } } }",
    "a huge limit": "{ videos(limit: 2000000000) { items { videoId media { codec } } } }",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_anything_is_read(name: str) -> None:
    service = Service()
    with counting(service) as calls:
        answer = ask(service, BOMBS[name])
    assert answer["data"] is None
    assert answer["errors"]
    assert calls == {}


def test_fragments_that_double_run_in_no_time_when_they_weigh_nothing() -> None:
    service = Service()
    spreads = " ".join(f"fragment f{n} on VideoConnection {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))
    query = f"{{ videos(limit: 1) {{ ...f0 }} }} {spreads} fragment f60 on VideoConnection {{ nextCursor }}"
    assert data_of(service, query) == {"videos": {"nextCursor": None}}


def test_the_cost_is_what_the_formula_says() -> None:
    job = "{ items { state plan { cells } } }"
    for limit, is_refused in ((98, False), (99, True)):
        # The list; 50 videos, each with its list of jobs; in each of them `limit` jobs with a plan.
        answer = ask(Service(), f"{{ videos(limit: 50) {{ items {{ jobs(limit: {limit}) {job} }} }} }}")
        cost = 1 + 50 * (1 + 1 + limit * 2)
        assert (cost > COST_MAX) is is_refused
        assert ("errors" in answer) is is_refused


def test_a_query_that_runs_too_many_resolvers_is_cut() -> None:
    service = Service()
    for _ in range(5):
        seed_job(service, state=JobState.RUNNING)
    few = Engine(SDL, replace(WIRING.graphql, resolvers_max=8), FUNCTIONS)
    query = "{ videos { items { jobs(limit: 1) { items { progress { segmentsDone } } } } } }"
    with counting(service) as calls:
        answer = ask(service, query, engine=few)
    assert {error["errorType"] for error in answer["errors"]} == {"LIMIT_EXCEEDED"}
    # The list, five lists of jobs in one batch, and two of the five that ask for progress.
    assert calls == {"videos.list": 1, "jobs.list_newest": 1, "units.count": 2}
    assert WIRING.graphql.resolvers_max == RESOLVERS_MAX


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("{ videos(limit: %d) { nextCursor } }", RECORDS.most),
        ('{ job(jobId: "%%s") { segments(limit: %d) { nextCursor } } }', FACTS.most),
    ],
)
def test_a_page_has_a_greatest_size(query: str, most: int) -> None:
    service = Service()
    job_id = seed_job(service).job_id
    for limit, is_refused in ((most, False), (most + 1, True)):
        text = query % limit
        answer = ask(service, text % job_id if "%s" in text else text)
        assert ("errors" in answer) is is_refused, answer


def test_the_schema_can_be_read() -> None:
    told = data_of(Service(), get_introspection_query())["__schema"]
    assert {"Query", "JobEvent"} <= {kind["name"] for kind in told["types"]}
