"""The bucket in S3."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.clients import aws_errors, error_code
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.services.object_port import PostForm, SignedPart, StoredObject, UploadedPart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BODY_TRIES = 3
MISSING = frozenset(
    {"404", "NoSuchKey", "NotFound", "NoSuchBucket", "403", "AccessDenied", "NoSuchUpload", "NoSuchVersion"}
)
WRONG_PARTS = frozenset(
    {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "NoSuchUpload", "InvalidRequest", "BadDigest", "MalformedXML"}
)


class S3ObjectStore:
    """The port `ObjectStore`."""

    def __init__(self, make_client: Callable[[], S3Client], bucket: str) -> None:
        self._make_client = make_client
        self._bucket = bucket

    def presign_post(self, key: str, *, size_bytes: int, content_type: str, sha256: str, seconds: int) -> PostForm:
        fields = {"Content-Type": content_type}
        if sha256:
            fields |= {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-sha256": _hex_to_base64(sha256)}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", size_bytes, size_bytes])
        with aws_errors("presigning a POST"):
            form = self._make_client().generate_presigned_post(
                self._bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=seconds
            )
        return PostForm(form["url"], form["fields"])

    def presign_get(self, bucket: str, key: str, *, version_id: str, seconds: int) -> str:
        parameters = {"Bucket": bucket, "Key": key} | ({"VersionId": version_id} if version_id else {})
        with aws_errors("presigning a GET"):
            return self._make_client().generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def create_multipart(self, key: str, content_type: str) -> str:
        with aws_errors("starting a multipart upload"):
            return self._make_client().create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=content_type)[
                "UploadId"
            ]

    def presign_part(
        self, key: str, upload_id: str, part_number: int, *, size_bytes: int, sha256: str, seconds: int
    ) -> SignedPart:
        parameters: dict[str, Any] = {
            "Bucket": self._bucket,
            "Key": key,
            "UploadId": upload_id,
            "PartNumber": part_number,
            "ContentLength": size_bytes,
        }
        # The client must send what the signature covers; its HTTP library sets the length by itself.
        headers = {"Content-Length": str(size_bytes)}
        if sha256:
            parameters["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = _hex_to_base64(sha256)
        with aws_errors("presigning a part"):
            url = self._make_client().generate_presigned_url("upload_part", Params=parameters, ExpiresIn=seconds)
        return SignedPart(part_number, url, headers)

    def list_parts(self, key: str, upload_id: str) -> Sequence[UploadedPart]:
        with aws_errors("listing parts"):
            pages = (
                self._make_client()
                .get_paginator("list_parts")
                .paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
            )
            return [
                UploadedPart(part["PartNumber"], part["ETag"].strip('"'), part["Size"])
                for page in pages
                for part in page.get("Parts", [])
            ]

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        from botocore.exceptions import ClientError

        form: Any = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in sorted(parts)]}
        with aws_errors("completing a multipart upload"):
            try:
                self._make_client().complete_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload=form
                )
            except ClientError as error:
                if error_code(error) not in WRONG_PARTS:
                    raise
                raise InvalidRequest(
                    f"S3 cannot make the object of these parts: {error_code(error)}",
                    hint="List the parts that S3 has and upload those that are missing",
                ) from error

    def abort_multipart(self, key: str, upload_id: str) -> None:
        from botocore.exceptions import ClientError

        with aws_errors("aborting a multipart upload"):
            try:
                self._make_client().abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if error_code(error) not in MISSING:
                    raise

    def head(self, bucket: str, key: str) -> StoredObject | None:
        from botocore.exceptions import ClientError

        with aws_errors("looking at an object"):
            try:
                found = self._make_client().head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if error_code(error) not in MISSING:
                    raise
                return None
        checksum = found.get("ChecksumSHA256", "")
        return StoredObject(
            found["ContentLength"],
            found["ETag"].strip('"'),
            found.get("VersionId", ""),
            # That of a multipart object is a digest of digests, marked by the number of its parts.
            base64.b64decode(checksum).hex() if checksum and "-" not in checksum else "",
        )

    def put(self, key: str, body: bytes) -> None:
        with aws_errors("writing an object"):
            self._make_client().put_object(Bucket=self._bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        with aws_errors("reading an object"):
            for tries_left in reversed(range(BODY_TRIES)):
                try:
                    body = self._make_client().get_object(Bucket=self._bucket, Key=key)["Body"]
                except ClientError as error:
                    if error_code(error) not in MISSING:
                        raise
                    raise NotFound(f"object {key} is gone") from error
                try:
                    return body.read()
                except BotoCoreError:
                    # botocore repeats requests, but no body that broke off.
                    if not tries_left:
                        raise
        raise AssertionError("the last try returns or raises")

    def delete_prefix(self, prefix: str) -> None:
        with aws_errors("deleting objects"):
            for page in (
                self._make_client().get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
            ):
                found: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                doomed: Any = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
                if doomed:
                    self._make_client().delete_objects(Bucket=self._bucket, Delete={"Objects": doomed, "Quiet": True})


def _hex_to_base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
