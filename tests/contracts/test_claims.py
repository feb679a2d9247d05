"""The claim protocol as data: each write names its conditions, and changes nothing else.

That the conditions do what they say is shown on a table, in `tests/ports`.
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.contracts import claims, outcomes
from chalicelib.contracts.attribute_values import item_from_wire
from chalicelib.contracts.claims import UnitKey
from chalicelib.domain.jobs import JobState
from chalicelib.domain.units import Lane, Unit, UnitKind, UnitState

SEGMENT = UnitKey("acme#job_1", UnitKind.SEGMENT, 3)
SEEN = Unit(UnitKind.SEGMENT, 3, UnitState.CLAIMED, attempt=2, fence="fnc_old")
FAILURE = {"code": "INTERNAL", "detail": "it broke", "hint": "try again"}


def values(request: dict[str, Any]) -> dict[str, Any]:
    return item_from_wire(request["ExpressionAttributeValues"])


@pytest.mark.parametrize(
    ("key", "sk"),
    [
        (SEGMENT, "SEG#00003"),
        (UnitKey("acme#vid_1", UnitKind.PROBE), "STEP#PROBE"),
        (UnitKey("acme#job_1", UnitKind.FINISH), "STEP#FINISH"),
        (UnitKey("acme#job_1", UnitKind.TRACKS, name="0001"), "STEP#TRACKS#0001"),
        (UnitKey("acme#job_1", UnitKind.EXPORT, name="exp_1"), "STEP#EXPORT#exp_1"),
        (UnitKey("acme#vid_1", UnitKind.RENDITION, name="ren_1"), "STEP#RENDITION#ren_1"),
    ],
)
def test_a_unit_has_one_key(key: UnitKey, sk: str) -> None:
    assert item_from_wire(key.to_wire()) == {"pk": key.pk, "sk": sk}


def test_a_claim_takes_a_unit_that_is_open_or_stale_and_has_attempts_left() -> None:
    request = claims.claim("meta", SEGMENT, fence="fnc_new", claimed_by="batch:0", now=1000.0, lease_seconds=30)
    assert request["ConditionExpression"] == (
        "(#state = :open OR (#state = :claimed AND lease_until < :stale)) AND attempt < attempts_allowed"
    )


def test_a_claim_counts_the_attempt_before_the_work() -> None:
    request = claims.claim("meta", SEGMENT, fence="fnc_new", claimed_by="batch:0", now=1000.0, lease_seconds=30)
    assert "attempt = attempt + :one" in request["UpdateExpression"]
    assert values(request)[":one"] == 1


def test_a_claim_leaves_a_margin_for_clocks_that_differ() -> None:
    request = claims.claim("meta", SEGMENT, fence="fnc_new", claimed_by="batch:0", now=1000.0, lease_seconds=30)
    assert (values(request)[":until"], values(request)[":stale"]) == (1030.0, 995.0)


def test_a_refused_claim_says_what_is_stored() -> None:
    request = claims.claim("meta", SEGMENT, fence="fnc_new", claimed_by="batch:0", now=1000.0, lease_seconds=30)
    assert request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def held_writes() -> dict[str, dict[str, Any]]:
    """What the holder of a claim writes."""
    return {
        "heartbeat": claims.heartbeat("meta", SEGMENT, fence="fnc_mine", now=1000.0, lease_seconds=30),
        "release": claims.release("meta", SEGMENT, fence="fnc_mine", refund=0, failure=None),
        "done": claims.finish_unit("meta", SEGMENT, fence="fnc_mine", state=UnitState.DONE)[0]["Update"],
        "failed": claims.finish_unit("meta", SEGMENT, fence="fnc_mine", state=UnitState.FAILED)[0]["Update"],
    }


@pytest.mark.parametrize("name", held_writes())
def test_the_holder_writes_only_while_the_claim_is_its_own(name: str) -> None:
    request = held_writes()[name]
    assert request["ConditionExpression"] == "#state = :is_claimed AND fence = :is_fence"
    assert (values(request)[":is_claimed"], values(request)[":is_fence"]) == ("CLAIMED", "fnc_mine")


def outside_writes() -> dict[str, dict[str, Any]]:
    """What the service writes to a unit that it has seen."""
    return {
        "requeue": claims.requeue(
            "meta", SEGMENT, SEEN, submission="sub_2", child=1, lane=Lane.CPU, blame=0, failure=None
        ),
        "cancel": claims.end_from_outside(
            "meta", SEGMENT, SEEN, state=UnitState.CANCELLED, fence="fnc_new", failure=None
        )[0]["Update"],
        "reopen": claims.reopen("meta", SEGMENT, SEEN, submission="retry-7", child=1, lane=Lane.CPU, attempts=3)[0][
            "Update"
        ],
    }


@pytest.mark.parametrize("name", outside_writes())
def test_the_service_writes_only_when_nothing_happened_since_it_looked(name: str) -> None:
    request = outside_writes()[name]
    assert request["ConditionExpression"] == "#state = :is_state AND fence = :is_fence AND attempt = :is_attempt"
    assert [values(request)[f":is_{field}"] for field in ("state", "fence", "attempt")] == ["CLAIMED", "fnc_old", 2]


def test_a_heartbeat_moves_nothing_but_the_lease() -> None:
    assert held_writes()["heartbeat"]["UpdateExpression"] == "SET lease_until = :until"


@pytest.mark.parametrize("refund", [0, 1])
def test_a_drained_attempt_is_given_back(refund: int) -> None:
    request = claims.release("meta", SEGMENT, fence="fnc_mine", refund=refund, failure=FAILURE)
    assert values(request)[":refund"] == refund
    assert "attempts_allowed = attempts_allowed + :refund" in request["UpdateExpression"]


@pytest.mark.parametrize("blame", [0, 1])
def test_a_child_that_died_before_its_claim_costs_an_attempt_all_the_same(blame: int) -> None:
    request = claims.requeue(
        "meta", SEGMENT, SEEN, submission="sub_2", child=1, lane=Lane.CPU, blame=blame, failure=FAILURE
    )
    assert values(request)[":attempt"] == 2 + blame


def test_a_requeue_takes_the_fence_away() -> None:
    assert values(outside_writes()["requeue"])[":none"] == ""


def test_ending_from_outside_fences_the_old_holder_off() -> None:
    request = outside_writes()["cancel"]
    assert "fence = :fence" in request["UpdateExpression"]
    assert values(request)[":fence"] == "fnc_new"


def test_the_end_of_a_segment_takes_its_open_marker_along() -> None:
    entries = claims.finish_unit("meta", SEGMENT, fence="fnc_mine", state=UnitState.DONE)
    assert [item_from_wire(entry["Delete"]["Key"]) for entry in entries[1:]] == [
        {"pk": "acme#job_1", "sk": "OPEN#00003"}
    ]


@pytest.mark.parametrize("by", ["worker", "service"])
def test_a_segment_that_fails_leaves_a_failed_marker(by: str) -> None:
    entries = (
        claims.finish_unit("meta", SEGMENT, fence="fnc_mine", state=UnitState.FAILED, failure=FAILURE)
        if by == "worker"
        else claims.end_from_outside("meta", SEGMENT, SEEN, state=UnitState.FAILED, fence="f", failure=FAILURE)
    )
    assert item_from_wire(entries[2]["Put"]["Item"]) == {"pk": "acme#job_1", "sk": "FAILED#00003", "kind": "FAILED"}


def test_a_segment_that_is_opened_again_swaps_its_markers() -> None:
    _, opened, failed = claims.reopen("meta", SEGMENT, SEEN, submission="retry-7", child=1, lane=Lane.CPU, attempts=3)
    assert item_from_wire(opened["Put"]["Item"]) == {"pk": "acme#job_1", "sk": "OPEN#00003", "kind": "OPEN"}
    assert item_from_wire(failed["Delete"]["Key"]) == {"pk": "acme#job_1", "sk": "FAILED#00003"}


def test_a_segment_that_is_opened_again_has_new_attempts_on_top_of_those_that_it_used() -> None:
    assert values(outside_writes()["reopen"])[":allowed"] == SEEN.attempt + 3


def test_a_step_has_no_markers() -> None:
    entries = claims.finish_unit("meta", UnitKey("acme#vid_1", UnitKind.PROBE), fence="f", state=UnitState.DONE)
    assert [list(entry) for entry in entries] == [["Update"]]


@pytest.mark.parametrize(
    "entries",
    [
        claims.finish_unit("meta", SEGMENT, fence="fnc", state=UnitState.DONE),
        claims.end_from_outside("meta", SEGMENT, SEEN, state=UnitState.FAILED, fence="fnc", failure=FAILURE),
    ],
)
def test_what_ends_is_not_due_any_more(entries: list[dict[str, Any]]) -> None:
    assert entries[0]["Update"]["UpdateExpression"].endswith("REMOVE lease_until, due_shard, due_at")


def test_facts_become_attributes_of_the_unit() -> None:
    update = claims.finish_unit(
        "meta", SEGMENT, fence="f", state=UnitState.DONE, facts={"frames_inferred": 7, "frames_shown": 8}
    )[0]["Update"]
    assert "#frames_inferred = :set_frames_inferred" in update["UpdateExpression"]
    assert values(update)[":set_frames_inferred"] == 7


@pytest.mark.parametrize("state", [UnitState.OPEN, UnitState.CLAIMED, UnitState.CANCELLED])
def test_a_worker_ends_a_unit_only_as_done_or_failed(state: UnitState) -> None:
    with pytest.raises(ValueError, match="must end as DONE or FAILED"):
        claims.finish_unit("meta", SEGMENT, fence="f", state=state)


@pytest.mark.parametrize("state", [UnitState.OPEN, UnitState.CLAIMED, UnitState.DONE])
def test_the_service_ends_a_unit_only_as_failed_or_cancelled(state: UnitState) -> None:
    with pytest.raises(ValueError, match="must end a unit as FAILED or CANCELLED"):
        claims.end_from_outside("meta", SEGMENT, SEEN, state=state, fence="f", failure=None)


@pytest.mark.parametrize(
    ("entry", "sk", "from_state"),
    [
        (outcomes.video_probed("meta", "acme#vid_1", media={}, index={}), "VIDEO", "UPLOADED"),
        (outcomes.video_rejected("meta", "acme#vid_1", failure=FAILURE), "VIDEO", "UPLOADED"),
        (
            outcomes.job_finished(
                "meta",
                "acme#job_1",
                state=JobState.SUCCEEDED,
                summary={},
                missing=[],
                failure=None,
                finished_at="2026-11-03T12:30:00.000Z",
            ),
            "JOB",
            "FINISHING",
        ),
    ],
    ids=["probed", "rejected", "finished"],
)
def test_an_outcome_moves_its_owner_on_only_from_the_state_that_it_ends(
    entry: dict[str, Any], sk: str, from_state: str
) -> None:
    update = entry["Update"]
    assert item_from_wire(update["Key"])["sk"] == sk
    assert (update["ConditionExpression"], values(update)[":from_state"]) == ("#state = :from_state", from_state)


def test_an_outcome_counts_the_version_and_takes_the_owner_out_of_the_due_index() -> None:
    update = outcomes.video_rejected("meta", "acme#vid_1", failure=FAILURE)["Update"]
    assert update["UpdateExpression"].endswith("version = version + :one REMOVE due_shard, due_at")
