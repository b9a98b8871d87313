"""The memory for bodies: one bound for all, half of it for one tenant, and small ones always pass."""

from __future__ import annotations

import pytest

from gateway.overload.body_memory import SMALL, BodyMemory
from gateway.overload.exceptions import Overloaded

MB = 1024 * 1024


def test_bodies_share_one_bound_and_give_it_back():
    room = BodyMemory(8 * MB, MB)
    portions = [room.lease(tenant) for tenant in range(8)]
    for portion in portions:
        portion.grow_to(MB)
    with pytest.raises(Overloaded) as refusal:
        room.lease(9).grow_to(SMALL + 1)
    assert refusal.value.reason == "bodies"
    portions[0].release()
    room.lease(9).grow_to(MB)
    for portion in portions:
        portion.release()
    assert room.in_use == MB


def test_one_tenant_gets_half():
    room = BodyMemory(8 * MB, MB)
    for _ in range(4):
        room.lease(1).grow_to(MB)
    with pytest.raises(Overloaded):
        room.lease(1).grow_to(MB)
    room.lease(2).grow_to(MB)


def test_the_largest_body_fits_into_the_smallest_body_memory():
    room = BodyMemory(MB, 20 * MB)
    room.lease(1).grow_to(20 * MB)
    assert room.in_use == 20 * MB


def test_a_growing_body_is_counted_once_and_a_small_one_never():
    room = BodyMemory(8 * MB, MB)
    small, growing = room.lease(1), room.lease(1)
    small.grow_to(SMALL)
    for size in range(0, MB + 1, SMALL):
        growing.grow_to(size)
    growing.grow_to(MB // 2)
    assert room.in_use == MB
    growing.release()
    growing.release()
    assert room.in_use == 0
