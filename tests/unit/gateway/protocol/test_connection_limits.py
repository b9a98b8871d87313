"""Which clients keep a connection when there are too many."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from gateway.http.forwarded import TrustedProxies
from gateway.protocol.connection_limits import FIRST_S, ConnectionLimits


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Line:
    """A connection in the hands of a test."""

    def __init__(self, house):
        self.house = house
        self.is_known = self.is_ended = self.has_unread = False
        self.idle_until: float | None = None

    def end(self):
        assert not self.is_ended
        self.is_ended = True
        self.house.remove(self)


class House(ConnectionLimits):
    def __init__(self, most=100, per_address=10, trusted=()):
        self.clock = Clock()
        self.told: Counter[str] = Counter()
        super().__init__(
            self.clock,
            lambda why: self.told.update([why]),
            max_connections=most,
            per_address=per_address,
            is_proxy=TrustedProxies(trusted).trusts,
        )

    def come(self, address="192.0.2.1"):
        line = Line(self)
        return line if self.admit(line, address) else None

    def caller(self, address="192.0.2.1"):
        line = self.come(address)
        assert line is not None
        line.is_known = True
        self.set_known(line)
        return line


def test_an_address_over_its_share_loses_its_longest_idle_connection():
    house = House()
    lines = []
    for _ in range(13):
        house.clock.now += FIRST_S
        lines.append(house.come())
    assert [line.is_ended for line in lines] == [True] * 3 + [False] * 10
    assert house.told == {"address": 3}


def test_a_recently_used_connection_is_not_the_longest_idle():
    house = House()
    first, second = house.come(), house.come()
    for _ in range(8):
        house.come()
    house.clock.now += FIRST_S
    house.set_working(first)
    house.set_waiting(first)
    house.come()
    assert (first.is_ended, second.is_ended) == (False, True)


def test_an_unauthenticated_connection_being_answered_is_not_closed():
    house = House()
    lines = [house.come() for _ in range(10)]
    for line in lines:
        house.set_working(line)
    house.clock.now += 60
    assert house.come() is not None
    assert not any(line.is_ended for line in lines)


def test_addresses_of_one_ipv6_customer_are_one():
    house = House()
    lines = [house.come(f"2001:db8::{number:x}") for number in range(10)]
    house.clock.now += FIRST_S
    house.come("2001:db8::ffff")
    house.come("2001:db8:0:1::1")
    assert [line.is_ended for line in lines].count(True) == 1


def test_concurrent_connections_are_accepted_while_there_is_capacity():
    house = House(most=1000)
    lines = [house.come() for _ in range(500)]
    assert not any(line.is_ended for line in lines)


def test_a_connection_with_an_unread_request_is_not_idle():
    house = House()
    asked = [house.come() for _ in range(5)]
    for line in asked:
        line.has_unread = True
    idle = [house.come() for _ in range(5)]
    for _ in range(8):
        house.clock.now += FIRST_S
        house.come()
    assert not any(line.is_ended for line in asked)
    assert all(line.is_ended for line in idle)


def test_callers_count_for_no_address():
    house = House()
    callers = [house.caller() for _ in range(30)]
    house.clock.now += 60
    lines = [house.come() for _ in range(10)]
    assert not any(line.is_ended for line in [*callers, *lines])


def test_connections_of_a_trusted_proxy_count_for_no_address():
    house = House(trusted=["192.0.2.0/24"])
    lines = [house.come() for _ in range(50)]
    house.clock.now += 60
    house.come()
    assert not any(line.is_ended for line in lines)


def test_unauthenticated_connections_are_closed_before_those_of_callers():
    house = House(most=50)
    callers = [house.caller() for _ in range(20)]
    for number in range(500):
        house.clock.now += 0.001
        assert house.come(f"198.51.{number // 250}.{number % 250}") is not None
    assert not any(caller.is_ended for caller in callers)
    assert len(house) <= 50
    assert house.told["scarce"] >= 450


def test_a_connection_whose_first_call_is_being_answered_counts_as_a_caller():
    """A connection with an accepted key, which is reported only when its answer is complete."""
    house = House(most=10)
    first = house.come()
    first.is_known = True
    for number in range(50):
        house.come(f"198.51.100.{number}")
    assert not first.is_ended


def test_where_only_callers_are_left_the_longest_idle_one_goes():
    house = House(most=10)
    callers = [house.caller() for _ in range(10)]
    for number, caller in enumerate(callers):
        caller.idle_until = None if number < 3 else 100.0 - number
    assert house.come() is not None
    assert [caller.is_ended for caller in callers] == [False] * 9 + [True]


def test_with_all_connections_busy_no_new_one_is_accepted():
    house = House(most=10)
    callers = [house.caller() for _ in range(10)]
    assert house.come() is None
    assert house.told == {"refused": 1}
    house.remove(callers[0])
    assert house.come() is not None


@pytest.mark.parametrize("seed", range(20))
def test_the_counts_always_match_the_open_connections(seed):
    dice, house = random.Random(seed), House(most=40, per_address=5)
    there: list[Line] = []
    for _ in range(3000):
        house.clock.now += dice.random()
        line = dice.choice(there) if there else None
        match dice.randrange(5):
            case 1 if line is not None:
                house.set_working(line)
            case 2 if line is not None:
                house.set_waiting(line)
            case 3 if line is not None:
                line.is_known = True
                house.set_known(line)
            case 4 if line is not None:
                house.remove(line)
                line.is_ended = True
            case _:
                new = house.come(f"192.0.2.{dice.randrange(12)}")
                there += [new] if new is not None else []
        there = [each for each in there if not each.is_ended]
        assert len(house) == len(there) <= 40
    for line in there:
        house.remove(line)
    assert len(house) == 0
