"""Passwords are hashed two at a time, with the parameters that OWASP advises."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password

from tenants.sign_in import password_hasher
from tenants.sign_in.password_hasher import AT_ONCE, TURNS, WAITING, PasswordHasher, TooManyHashes, Turns


def test_the_parameters_are_those_that_were_decided():
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in make_password("a password")


def test_a_hash_of_djangos_parameters_is_good_and_made_anew_at_the_next_sign_in():
    class Older(Argon2PasswordHasher):
        memory_cost = 4096

    renewed: list[str | None] = []
    older = Older().encode("right", "somesaltofmine12345678")
    assert check_password("right", older, setter=renewed.append)
    assert renewed == ["right"]
    assert not check_password("wrong", older, setter=renewed.append)
    assert check_password("right", make_password("right"), setter=renewed.append)
    assert renewed == ["right"]


@pytest.mark.parametrize("do", ["encode", "verify"])
def test_no_more_than_two_are_hashed_at_a_time_and_ten_are_wanted(monkeypatch, do):
    """Of 64 at once two are hashed, eight wait, and the others are refused at once."""
    monkeypatch.setattr(password_hasher, "TURNS", Turns(patience_s=60))
    at_work, most, refused, go = 0, 0, threading.Semaphore(0), threading.Event()
    counting = threading.Lock()

    def hold(*_):
        nonlocal at_work, most
        with counting:
            at_work += 1
            most = max(most, at_work)
        assert go.wait(60)
        with counting:
            at_work -= 1
        return "done"

    monkeypatch.setattr(Argon2PasswordHasher, do, hold)

    def come(_):
        try:
            return getattr(PasswordHasher(), do)("password", "saltsaltsalt")
        except TooManyHashes:
            refused.release()
            return "refused"

    with ThreadPoolExecutor(64) as threads:
        coming = [threads.submit(come, number) for number in range(64)]
        for _ in range(64 - AT_ONCE - WAITING):
            assert refused.acquire(timeout=60)
        go.set()
        ends = [each.result() for each in coming]
    assert ends.count("done") == AT_ONCE + WAITING
    assert most == AT_ONCE


def test_a_caller_that_waits_too_long_is_refused_and_frees_its_slot():
    turns = Turns(at_once=1, waiting=1, patience_s=0.01)
    with turns.turn():
        for _ in range(3):
            with pytest.raises(TooManyHashes), turns.turn():
                pass
    with turns.turn():
        pass


def test_a_hash_that_fails_gives_its_turn_back():
    for _ in range(AT_ONCE + WAITING + 1):
        with pytest.raises(KeyError), TURNS.turn():
            raise KeyError
