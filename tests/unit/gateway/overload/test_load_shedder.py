"""Which calls are refused when the process is full, and how the cap follows the event loop."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.overload.exceptions import Overloaded
from gateway.overload.load_shedder import LoadShedder

ALICE, BOB = 1, 2


def fill(shedding, *, alice=0, bob=0):
    return [
        *(shedding.acquire_slot(ALICE, is_batch=False) for _ in range(alice)),
        *(shedding.acquire_slot(BOB, is_batch=False) for _ in range(bob)),
    ]


def seconds(shedding, lag_s, count, start=0.0):
    """Let so many seconds pass with a loop that is always this late; return when they are over."""
    for tenth in range(count * 10 + 1):
        shedding.observe_lag(lag_s, start + tenth / 10)
    return start + count


def refusal(shedding, tenant, *, is_batch=False):
    with pytest.raises(Overloaded) as caught:
        shedding.acquire_slot(tenant, is_batch=is_batch)
    return caught.value.reason


def test_load_shedder_refuses_beyond_the_cap_and_takes_again_when_a_slot_is_back():
    shedding = LoadShedder(10)
    slots = fill(shedding, alice=5, bob=5)
    assert refusal(shedding, ALICE) == "full"
    slots[0].release()
    shedding.acquire_slot(ALICE, is_batch=False)
    assert shedding.in_use == 10


def test_a_slot_given_back_twice_counts_once():
    shedding = LoadShedder(10)
    first, _ = fill(shedding, alice=2)
    first.release()
    first.release()
    assert shedding.in_use == 1


def test_a_fifth_of_the_slots_is_kept_from_batch_keys():
    shedding = LoadShedder(10)
    for _ in range(8):
        shedding.acquire_slot(ALICE, is_batch=True)
    assert refusal(shedding, BOB, is_batch=True) == "batch"
    shedding.acquire_slot(BOB, is_batch=False)


def test_no_tenant_takes_more_than_half_of_a_nearly_full_process():
    shedding = LoadShedder(10)
    fill(shedding, alice=6, bob=3)
    assert refusal(shedding, ALICE) == "tenant_share"
    shedding.acquire_slot(BOB, is_batch=False)


def test_a_lone_tenant_may_use_most_of_an_empty_process():
    assert len(fill(LoadShedder(10), alice=9)) == 9


def test_a_single_slot_is_usable():
    shedding = LoadShedder(1)
    fill(shedding, alice=1)
    assert refusal(shedding, ALICE) == "full"


def test_a_late_loop_shrinks_the_cap_by_a_tenth_a_second_down_to_the_floor():
    shedding = LoadShedder(1000)
    until = seconds(shedding, 0.060, 1)
    assert shedding.cap == 900
    seconds(shedding, 0.060, 60, until)
    assert shedding.cap == 50


def test_a_punctual_loop_lets_the_cap_grow_back_to_the_ceiling():
    shedding = LoadShedder(1000)
    until = seconds(shedding, 0.060, 2)
    until = seconds(shedding, 0.001, 1, until)
    assert shedding.cap == 815
    seconds(shedding, 0.001, 60, until)
    assert shedding.cap == 1000


def test_one_stall_in_a_second_does_not_shrink_the_cap():
    shedding = LoadShedder(1000)
    shedding.observe_lag(0.3, 0.0)
    seconds(shedding, 0.0, 1, 0.1)
    assert shedding.cap == 1000


async def test_load_shedder_is_idle_only_when_every_slot_is_back():
    shedding = LoadShedder(10)
    slots = fill(shedding, alice=2)
    waiting = asyncio.create_task(shedding.wait_until_idle())
    slots[0].release()
    await asyncio.sleep(0)
    assert not waiting.done()
    slots[1].release()
    await asyncio.wait_for(waiting, 30)


@given(st.lists(st.tuples(st.sampled_from(["take", "batch", "give", "late", "fine"]), st.integers(1, 4))))
def test_the_count_never_exceeds_the_cap_it_was_admitted_under(steps):
    shedding, held, now = LoadShedder(20), [], 0.0
    for step, tenant in steps:
        if step in {"take", "batch"}:
            before = shedding.in_use
            try:
                held.append(shedding.acquire_slot(tenant, is_batch=step == "batch"))
            except Overloaded:
                assert before >= shedding.cap * 0.8
            else:
                assert before < shedding.cap
        elif step == "give" and held:
            held.pop().release()
        else:
            now += 1.0
            shedding.observe_lag(0.1 if step == "late" else 0.0, now)
        assert shedding.in_use == len(held)
        assert shedding.floor <= shedding.cap <= shedding.ceiling
