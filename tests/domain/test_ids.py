from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.ids import RANDOM_BYTES, is_id, is_tenant, make_id

MILLISECONDS = st.integers(0, 2**48 - 1)
RANDOMNESS = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(milliseconds=MILLISECONDS, randomness=RANDOMNESS)
def test_what_is_made_is_an_id_of_its_kind_and_of_no_other(milliseconds: int, randomness: bytes) -> None:
    made = make_id("vid", milliseconds, randomness)
    assert (is_id("vid", made), is_id("job", made), len(made)) == (True, False, 30)


@given(pair=st.lists(st.tuples(MILLISECONDS, RANDOMNESS), min_size=2, max_size=2))
def test_ids_sort_by_time_and_then_by_their_random_part(pair: list[tuple[int, bytes]]) -> None:
    first, second = (make_id("vid", *parts) for parts in pair)
    assert (first < second) == (pair[0] < pair[1])
    assert (first == second) == (pair[0] == pair[1])


def test_an_id_is_a_ulid() -> None:
    # Source: the example of the ULID specification.
    milliseconds = 1469918176385
    assert make_id("vid", milliseconds, bytes(RANDOM_BYTES)) == "vid_01ARYZ6S41" + "0" * 16


@pytest.mark.parametrize("count", [0, 9, 11])
def test_any_other_amount_of_randomness_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"must be 10 bytes but got {count}"):
        make_id("vid", 0, bytes(count))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vid_",
        "vid_" + "0" * 25,
        "vid_" + "0" * 27,
        "vid_" + "0" * 25 + "I",
        "vid_" + "0" * 25 + "a",
        "job_" + "0" * 26,
        "xvid_" + "0" * 26,
        "vid_" + "0" * 26 + "#",
        "vid_" + "0" * 26 + "\n",
    ],
)
def test_what_has_another_form_is_no_id(text: str) -> None:
    assert not is_id("vid", text)


@pytest.mark.parametrize("text", ["a", "A-1_b", "x" * 64, "9"])
def test_plain_names_may_be_tenants(text: str) -> None:
    assert is_tenant(text)


@pytest.mark.parametrize("text", ["", "-a", "_a", "a#b", "a/b", "a b", "é", "x" * 65, "a\n", "../a"])
def test_names_in_which_a_separator_could_hide_are_no_tenants(text: str) -> None:
    assert not is_tenant(text)
