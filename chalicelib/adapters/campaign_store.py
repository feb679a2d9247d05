"""CAMPAIGN, RUN and TARGET items in DynamoDB."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice

from chalicelib.adapters.table import ConditionFailed, Table
from chalicelib.adapters.video_store import put_version
from chalicelib.contracts import table_keys
from chalicelib.contracts.campaign_items import (
    campaign_from_item,
    campaign_to_item,
    places_to_item,
    run_from_item,
    run_to_item,
    target_from_item,
    target_to_item,
)
from chalicelib.contracts.items import time_to_text
from chalicelib.domain.campaign_runs import Run, Target
from chalicelib.domain.campaigns import Campaign, CampaignState
from chalicelib.domain.errors import DependencyFailed
from chalicelib.domain.ids import CampaignId, RunId, TenantId, VideoId
from chalicelib.services.ports import VersionConflict


class DynamoCampaignStore:
    """The port `CampaignStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def add(self, campaign: Campaign, due_at: datetime | None, *, max_open: int) -> bool:
        while True:
            seen, taken = self._places(campaign.tenant)
            if len(taken) >= max_open:
                # Whoever is over gives its place back here, so that nothing that ends a campaign has to.
                taken = self._still_open(campaign.tenant, taken)
            if len(taken) >= max_open:
                return False
            places = places_to_item(campaign.tenant, seen + 1, [*taken, campaign.campaign_id])
            # Of several that take the last place at once, one gets it.
            is_unchanged = "version = :seen" if seen else "attribute_not_exists(pk)"
            try:
                self._meta.transact(
                    [
                        self._meta.put_entry(campaign_to_item(campaign, due_at), "attribute_not_exists(pk)"),
                        self._meta.put_entry(places, is_unchanged, {":seen": seen} if seen else None),
                    ]
                )
            except ConditionFailed:
                # Nobody else makes this id: it may be our own write, whose answer was lost on the way.
                if self.get(campaign.tenant, campaign.campaign_id) is None:
                    continue
            return True

    def get(self, tenant: TenantId, campaign_id: CampaignId) -> Campaign | None:
        item = self._meta.get(table_keys.partition(tenant, campaign_id), table_keys.CAMPAIGN)
        return campaign_from_item(item) if item else None

    def save(self, campaign: Campaign, due_at: datetime | None) -> Campaign:
        saved = replace(campaign, version=campaign.version + 1)
        put_version(self._meta, campaign_to_item(saved, due_at), seen=campaign.version)
        return saved

    def list(self, tenant: TenantId, after: CampaignId | None, limit: int) -> Sequence[Campaign]:
        found: list[Campaign] = []
        while len(found) < limit:
            condition, values = "list_pk = :pk", {":pk": table_keys.partition(tenant, "campaigns")}
            if after:
                condition += " AND list_sk < :after"
                values[":after"] = after
            wanted = limit - len(found)
            keys = list(self._meta.query_index(table_keys.LISTS_INDEX, condition, values, limit=wanted, backwards=True))
            items = self._meta.get_many([(key["pk"], key["sk"]) for key in keys], is_consistent=True)
            listed = [item for item in map(campaign_from_item, items) if item.state is not CampaignState.DELETING]
            found += sorted(listed, key=lambda campaign: campaign.campaign_id, reverse=True)
            if len(keys) < wanted:
                break
            # The index is a moment behind: what was deleted must not shorten the page, since a short page is the last.
            after = keys[-1]["list_sk"]
        return found

    def delete(self, campaign: Campaign) -> None:
        pk = table_keys.partition(campaign.tenant, campaign.campaign_id)
        self._meta.write_many(deletes=[(pk, item["sk"]) for item in self._meta.query(pk)])

    def add_run(self, run: Run, due_at: datetime | None) -> Run:
        # The reference first: a run that nobody can list would outlive its campaign.
        reference = {
            "pk": table_keys.partition(run.tenant, run.campaign_id),
            "sk": table_keys.run_reference(time_to_text(run.nominal_at)),
            "kind": "RUN_REF",
            "run_id": run.run_id,
        }
        self._meta.put(reference)
        with suppress(VersionConflict):
            put_version(self._meta, run_to_item(run, due_at), seen=0)
        # Recorded by whoever came first, and perhaps moved on since.
        stored = self.get_run(run.tenant, run.run_id)
        if stored is None:
            raise DependencyFailed(f"run {run.run_id} was recorded and is gone")
        return stored

    def get_run(self, tenant: TenantId, run_id: RunId) -> Run | None:
        item = self._meta.get(table_keys.partition(tenant, run_id), table_keys.RUN)
        return run_from_item(item) if item else None

    def save_run(self, run: Run, due_at: datetime | None) -> Run:
        saved = replace(run, version=run.version + 1)
        put_version(self._meta, run_to_item(saved, due_at), seen=run.version)
        return saved

    def list_runs(self, campaign: Campaign, after: datetime | None, limit: int) -> Sequence[Run]:
        references = self._meta.query(
            table_keys.partition(campaign.tenant, campaign.campaign_id),
            table_keys.run_reference(""),
            after=table_keys.run_reference(time_to_text(after)) if after else None,
            backwards=True,
        )
        runs = (self.get_run(campaign.tenant, RunId(reference["run_id"])) for reference in references)
        # A reference without its run (just being made) must not shorten the page: a short page is the last.
        return list(islice((run for run in runs if run is not None), limit))

    def delete_run(self, run: Run) -> None:
        reference = table_keys.run_reference(time_to_text(run.nominal_at))
        # The reference last: what is listed is what is left to delete.
        self._meta.delete(table_keys.partition(run.tenant, run.run_id), table_keys.RUN)
        self._meta.delete(table_keys.partition(run.tenant, run.campaign_id), reference)

    def add_targets(self, targets: Sequence[Target]) -> None:
        for target in targets:
            try:
                # A step that was delayed must not set back a target that has gone on.
                self._meta.put(target_to_item(target), "attribute_not_exists(pk)")
            except ConditionFailed:
                continue

    def get_target(self, tenant: TenantId, run_id: RunId, video_id: VideoId) -> Target | None:
        item = self._meta.get(table_keys.partition(tenant, run_id), table_keys.target(video_id))
        return target_from_item(item) if item else None

    def save_target(self, target: Target) -> Target:
        saved = replace(target, version=target.version + 1)
        put_version(self._meta, target_to_item(saved), seen=target.version)
        return saved

    def list_targets(self, tenant: TenantId, run_id: RunId, after: VideoId | None, limit: int) -> Sequence[Target]:
        items = self._meta.query(
            table_keys.partition(tenant, run_id),
            table_keys.TARGET_PREFIX,
            after=table_keys.target(after) if after else None,
            limit=limit,
            backwards=True,
        )
        return [target_from_item(item) for item in items]

    def delete_targets(self, tenant: TenantId, run_id: RunId, limit: int) -> bool:
        pk = table_keys.partition(tenant, run_id)
        found = list(self._meta.query(pk, table_keys.TARGET_PREFIX, limit=limit))
        self._meta.write_many(deletes=[(pk, item["sk"]) for item in found])
        return len(found) == limit

    def _places(self, tenant: TenantId) -> tuple[int, Sequence[CampaignId]]:
        """The version of the list of open campaigns (0: there is none), and who is on it, some of whom may be over."""
        item = self._meta.get(table_keys.partition(tenant, "campaigns"), table_keys.OPEN_CAMPAIGNS)
        return (item["version"], [CampaignId(name) for name in item["campaign_ids"]]) if item else (0, [])

    def _still_open(self, tenant: TenantId, campaign_ids: Sequence[CampaignId]) -> Sequence[CampaignId]:
        keys = [(table_keys.partition(tenant, name), table_keys.CAMPAIGN) for name in campaign_ids]
        found = map(campaign_from_item, self._meta.get_many(keys, is_consistent=True))
        return sorted(campaign.campaign_id for campaign in found if campaign.is_open)
