"""The contract of the port `ObjectStore`."""

from __future__ import annotations

import hashlib

import pytest

from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.services.object_port import SignedPart
from chalicelib.services.ports import Ports
from tests.ports.deployments import Deployment

MIB = 1 << 20
BODY = b"some bytes of a video"
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def key(tenant: TenantId) -> str:
    return f"tenants/{tenant}/videos/v/source"


def post(deployment: Deployment, key: str, body: bytes, *, size_bytes: int = len(BODY), sha256: str = "") -> bool:
    form = deployment.ports.objects.presign_post(
        key, size_bytes=size_bytes, content_type="video/mp4", sha256=sha256, seconds=60
    )
    return deployment.outside.post(form, body)


def part(ports: Ports, key: str, upload_id: str, number: int, size_bytes: int, sha256: str = "") -> SignedPart:
    return ports.objects.presign_part(key, upload_id, number, size_bytes=size_bytes, sha256=sha256, seconds=60)


def upload_parts(deployment: Deployment, key: str, bodies: list[bytes]) -> str:
    upload_id = deployment.ports.objects.create_multipart(key, "video/mp4")
    for number, body in enumerate(bodies, start=1):
        assert deployment.outside.put_part(part(deployment.ports, key, upload_id, number, len(body)), body)
    return upload_id


def test_a_form_uploads_to_its_key(deployment: Deployment, key: str) -> None:
    assert post(deployment, key, BODY)
    assert deployment.ports.objects.get(key) == BODY


@pytest.mark.parametrize("size_bytes", [len(BODY) - 1, len(BODY) + 1])
def test_a_form_takes_no_other_size(deployment: Deployment, key: str, size_bytes: int) -> None:
    assert not post(deployment, key, BODY, size_bytes=size_bytes)
    assert deployment.ports.objects.head(deployment.ports.bucket, key) is None


def test_a_form_with_a_digest_takes_no_other_bytes(deployment: Deployment, key: str) -> None:
    other = BODY[::-1]
    assert [post(deployment, key, body, sha256=DIGEST) for body in (other, BODY)] == [False, True]


def test_what_s3_checked_is_known_by_its_digest(deployment: Deployment, key: str) -> None:
    post(deployment, key, BODY, sha256=DIGEST)
    stored = deployment.ports.objects.head(deployment.ports.bucket, key)
    assert stored is not None
    assert (stored.sha256, stored.size_bytes) == (DIGEST, len(BODY))


def test_what_nobody_checked_has_no_digest(deployment: Deployment, key: str) -> None:
    post(deployment, key, BODY)
    stored = deployment.ports.objects.head(deployment.ports.bucket, key)
    assert stored is not None
    assert stored.sha256 == ""


def test_nothing_is_known_of_an_object_that_is_not_there(ports: Ports, key: str) -> None:
    assert ports.objects.head(ports.bucket, key) is None


def test_nothing_is_known_of_a_bucket_that_is_not_there(ports: Ports, key: str) -> None:
    assert ports.objects.head("no-such-bucket-of-ours", key) is None


def test_a_url_reads_the_version_that_it_names(deployment: Deployment, key: str) -> None:
    objects, bucket = deployment.ports.objects, deployment.ports.bucket
    objects.put(key, b"first")
    first = objects.head(bucket, key)
    assert first is not None
    objects.put(key, b"second")
    url = objects.presign_get(bucket, key, version_id=first.version_id, seconds=60)
    assert deployment.outside.fetch(url) == b"first"


def test_etag_and_version_change_with_the_bytes(ports: Ports, key: str) -> None:
    ports.objects.put(key, b"first")
    first = ports.objects.head(ports.bucket, key)
    ports.objects.put(key, b"second")
    second = ports.objects.head(ports.bucket, key)
    assert first is not None
    assert second is not None
    assert (first.etag != second.etag, first.version_id != second.version_id) == (True, True)


def test_what_was_put_is_what_is_read(ports: Ports, key: str) -> None:
    ports.objects.put(key, BODY)
    assert ports.objects.get(key) == BODY


def test_reading_what_is_not_there_says_so(ports: Ports, key: str) -> None:
    with pytest.raises(NotFound, match="is gone"):
        ports.objects.get(key)


