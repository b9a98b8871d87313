"""The shape and the hash of a key."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.api_keys import tokens

PEPPER = b"p" * 32


def test_a_minted_key_splits_into_its_halves():
    minted = tokens.mint()

    assert tokens.split(minted.token) == (minted.prefix, minted.secret)
    assert (len(minted.prefix), len(minted.secret)) == (10, 43)


def test_two_minted_keys_differ():
    assert tokens.mint() != tokens.mint()


def test_a_bootstrap_key_is_legal():
    assert tokens.split("sk-demo.my-secret") == ("demo", "my-secret")


def test_the_first_dot_divides():
    assert tokens.split("sk-a.b.c") == ("a", "b.c")


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
def test_a_malformed_key_is_refused(token):
    assert tokens.split(token) is None


@given(st.text(max_size=300))
def test_parsing_never_raises_for_any_text(token):
    halves = tokens.split(token)

    assert halves is None or f"sk-{halves[0]}.{halves[1]}" == token


def test_a_digest_depends_on_pepper_prefix_and_secret():
    digests = {
        tokens.digest(PEPPER, "demo", "my-secret"),
        tokens.digest(b"q" * 32, "demo", "my-secret"),
        tokens.digest(PEPPER, "demp", "my-secret"),
        tokens.digest(PEPPER, "demo", "my-secreu"),
    }

    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {64}


def test_only_the_right_secret_matches():
    stored = tokens.digest(PEPPER, "demo", "my-secret")

    assert tokens.matches(PEPPER, "demo", "my-secret", stored)
    assert not tokens.matches(PEPPER, "demo", "my-secre", stored)


def test_an_impossible_key_is_not_assembled():
    with pytest.raises(ValueError, match="prefix"):
        tokens.assemble("a.b", "secret")


def test_a_peppers_name_is_stable_and_not_the_pepper():
    assert tokens.pepper_id(PEPPER) == tokens.pepper_id(PEPPER) != tokens.pepper_id(b"q" * 32)


def test_its_digest_is_hmac_sha_256():
    for pepper in (b"p" * 32, b"long" * 40, b""):
        expected = hmac.new(pepper, b"alice.secret", "sha256").hexdigest()

        assert tokens.digest(pepper, "alice", "secret") == expected
