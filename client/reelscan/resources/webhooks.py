"""`client.webhooks`."""

from __future__ import annotations

from typing import TypeVar, Unpack

from reelscan.pages import Pages
from reelscan.records import (
    Delivery,
    Job,
    Replay,
    Webhook,
    WebhookChangeForm,
    WebhookForm,
    WebhookSecret,
)
from reelscan.resources.base import Part
from reelscan.waiting import id_of
from reelscan.worlds import World, operation

W_co = TypeVar("W_co", bound=World, covariant=True)


class Webhooks(Part[W_co]):
    """URLs that are told what happens to jobs."""

    @operation
    async def make(self, **webhook: Unpack[WebhookForm]) -> WebhookSecret:
        """Have a URL told; the answer has the secret that signs, which is shown this once."""
        return await self._connection.post("/webhooks", dict(webhook), WebhookSecret)

    def list(self) -> Pages[W_co, Webhook]:
        """All of them."""
        return self._pages("/webhooks", Webhook)

    @operation
    async def get(self, webhook: Webhook | str) -> Webhook:
        """The webhook as it is now."""
        return await self._connection.get(_path(webhook), Webhook, "webhook")

    @operation
    async def change(self, webhook: Webhook | str, **changes: Unpack[WebhookChangeForm]) -> Webhook:
        """Change what is given, and leave the rest; `state="ACTIVE"` wakes one that was disabled."""
        return await self._connection.patch(_path(webhook), dict(changes), Webhook, "webhook")

    @operation
    async def rotate(self, webhook: Webhook | str, *, overlap_seconds: int | None = None) -> WebhookSecret:
        """Make another secret; for a while both sign."""
        body = {} if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
        return await self._connection.post(f"{_path(webhook)}/rotate", body, WebhookSecret)

    @operation
    async def test(self, webhook: Webhook | str) -> Delivery:
        """Send it a message now, and say how that went."""
        return await self._connection.post(f"{_path(webhook)}/test", {}, Delivery, "delivery")

    @operation
    async def replay(self, webhook: Webhook | str, job: Job | str, *, after_seq: int = 0) -> Replay:
        """Send the events of a job again, after a `seq`."""
        body = {"job_id": id_of(job, "job_id"), "after_seq": after_seq}
        return await self._connection.post(f"{_path(webhook)}/replay", body, Replay)

    def deliveries(self, webhook: Webhook | str, *, outcome: str | None = None) -> Pages[W_co, Delivery]:
        """What was sent to it and how that went, the newest first."""
        return self._pages(f"{_path(webhook)}/deliveries", Delivery, {"outcome": outcome})

    @operation
    async def delete(self, webhook: Webhook | str) -> None:
        """Tell it nothing more."""
        await self._connection.delete(_path(webhook))


def _path(webhook: Webhook | str) -> str:
    return f"/webhooks/{id_of(webhook, 'webhook_id')}"
