"""A bucket in memory, with what presigned forms and URLs allow."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from typing import Any

from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.services.object_port import PostForm, SignedPart, StoredObject, UploadedPart

BUCKET = "bucket"


class FakeObjectStore:
    """The port `ObjectStore`. `post`, `put_part`, `fetch` and `place` are what the outside world does."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[tuple[StoredObject, bytes]]] = {}
        self._uploads: dict[str, tuple[str, dict[int, bytes]]] = {}
        self._numbers = itertools.count(1)

    def place(self, key: str, body: bytes, *, bucket: str = BUCKET, sha256: str = "") -> None:
        """An object comes to lie there, by whatever way."""
        stored = StoredObject(len(body), hashlib.sha256(body).hexdigest()[:32], f"v{next(self._numbers)}", sha256)
        self._versions.setdefault((bucket, key), []).append((stored, body))

    def post(self, form: PostForm, body: bytes) -> bool:
        """Whether the form was accepted with these bytes."""
        policy = json.loads(form.fields["policy"])
        is_wanted = len(body) == policy["size"] and policy["sha256"] in ("", hashlib.sha256(body).hexdigest())
        if is_wanted:
            self.place(form.fields["key"], body, sha256=policy["sha256"])
        return is_wanted

    def put_part(self, part: SignedPart, body: bytes) -> bool:
        """Whether the part was accepted."""
        grant = json.loads(part.url)
        is_wanted = len(body) == grant["size"] and grant["sha256"] in ("", hashlib.sha256(body).hexdigest())
        if is_wanted:
            self._uploads[grant["upload_id"]][1][part.part_number] = body
        return is_wanted

    def fetch(self, url: str) -> bytes | None:
        """What a presigned GET reads."""
        grant = json.loads(url)
        versions = self._versions.get((grant["bucket"], grant["key"]), [])
        bodies = [body for stored, body in versions if grant["version_id"] in ("", stored.version_id)]
        return bodies[-1] if bodies else None

    def keys(self) -> set[str]:
        """Keys of all objects of our bucket."""
        return {key for bucket, key in self._versions if bucket == BUCKET}

    def presign_post(self, key: str, *, size_bytes: int, content_type: str, sha256: str, seconds: int) -> PostForm:
        policy = json.dumps({"size": size_bytes, "sha256": sha256})
        return PostForm("memory:post", {"key": key, "Content-Type": content_type, "policy": policy})

    def presign_get(self, bucket: str, key: str, *, version_id: str, seconds: int) -> str:
        return json.dumps({"bucket": bucket, "key": key, "version_id": version_id})

    def create_multipart(self, key: str, content_type: str) -> str:
        upload_id = f"upload-{next(self._numbers)}"
        self._uploads[upload_id] = (key, {})
        return upload_id

    def presign_part(
        self, key: str, upload_id: str, part_number: int, *, size_bytes: int, sha256: str, seconds: int
    ) -> SignedPart:
        grant: dict[str, Any] = {"upload_id": upload_id, "size": size_bytes, "sha256": sha256}
        return SignedPart(part_number, json.dumps(grant), {"Content-Length": str(size_bytes)})

    def list_parts(self, key: str, upload_id: str) -> Sequence[UploadedPart]:
        _, parts = self._uploads[upload_id]
        return [UploadedPart(number, _etag(body), len(body)) for number, body in sorted(parts.items())]

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        _, stored = self._uploads.get(upload_id, ("", {}))
        if not parts or any(_etag(stored.get(number, b"?")) != etag for number, etag in parts):
            raise InvalidRequest("S3 cannot make the object of these parts")
        self.place(key, b"".join(stored[number] for number, _ in sorted(parts)))
        del self._uploads[upload_id]

    def abort_multipart(self, key: str, upload_id: str) -> None:
        self._uploads.pop(upload_id, None)

    def head(self, bucket: str, key: str) -> StoredObject | None:
        versions = self._versions.get((bucket, key))
        return versions[-1][0] if versions else None

    def put(self, key: str, body: bytes) -> None:
        self.place(key, body)

    def get(self, key: str) -> bytes:
        versions = self._versions.get((BUCKET, key))
        if not versions:
            raise NotFound(f"object {key} is gone")
        return versions[-1][1]

    def delete_prefix(self, prefix: str) -> None:
        for bucket, key in list(self._versions):
            if bucket == BUCKET and key.startswith(prefix):
                del self._versions[bucket, key]


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]
