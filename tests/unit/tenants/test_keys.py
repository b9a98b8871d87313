"""The shape and the hash of a key."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants import keys

PEPPER = b"p" * 32


def test_a_minted_key_splits_into_its_halves():
    minted = keys.mint()

    assert keys.split(minted.token) == (minted.prefix, minted.secret)
    assert (len(minted.prefix), len(minted.secret)) == (10, 43)


def test_two_minted_keys_differ():
    assert keys.mint() != keys.mint()


def test_a_bootstrap_key_is_legal():
    assert keys.split("sk-demo.my-secret") == ("demo", "my-secret")


def test_the_first_dot_divides():
    assert keys.split("sk-a.b.c") == ("a", "b.c")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "sk-",
        "sk-demo",
        "sk-demo.",
        "sk-.secret",
        "pk-demo.secret",
        "SK-demo.secret",
        "sk-demo.secret\n",
        " sk-demo.secret",
        "sk-demo.sec ret",
        "sk-dé.secret",
        "sk-demo.sécret",
        "sk-demo.a\x00b",
        "sk-demo.a/b",
        "sk-" + "p" * 33 + ".s",
        "sk-p." + "s" * 129,
        "sk-\uff11.secret",
    ],
)
def test_it_refuses_what_cannot_be_a_key(token):
    assert keys.split(token) is None


@given(st.text(max_size=300))
def test_it_never_raises_for_any_text(token):
    halves = keys.split(token)

    assert halves is None or f"sk-{halves[0]}.{halves[1]}" == token


def test_a_digest_depends_on_pepper_prefix_and_secret():
    digests = {
        keys.digest(PEPPER, "demo", "my-secret"),
        keys.digest(b"q" * 32, "demo", "my-secret"),
        keys.digest(PEPPER, "demp", "my-secret"),
        keys.digest(PEPPER, "demo", "my-secreu"),
    }

    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {64}


def test_only_the_right_secret_matches():
    stored = keys.digest(PEPPER, "demo", "my-secret")

    assert keys.matches(PEPPER, "demo", "my-secret", stored)
    assert not keys.matches(PEPPER, "demo", "my-secre", stored)


def test_it_refuses_to_assemble_an_impossible_key():
    with pytest.raises(ValueError, match="prefix"):
        keys.assemble("a.b", "secret")


def test_a_peppers_name_is_stable_and_not_the_pepper():
    assert keys.pepper_id(PEPPER) == keys.pepper_id(PEPPER) != keys.pepper_id(b"q" * 32)


def test_its_digest_is_hmac_sha_256():
    for pepper in (b"p" * 32, b"long" * 40, b""):
        expected = hmac.new(pepper, b"alice.secret", "sha256").hexdigest()

        assert keys.digest(pepper, "alice", "secret") == expected