def test_parts_are_listed_in_order_with_their_sizes(deployment: Deployment, key: str) -> None:
    upload_id = upload_parts(deployment, key, [b"a" * 5, b"bb"])
    parts = deployment.ports.objects.list_parts(key, upload_id)
    assert [(stored.part_number, stored.size_bytes) for stored in parts] == [(1, 5), (2, 2)]


def test_completing_makes_the_object_of_its_parts(deployment: Deployment, key: str) -> None:
    objects = deployment.ports.objects
    upload_id = upload_parts(deployment, key, [b"a" * (5 * MIB), b"bb"])
    parts = [(stored.part_number, stored.etag) for stored in objects.list_parts(key, upload_id)]
    objects.complete_multipart(key, upload_id, parts[::-1])
    stored = objects.head(deployment.ports.bucket, key)
    assert stored is not None
    assert (stored.size_bytes, stored.sha256) == (5 * MIB + 2, "")


def test_a_signed_part_takes_no_other_size(deployment: Deployment, key: str) -> None:
    ports = deployment.ports
    upload_id = ports.objects.create_multipart(key, "video/mp4")
    assert not deployment.outside.put_part(part(ports, key, upload_id, 1, len(BODY) - 1), BODY)
    assert list(ports.objects.list_parts(key, upload_id)) == []


def test_a_signed_part_with_a_digest_takes_no_other_bytes(deployment: Deployment, key: str) -> None:
    ports = deployment.ports
    upload_id = ports.objects.create_multipart(key, "video/mp4")
    signed = part(ports, key, upload_id, 1, len(BODY), DIGEST)
    assert [deployment.outside.put_part(signed, body) for body in (BODY[::-1], BODY)] == [False, True]


@pytest.mark.parametrize("parts", [[(1, "0" * 32)], [(2, "0" * 32)], []])
def test_completing_with_parts_that_s3_does_not_have_is_the_callers_fault(
    deployment: Deployment, key: str, parts: list[tuple[int, str]]
) -> None:
    upload_id = upload_parts(deployment, key, [BODY])
    with pytest.raises(InvalidRequest):
        deployment.ports.objects.complete_multipart(key, upload_id, parts)


def test_completing_twice_is_the_callers_fault(deployment: Deployment, key: str) -> None:
    objects = deployment.ports.objects
    upload_id = upload_parts(deployment, key, [BODY])
    parts = [(stored.part_number, stored.etag) for stored in objects.list_parts(key, upload_id)]
    objects.complete_multipart(key, upload_id, parts)
    with pytest.raises(InvalidRequest):
        objects.complete_multipart(key, upload_id, parts)


def test_aborting_drops_the_parts_and_may_be_repeated(deployment: Deployment, key: str) -> None:
    objects = deployment.ports.objects
    upload_id = upload_parts(deployment, key, [BODY])
    objects.abort_multipart(key, upload_id)
    objects.abort_multipart(key, upload_id)
    with pytest.raises(InvalidRequest):
        objects.complete_multipart(key, upload_id, [(1, "0" * 32)])


def test_deleting_a_prefix_takes_every_version_and_nothing_else(ports: Ports, tenant: TenantId) -> None:
    prefix = f"tenants/{tenant}/videos/v/"
    for body in (b"one", b"two"):
        ports.objects.put(f"{prefix}source", body)
    ports.objects.put(f"tenants/{tenant}/videos/v2/source", b"other")
    ports.objects.delete_prefix(prefix)
    left = [ports.objects.head(ports.bucket, f"tenants/{tenant}/videos/{name}/source") for name in ("v", "v2")]
    assert [stored is None for stored in left] == [True, False]


def test_a_version_of_a_deleted_prefix_cannot_be_read(deployment: Deployment, key: str) -> None:
    objects, bucket = deployment.ports.objects, deployment.ports.bucket
    objects.put(key, BODY)
    stored = objects.head(bucket, key)
    assert stored is not None
    objects.delete_prefix(key)
    url = objects.presign_get(bucket, key, version_id=stored.version_id, seconds=60)
    assert deployment.outside.fetch(url) is None


def test_deleting_a_prefix_without_objects_is_fine(ports: Ports, tenant: TenantId) -> None:
    ports.objects.delete_prefix(f"tenants/{tenant}/")
    assert ports.objects.head(ports.bucket, f"tenants/{tenant}/") is None
