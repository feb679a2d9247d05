"""How bytes come in: tickets that hold, tickets that run out, parts, and objects that lie in S3 already."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from infra.local.stack import LocalStack, StackOptions
from tests.flow.bad_files import make_large
from tests.flow.records import Records
from tests.flow.tenant import FAST_MODEL, Json, Tenant

MIB = 1 << 20
FRAMES = 250
LARGE_BYTES = 17 * MIB
"""Three parts: parts are of 8 MiB at least."""
JOB = {"models": [FAST_MODEL], "sampling": {"kind": "keyframes"}}
SETTINGS = {
    "REELSCAN_MULTIPART_THRESHOLD_BYTES": str(9 * MIB),
    "REELSCAN_UPLOAD_SECONDS": "3",
    "REELSCAN_RECONCILE_SECONDS": "1",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SETTINGS.items():
            environment.setenv(name, value)
        with LocalStack(StackOptions(out=tmp_path_factory.mktemp("out"), slots=2, cores=2)) as stack:
            yield stack


@pytest.fixture
def large(bikes: Path, tmp_path: Path) -> Path:
    make_large(bikes, tmp_path / "large.mp4", LARGE_BYTES)
    return tmp_path / "large.mp4"


# ---- one form -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off_by", "code"), [(-1, "EntityTooLarge"), (1, "EntityTooSmall")])
def test_a_size_that_was_not_declared_is_refused_by_s3_and_the_wait_for_the_right_one_ends(
    tenant: Tenant, bikes: Path, off_by: int, code: str
) -> None:
    created = tenant.announce(bikes, analyze=JOB, size_bytes=bikes.stat().st_size + off_by)
    refused = tenant.send(created["upload"], bikes)
    job = tenant.wait(created["job"]["job_id"])
    video = tenant.video(created["video"]["video_id"])
    assert (refused.status_code, f"<Code>{code}</Code>" in refused.text) == (400, True)
    assert (video["state"], job["state"]) == ("REJECTED", "FAILED")
    assert video["error"] == job["error"]
    assert job["error"]["code"] == "UPLOAD_EXPIRED"


def test_bytes_that_do_not_have_the_declared_digest_are_refused_by_s3(tenant: Tenant, bikes: Path) -> None:
    created = tenant.announce(bikes, sha256=hashlib.sha256(b"something else").hexdigest())
    refused = tenant.send(created["upload"], bikes)
    assert (refused.status_code, "<Code>BadDigest</Code>" in refused.text) == (400, True)


def test_bytes_that_have_the_declared_digest_are_taken(tenant: Tenant, bikes: Path) -> None:
    created = tenant.upload(bikes, sha256=hashlib.sha256(bikes.read_bytes()).hexdigest())
    assert tenant.wait_for_video(created["video"]["video_id"])["state"] == "READY"


def test_a_ticket_is_good_for_its_own_key_only(tenant: Tenant, bikes: Path) -> None:
    upload = tenant.announce(bikes)["upload"]
    upload["fields"]["key"] = upload["fields"]["key"].replace("videos/", "videos/x")
    assert tenant.send(upload, bikes).status_code == 403


# ---- parts ----------------------------------------------------------------------------------------------------------


def test_a_large_file_is_sent_in_parts(tenant: Tenant, large: Path) -> None:
    created = tenant.announce(large)
    upload, video_id = created["upload"], created["video"]["video_id"]
    assert (upload["kind"], upload["part_size_bytes"], upload["part_count"]) == ("multipart", 8 * MIB, 3)
    parts = put_parts(tenant, video_id, large, [1, 2, 3])
    listed = tenant.get(f"/videos/{video_id}/upload/parts")["items"]
    assert [{"part_number": part["part_number"], "etag": part["etag"]} for part in listed] == parts
    assert [part["size_bytes"] for part in listed] == [8 * MIB, 8 * MIB, MIB]
    video = tenant.post(f"/videos/{video_id}/upload/complete", {"parts": parts})["video"]
    assert video["state"] in ("UPLOADED", "READY")
    assert tenant.wait_for_video(video_id)["media"]["frame_count"] == FRAMES


def test_completing_twice_is_fine(tenant: Tenant, large: Path) -> None:
    video_id = tenant.announce(large)["video"]["video_id"]
    parts = put_parts(tenant, video_id, large, [1, 2, 3])
    for _ in range(2):
        tenant.post(f"/videos/{video_id}/upload/complete", {"parts": parts})
    assert tenant.video(video_id)["state"] in ("UPLOADED", "READY")


def test_parts_that_do_not_add_up_to_the_declared_size_are_a_size_mismatch(tenant: Tenant, large: Path) -> None:
    created = tenant.announce(large, analyze=JOB)
    video_id = created["video"]["video_id"]
    parts = put_parts(tenant, video_id, large, [1, 2])
    tenant.post(f"/videos/{video_id}/upload/complete", {"parts": parts})
    job = tenant.wait(created["job"]["job_id"])
    assert (job["state"], job["error"]["code"]) == ("FAILED", "SIZE_MISMATCH")
    assert tenant.video(video_id)["error"] == job["error"]


def test_a_part_that_does_not_have_the_declared_digest_is_refused_by_s3(tenant: Tenant, large: Path) -> None:
    video_id = tenant.announce(large)["video"]["video_id"]
    wrong = hashlib.sha256(b"something else").hexdigest()
    body = {"part_numbers": [3], "sha256_by_part": {"3": wrong}}
    [part] = tenant.post(f"/videos/{video_id}/upload/parts", body)["items"]
    assert part["headers"]["x-amz-checksum-sha256"] == base64.b64encode(bytes.fromhex(wrong)).decode()
    assert httpx.put(part["url"], content=bytes(MIB), headers=part["headers"]).status_code == 400


def test_an_upload_that_is_given_up_leaves_no_parts(tenant: Tenant, records: Records, large: Path) -> None:
    created = tenant.announce(large, analyze=JOB)
    video_id = created["video"]["video_id"]
    put_parts(tenant, video_id, large, [1])
    assert tenant.http.delete(f"/videos/{video_id}/upload").status_code == 204
    job = tenant.wait(created["job"]["job_id"])
    assert job["error"]["code"] == tenant.video(video_id)["error"]["code"] == "UPLOAD_EXPIRED"
    assert records.open_uploads() == []


def put_parts(tenant: Tenant, video_id: str, path: Path, numbers: list[int]) -> list[Json]:
    """Have parts signed and send them, all at once."""
    signed = tenant.post(f"/videos/{video_id}/upload/parts", {"part_numbers": numbers})["items"]

    def put(part: Json) -> Json:
        number = part["part_number"]
        content = path.read_bytes()[(number - 1) * 8 * MIB : number * 8 * MIB]
        response = httpx.put(part["url"], content=content, headers=part["headers"], timeout=30)
        assert response.status_code == 200, response.text
        return {"part_number": number, "etag": response.headers["ETag"].strip('"')}

    with ThreadPoolExecutor(len(signed)) as pool:
        return list(pool.map(put, signed))


# ---- objects that are there -----------------------------------------------------------------------------------------


def test_an_object_that_lies_in_s3_is_taken_as_it_is(
    tenant: Tenant, records: Records, tenant_name: str, bikes: Path
) -> None:
    uri = records.put_object(f"tenants/{tenant_name}/archive/bikes.mp4", bikes)
    created = tenant.post("/videos", {"source": {"s3_uri": uri}}, expect=201)
    assert "upload" not in created
    assert (created["video"]["filename"], created["video"]["size_bytes"]) == ("bikes.mp4", bikes.stat().st_size)
    assert tenant.wait_for_video(created["video"]["video_id"])["media"]["frame_count"] == FRAMES


@pytest.mark.slow
def test_an_object_can_be_taken_and_analysed_in_one_request(
    tenant: Tenant, records: Records, tenant_name: str, bikes: Path
) -> None:
    uri = records.put_object(f"tenants/{tenant_name}/archive/bikes.mp4", bikes)
    created = tenant.post("/videos", {"source": {"s3_uri": uri}, "analyze": JOB}, expect=201)
    assert tenant.succeed(created["job"]["job_id"])["summary"]["frames_shown"] == FRAMES


@pytest.mark.parametrize(
    "uri", ["s3://reelscan/tenants/somebody-else/video.mp4", "s3://foreign/video.mp4", "http://a/b"]
)
def test_an_object_that_is_not_the_tenants_to_take_is_refused(tenant: Tenant, uri: str) -> None:
    problem = tenant.post("/videos", {"source": {"s3_uri": uri}}, expect=400)
    assert (problem["code"], bool(problem["hint"])) == ("INVALID_REQUEST", True)


def test_an_object_that_is_not_there_is_refused(tenant: Tenant, tenant_name: str) -> None:
    uri = f"s3://reelscan/tenants/{tenant_name}/nothing.mp4"
    assert tenant.post("/videos", {"source": {"s3_uri": uri}}, expect=400)["code"] == "INVALID_REQUEST"
