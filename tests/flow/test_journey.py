"""The journey of one video, hop by hop: the real clip, the real model, real workers, and nothing but HTTP from outside.

One worker slot and two child jobs: segments end one after the other, so every step of the progress can be seen.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import httpx
import pytest

from chalicelib.contracts import object_keys, table_keys
from chalicelib.contracts.attribute_values import Item
from infra.local.stack import LocalStack, StackOptions
from tests.api.routes import ROUTES
from tests.flow.measures import Measure
from tests.flow.records import Records
from tests.flow.reference import plain_loop, without_tracks
from tests.flow.tenant import Json, Tenant, canonical

MODEL = "nanodet-g"
FRAMES = 250
SEGMENTS = 5
TENANT = "journey"


@dataclass
class Moment:
    """What a client could see at one moment."""

    job: Json
    open_segments: int
    items: list[Json] = field(default_factory=list)
    """What could be read: asked once on the way, and at the end."""


@dataclass
class Journey:
    """What a client and an operator saw of the job, from the ticket to the end."""

    created: Json
    sent: httpx.Response
    tenant: Tenant
    records: Records
    moments: list[Moment] = field(default_factory=list)

    @property
    def video_id(self) -> str:
        return str(self.created["video"]["video_id"])

    @property
    def job_id(self) -> str:
        return str(self.created["job"]["job_id"])

    @property
    def job(self) -> Json:
        return self.moments[-1].job

    @property
    def items(self) -> list[Json]:
        return self.moments[-1].items


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("REELSCAN_MAX_CHILDREN", "2")
        with LocalStack(StackOptions(out=tmp_path_factory.mktemp("out"), slots=1, cores=2)) as stack:
            yield stack


@pytest.fixture(scope="module")
def journey(stack: LocalStack, bikes: Path) -> Journey:
    tenant, records = Tenant(stack.base_url, stack.token(TENANT)), Records(stack, TENANT)
    created = tenant.announce(bikes, analyze={"models": [MODEL], "segment_seconds": 2})
    journey = Journey(created, tenant.send(created["upload"], bikes), tenant, records)
    seen: object = None
    for job in tenant.watch(journey.job_id):
        if seen != (seen := (job["state"], job["progress"])):
            # Markers first: what is open now cannot have been counted as done before.
            open_segments = records.open_segments(journey.job_id)
            journey.moments.append(Moment(job, open_segments))
        # Reading all items takes as long as a segment does: once on the way, or steps of the progress would be missed.
        is_partial = 1 <= job["progress"]["segments_done"] < SEGMENTS
        if is_partial and not any(moment.items for moment in journey.moments):
            journey.moments[-1].items.extend(tenant.all_items(journey.job_id))
    journey.moments[-1].items.extend(tenant.all_items(journey.job_id))
    return journey


@pytest.fixture
def segments(journey: Journey) -> list[Item]:
    return list(journey.records.meta(journey.job_id, table_keys.segment(0)[:4]).values())


# ---- the hops -------------------------------------------------------------------------------------------------------


def test_the_ticket_is_a_form_for_exactly_these_bytes_under_exactly_this_key(journey: Journey) -> None:
    upload = journey.created["upload"]
    assert upload["kind"] == "post"
    assert upload["fields"]["key"] == object_keys.source_key(TENANT, journey.video_id)
    assert journey.sent.status_code == 204


def test_the_job_waits_for_the_upload(journey: Journey) -> None:
    assert (journey.created["video"]["state"], journey.created["job"]["state"]) == ("AWAITING_UPLOAD", "PENDING")


def test_the_accepted_video_is_pinned_to_the_bytes_in_the_bucket(journey: Journey, bikes: Path) -> None:
    source = journey.records.meta(journey.video_id)[table_keys.VIDEO]["source"]
    assert source["key"] == object_keys.source_key(TENANT, journey.video_id)
    assert source["size_bytes"] == bikes.stat().st_size
    assert source["etag"] == hashlib.md5(bikes.read_bytes()).hexdigest()
    assert source["version_id"]


def test_the_probe_is_a_batch_job_that_ended_well_at_its_first_attempt(journey: Journey) -> None:
    items = journey.records.meta(journey.video_id)
    probe, submission = items[table_keys.PROBE], items[table_keys.submission("probe")]
    [job] = journey.records.batch.describe_jobs(jobs=[submission["batch_job_id"]])["jobs"]
    assert (probe["state"], probe["attempt"], probe["claimed_by"]) == ("DONE", 1, job["jobId"])
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0)


def test_the_probe_leaves_the_facts_of_the_container(journey: Journey) -> None:
    video = journey.tenant.video(journey.video_id)
    assert video["state"] == "READY"
    assert video["media"] == {
        "container": "mp4",
        "codec": "h264",
        "width": 640,
        "height": 272,
        "rotation": 0,
        "timebase": "1/12800",
        "duration_seconds": 10.0,
        "frame_count": FRAMES,
        "keyframes": 6,
    }


def test_the_probe_leaves_cells_and_sample_table_as_small_objects(journey: Journey) -> None:
    index = journey.records.meta(journey.video_id)[table_keys.VIDEO]["index"]
    sizes = journey.records.objects(object_keys.video_prefix(TENANT, journey.video_id))
    assert 0 < sizes[index["cells_key"]] < 2_000
    assert 0 < sizes[index["table_key"]] < 20_000


def test_the_plan_cuts_the_video_into_segments_that_tile_it(journey: Journey, segments: list[Item]) -> None:
    assert journey.job["plan"] == {"segments": SEGMENTS, "cells": 6}
    bounds = [(item["start_pts"], item["end_pts"]) for item in segments]
    assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == FRAMES * 512


def test_the_segments_go_to_batch_as_one_array_job_with_two_children(journey: Journey) -> None:
    submission = journey.records.meta(journey.job_id)[table_keys.submission("analyze")]
    [parent] = journey.records.batch.describe_jobs(jobs=[submission["batch_job_id"]])["jobs"]
    assert json.loads(submission["children"]) == [[0, 2, 4], [1, 3]]
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2


def test_every_segment_is_done_after_one_claim_by_the_child_that_was_to_do_it(segments: list[Item]) -> None:
    assert [(item["state"], item["attempt"], item["child"]) for item in segments] == [
        ("DONE", 1, index % 2) for index in range(SEGMENTS)
    ]


def test_every_frame_was_inferred_exactly_once(journey: Journey, segments: list[Item]) -> None:
    assert sum(item["frames_inferred"] for item in segments) == FRAMES
    assert journey.job["summary"]["frames_inferred"] == FRAMES


def test_no_open_marker_is_left(journey: Journey) -> None:
    assert journey.records.open_segments(journey.job_id) == 0


def test_every_segment_has_an_index_entry_that_leads_to_blocks_that_are_there(journey: Journey) -> None:
    entries = journey.records.results(journey.job_id, table_keys.index_entry(0)[:6])
    source = journey.records.meta(journey.video_id)[table_keys.VIDEO]["source"]
    blocks = [
        item for item in journey.records.results(source["content_digest"]).values() if item["kind"].startswith("BLOCK")
    ]
    assert [entry["segment"] for entry in entries.values()] == list(range(SEGMENTS))
    assert sum(entry["frames_shown"] for entry in entries.values()) == FRAMES
    assert sum(block["frames_analyzed"] for block in blocks) == FRAMES


def test_the_finish_leaves_tracks_and_their_ids_beside_the_blocks(journey: Journey) -> None:
    kinds = {item["kind"] for item in journey.records.results(journey.job_id).values()}
    assert kinds == {"INDEX", "TRACKS", "TRACKIDS", "NODE"}
    assert journey.records.meta(journey.job_id)[table_keys.FINISH]["state"] == "DONE"


def test_nothing_is_due_any_more(journey: Journey) -> None:
    video = journey.records.meta(journey.video_id)[table_keys.VIDEO]
    job = journey.records.meta(journey.job_id)[table_keys.JOB]
    assert ["due_at" in video, "due_at" in job] == [False, False]


def test_the_workers_log_one_line_for_every_change_of_state(journey: Journey) -> None:
    lines = [*journey.records.log_lines(journey.job_id), *journey.records.log_lines(journey.video_id)]
    messages = [line["message"] for line in {str(line): line for line in lines}.values()]
    counts = {message: messages.count(message) for message in set(messages)}
    assert counts == {
        "worker starts": 4,
        "video probed": 1,
        "segment claimed": SEGMENTS,
        "model loaded": 2,
        "decoder chosen": 2,
        "run of cells decoded": SEGMENTS,
        "segment committed": SEGMENTS,
        "job finished": 1,
        "worker ends": 4,
    }


def test_a_segment_reads_its_bytes_with_one_request(journey: Journey, bikes: Path, measure: Measure) -> None:
    decoded = [line for line in journey.records.log_lines(journey.job_id) if line["message"] == "run of cells decoded"]
    assert [line["requests"] for line in decoded] == [1] * SEGMENTS
    share = sum(line["bytes_read"] for line in decoded) / bikes.stat().st_size
    measure(f"all segments together read {share:.3f} of the file")
    assert share <= 1.02


# ---- what can be seen on the way ------------------------------------------------------------------------------------


def test_the_job_goes_through_its_states_in_order(journey: Journey) -> None:
    order = ["PENDING", "PROBING", "RUNNING", "FINISHING", "SUCCEEDED"]
    seen = list(dict.fromkeys(moment.job["state"] for moment in journey.moments))
    assert seen == [state for state in order if state in seen]
    assert {"RUNNING", "SUCCEEDED"} <= set(seen)


def test_the_progress_moves_with_every_segment(journey: Journey) -> None:
    progress = [moment.job["progress"] for moment in journey.moments if "plan" in moment.job]
    assert [step["segments_done"] for step in progress] == sorted(step["segments_done"] for step in progress)
    # Two workers can commit between two looks, so not every number is seen.
    done = {step["segments_done"] for step in progress}
    assert {0, SEGMENTS} < done <= set(range(SEGMENTS + 1))
    assert len(done) > SEGMENTS / 2 + 1
    assert {(step["segments_total"], step["segments_failed"]) for step in progress} == {(SEGMENTS, 0)}


def test_an_open_marker_goes_with_every_commit(journey: Journey) -> None:
    running = [moment for moment in journey.moments if moment.job["state"] == "RUNNING"]
    left = [SEGMENTS - moment.job["progress"]["segments_done"] for moment in running]
    assert all(moment.open_segments <= expected for moment, expected in zip(running, left, strict=True))
    seen = {moment.open_segments for moment in running}
    assert SEGMENTS in seen
    assert len(seen) > SEGMENTS / 2


def test_what_is_committed_can_be_read_before_the_end_and_does_not_change(journey: Journey) -> None:
    [partial] = [moment.items for moment in journey.moments[:-1] if moment.items]
    final = {canonical([_place(item)]) for item in journey.items}
    assert 0 < len(partial) < len(journey.items)
    assert all(canonical([_place(item)]) in final for item in partial)


def _place(item: Json) -> Json:
    """What is known of a detection at once; its track and its rank only when all before it are known."""
    return {name: value for name, value in item.items() if name not in ("track_id", "frame_index")}


# ---- the answer -----------------------------------------------------------------------------------------------------


def test_the_detections_equal_a_plain_loop_over_all_frames(journey: Journey, bikes: Path) -> None:
    assert canonical(without_tracks(journey.items)) == canonical(plain_loop(bikes, MODEL).items)


@pytest.mark.parametrize(
    ("query", "keep"),
    [
        ({"label": "car", "from": 1, "to": 4, "score_min": 0.5}, None),
        ({"label": "person", "from": "2.04", "to": "2.08", "score_min": 0}, None),
        ({"label": "person", "from": 9, "to": 10, "score_min": 0.9}, None),
        ({"score_min": 0.3}, None),
        ({}, lambda item: item["score"] >= 0.48),
        ({"track_id": 1, "score_min": 0}, lambda item: item.get("track_id") == 1),
        ({"model": "another", "score_min": 0}, lambda _: False),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_query_gives_what_a_filter_over_all_items_gives(
    journey: Journey, query: Json, keep: Callable[[Json], bool] | None
) -> None:
    expected = [item for item in journey.items if (keep or _matches(query))(item)]
    assert journey.tenant.items(journey.job_id, **query) == expected


def _matches(query: Json) -> Callable[[Json], bool]:
    return lambda item: (
        item["label"] == query.get("label", item["label"])
        and float(query.get("from", 0)) <= item["time_seconds"] < float(query.get("to", 1e9))
        and item["score"] >= query["score_min"]
    )


def test_pages_of_seven_give_the_same_as_one_large_page(journey: Journey) -> None:
    # Over three of the five segments: every page costs a request.
    query = {"label": "car", "score_min": 0.2, "from": 1, "to": 5}
    whole = journey.tenant.items(journey.job_id, **query)
    assert len(whole) > 7 * 10
    assert journey.tenant.items(journey.job_id, limit=7, **query) == whole


def test_every_detection_says_when_and_on_which_frame_it_is(journey: Journey) -> None:
    for item in journey.items:
        assert item["timebase"] == "1/12800"
        assert item["time_seconds"] == item["pts"] / 12800
        assert item["frame_index"] == item["pts"] // 512


def test_every_track_is_what_its_detections_say(journey: Journey) -> None:
    tracks = list(journey.tenant.pages(f"/jobs/{journey.job_id}/tracks"))
    assert tracks
    for track in tracks:
        own = [item for item in journey.items if item.get("track_id") == track["track_id"]]
        assert {item["label"] for item in own} == {track["label"]}
        assert (own[0]["pts"], own[-1]["pts"], len(own)) == (track["first_pts"], track["last_pts"], track["frames"])
        assert max(item["score"] for item in own) == track["score_max"]


def test_the_summary_is_what_the_items_say(journey: Journey) -> None:
    summary, items = journey.job["summary"], journey.tenant.items(journey.job_id)
    tracks = list(journey.tenant.pages(f"/jobs/{journey.job_id}/tracks"))
    assert (summary["detections"], summary["tracks"]) == (len(items), len(tracks))
    assert (summary["frames_shown"], summary["frames_analyzed"]) == (FRAMES, FRAMES)
    assert {label["label"] for label in summary["labels"]} == {item["label"] for item in items}
    for label in summary["labels"]:
        own = [item for item in items if item["label"] == label["label"]]
        assert label["detections"] == len(own)
        assert label["tracks"] == len([track for track in tracks if track["label"] == label["label"]])
        assert (label["first_seconds"], label["last_seconds"]) == (own[0]["time_seconds"], own[-1]["time_seconds"])
        assert label["score_max"] == max(item["score"] for item in own)


def test_the_segments_are_listed_in_order(journey: Journey, segments: list[Item]) -> None:
    listed = journey.tenant.segments(journey.job_id)
    names = ("index", "start_pts", "end_pts", "state", "attempt", "lane", "provider")
    assert listed == [{name: item[name] for name in names} for item in segments]


def test_the_source_plays_with_range(journey: Journey, bikes: Path) -> None:
    url = journey.tenant.get(f"/videos/{journey.video_id}/source")["url"]
    part = httpx.get(url, headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.headers["Content-Range"]) == (206, f"bytes 1000-1999/{bikes.stat().st_size}")
    assert part.content == bikes.read_bytes()[1000:2000]
    assert httpx.get(url).content == bikes.read_bytes()


def test_the_job_is_found_from_its_video(journey: Journey) -> None:
    assert journey.tenant.get(f"/videos/{journey.video_id}/jobs")["items"] == [journey.job]


# ---- around it ------------------------------------------------------------------------------------------------------


def test_both_models_are_listed_with_the_digest_of_their_file(journey: Journey) -> None:
    models = {model["name"]: model for model in journey.tenant.get("/models")["items"]}
    sizes = journey.records.objects("models/")
    assert set(models) == {"nanodet-g", "ssdlite-mobilenet-v2"}
    assert all(object_keys.model_key(model["sha256"]) in sizes for model in models.values())
    assert journey.job["models"] == [{name: models[MODEL][name] for name in ("name", "version", "sha256", "task")}]


def test_health_openapi_and_docs_need_no_token(stack: LocalStack) -> None:
    assert httpx.get(f"{stack.base_url}/health").json()["status"] == "ok"
    assert "text/html" in httpx.get(f"{stack.base_url}/docs").headers["content-type"]
    document = httpx.get(f"{stack.base_url}/openapi.json").json()
    assert document["openapi"].startswith("3.1")


def test_every_route_is_in_the_openapi_document(stack: LocalStack) -> None:
    paths = httpx.get(f"{stack.base_url}/openapi.json").json()["paths"]
    assert set(paths) == {route.path for route in ROUTES} | {"/health", "/openapi.json", "/docs"}


def test_without_a_token_nothing_is_told(journey: Journey, stack: LocalStack) -> None:
    answer = httpx.get(f"{stack.base_url}/jobs/{journey.job_id}")
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


# ---- the results as files --------------------------------------------------------------------------------------------


def test_an_export_has_every_detection_that_the_api_gives(journey: Journey) -> None:
    export, content = journey.tenant.export(journey.job_id, "ndjson", score_min=0)
    rows = [json.loads(line) for line in content.splitlines()[1:-1]]
    items = [{name: value for name, value in row.items() if name in journey.items[0]} for row in rows]
    expected = [{"track_id": None, **item} for item in journey.items]
    assert canonical(
        [{**item, "track_id": row["track_id"], "timebase": "1/12800"} for item, row in zip(items, rows, strict=True)]
    ) == canonical(expected)
    assert (export["sha256"], export["size_bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_an_annotated_video_has_every_frame_at_its_time(journey: Journey) -> None:
    export, content = journey.tenant.export(journey.job_id, "mp4")
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        times = [frame.pts * stream.time_base * 25 for frame in container.decode(stream) if frame.pts is not None]
        assert (stream.codec_context.width, stream.codec_context.height) == (640, 272)
    assert times == list(range(FRAMES))
    assert (export["frames"], export["file_name"]) == (FRAMES, "bikes-annotated.mp4")


def test_the_same_export_is_not_made_twice(journey: Journey) -> None:
    first, _ = journey.tenant.export(journey.job_id, "ndjson", score_min=0)
    again = journey.tenant.post(
        f"/jobs/{journey.job_id}/exports", {"format": "ndjson", "options": {"score_min": 0}}, expect=202
    )["export"]
    assert (again["export_id"], again["state"]) == (first["export_id"], "SUCCEEDED")
    listed = journey.tenant.get(f"/jobs/{journey.job_id}/exports")["items"]
    assert sorted(export["format"] for export in listed) == ["mp4", "ndjson"]


# ---- the video as files ----------------------------------------------------------------------------------------------


def test_a_proxy_has_every_frame_at_its_time_and_gives_any_range_of_itself(journey: Journey) -> None:
    proxy, content = journey.tenant.rendition(journey.video_id, "proxy", height_max=144)
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        pts = [frame.pts for frame in container.decode(stream)]
        assert (stream.codec_context.width, stream.codec_context.height) == (proxy["width"], proxy["height"])
    assert (pts, proxy["timebase"]) == ([number * 512 for number in range(FRAMES)], "1/12800")
    assert (proxy["frames"], proxy["file_name"]) == (FRAMES, "bikes-proxy.mp4")
    part = httpx.get(proxy["url"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])


def test_thumbnails_are_one_picture_and_are_made_once(journey: Journey) -> None:
    sheet, content = journey.tenant.rendition(journey.video_id, "thumbnails")
    tiles = sheet["tiles"]
    with av.open(io.BytesIO(content), "r") as container:
        (picture,) = container.decode(video=0)
    assert (picture.width, picture.height) == (tiles["columns"] * tiles["width"], tiles["rows"] * tiles["height"])
    assert sheet["vtt"].count("bikes-thumbnails.jpg#xywh=") == len(tiles["pts"]) >= 10
    again = journey.tenant.post(f"/videos/{journey.video_id}/renditions", {"kind": "thumbnails"}, expect=202)
    assert (again["rendition"]["rendition_id"], again["rendition"]["state"]) == (sheet["rendition_id"], "SUCCEEDED")
    listed = journey.tenant.get(f"/videos/{journey.video_id}/renditions")["items"]
    assert sorted(one["kind"] for one in listed) == ["proxy", "thumbnails"]
