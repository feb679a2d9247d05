"""VIDEO items in DynamoDB."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import video_from_item, video_to_item
from chalicelib.domain.ids import TenantId, VideoId
from chalicelib.domain.videos import Video
from chalicelib.services.ports import VersionConflict

KEPT_LONGEST = (table_keys.VIDEO, table_keys.NO_VERSIONS)
"""In this order: as long as there is a video, what says that it may have no aliases must be there."""


class DynamoVideoStore:
    """The port `VideoStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def add(self, video: Video, due_at: datetime | None) -> None:
        put_version(self._meta, video_to_item(video, due_at), seen=0)

    def get(self, tenant: TenantId, video_id: VideoId) -> Video | None:
        item = self._meta.get(table_keys.partition(tenant, video_id), table_keys.VIDEO)
        return video_from_item(item) if item else None

    def save(self, video: Video, due_at: datetime | None) -> Video:
        saved = replace(video, version=video.version + 1)
        put_version(self._meta, video_to_item(saved, due_at), seen=video.version)
        return saved

    def get_many(self, tenant: TenantId, video_ids: Sequence[VideoId]) -> Mapping[VideoId, Video]:
        keys = [(table_keys.partition(tenant, video_id), table_keys.VIDEO) for video_id in dict.fromkeys(video_ids)]
        videos = map(video_from_item, self._meta.get_many(keys, is_consistent=True))
        return {video.video_id: video for video in videos}

    def list(self, tenant: TenantId, after: VideoId | None, limit: int) -> Sequence[Video]:
        found: list[Video] = []
        while len(found) < limit:
            condition, values = "list_pk = :pk", {":pk": table_keys.partition(tenant, "videos")}
            if after:
                condition += " AND list_sk < :after"
                values[":after"] = after
            wanted = limit - len(found)
            keys = list(self._meta.query_index(table_keys.LISTS_INDEX, condition, values, limit=wanted, backwards=True))
            items = self._meta.get_many([(key["pk"], key["sk"]) for key in keys], is_consistent=True)
            videos = (video_from_item(item) for item in items)
            found += sorted(videos, key=lambda video: video.video_id, reverse=True)
            if len(keys) < wanted:
                break
            # The index is a moment behind: what was deleted must not shorten the page, since a short page is the last.
            after = keys[-1]["list_sk"]
        return found

    def delete(self, video: Video) -> None:
        pk = table_keys.partition(video.tenant, video.video_id)
        sort_keys = [str(item["sk"]) for item in self._meta.query(pk)]
        self._meta.write_many(deletes=[(pk, sk) for sk in sort_keys if sk not in KEPT_LONGEST])
        for sk in KEPT_LONGEST:
            self._meta.delete(pk, sk)


def put_version(meta: Table, item: Item, *, seen: int) -> None:
    """Write the next version of an item, if it still has the version that was `seen` (0: if there is none).

    Raises:
        VersionConflict: it does not.
    """
    write_id = uuid.uuid4().hex
    # Nobody wrote since we read: a lost race must not undo the winner's step.
    is_unchanged = "version = :seen" if seen else "attribute_not_exists(pk)"
    # Our own write, whose answer was lost on the way, is no lost race; what was written after it must stay.
    is_ours = "(write_id = :mine AND version = :version)"
    values = {":mine": write_id, ":version": item["version"]} | ({":seen": seen} if seen else {})
    try:
        meta.put({**item, "write_id": write_id}, f"{is_unchanged} OR {is_ours}", values)
    except ConditionFailed as error:
        if not seen and error.item is not None and error.item["version"] > item["version"]:
            # Nobody else makes this id: we did add it, and it was moved on before we heard of that.
            return
        raise VersionConflict(f"{item['sk']} {item['pk'].partition('#')[2]} was changed by somebody else") from error
