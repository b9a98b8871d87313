"""Unknown keys are counted by where they come from, for ten seconds."""

from __future__ import annotations

import pytest

from tenants.addresses import is_inside, origin
from tenants.api_keys import unknown_key_limiter
from tenants.api_keys.unknown_key_limiter import MOST, WINDOW_S, UnknownKeyLimiter


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def misses(clock):
    return UnknownKeyLimiter(clock)


def test_there_are_too_many_after_the_last_allowed_miss_until_the_window_ends(misses, clock):
    for _ in range(MOST):
        assert not misses.are_too_many("192.0.2.1")
        misses.record("192.0.2.1")
    clock.now = 4.0
    assert misses.are_too_many("192.0.2.1")
    assert misses.left_s("192.0.2.1") == WINDOW_S - 4
    assert not misses.are_too_many("192.0.2.2")
    clock.now = WINDOW_S
    assert not misses.are_too_many("192.0.2.1")


def test_an_ipv6_customer_cannot_change_addresses(misses):
    for number in range(MOST):
        misses.record(f"2001:db8::{number:x}")
    assert misses.are_too_many("2001:db8::ffff")
    assert not misses.are_too_many("2001:db8:0:1::1")


def test_limiter_keeps_a_bounded_number_of_addresses(misses, clock):
    for number in range(unknown_key_limiter.CAPACITY * 2):
        clock.now += WINDOW_S
        misses.record(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(misses) <= unknown_key_limiter.CAPACITY


@pytest.mark.parametrize(
    ("address", "network", "expected"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("fd00::1", "10.0.0.0/8", False),
        ("", "0.0.0.0/0", False),
        ("unix:", "0.0.0.0/0", False),
    ],
)
def test_an_address_is_inside_a_network_however_it_is_written(address, network, expected):
    assert is_inside(address, [network]) is expected


def test_what_is_no_address_counts_as_itself():
    assert (origin("unix:"), origin("::ffff:192.0.2.1")) == ("unix:", "192.0.2.1")
