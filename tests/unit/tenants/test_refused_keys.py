"""What logs may have of a refused key: its owner if the secret is right, else a safe part of the key."""

from __future__ import annotations

import pytest

from tenants.api_keys.cache import StoredKey
from tenants.api_keys.tokens import SAFE, digest, safe_part
from tenants.api_keys.unknown_key_limiter import MOST
from tenants.errors import InvalidKey, TooManyMisses
from tests.unit.tenants.key_database import ALICE, PEPPER

REVOKED = StoredKey(digest(PEPPER, "alice", "secret"), ALICE, 1.0)
ROTATED = StoredKey(
    digest(PEPPER, "alice", "newer"), ALICE, None, digest(PEPPER, "alice", "secret"), previous_until=1.0
)
BOTH = StoredKey(digest(PEPPER, "alice", "newer"), ALICE, 1.0, digest(PEPPER, "alice", "secret"), 9e12)


async def refused(cache, token):
    with pytest.raises(InvalidKey) as refusal:
        await cache.caller(token)
    return refusal.value.prefix, refusal.value.caller


@pytest.mark.parametrize("stored", [REVOKED, ROTATED, BOTH])
async def test_the_owner_of_an_invalid_key_is_known(cache, shelf, stored):
    shelf.keys = {"alice": stored}
    for _ in range(3):  # read, and then by memory
        assert await refused(cache, "sk-alice.secret") == ("alice", ALICE)
    assert shelf.reads == 1


@pytest.mark.parametrize("stored", [REVOKED, ROTATED, BOTH, StoredKey("0" * 64, ALICE, None)])
async def test_a_guessed_key_is_not_attributed_to_its_owner(cache, shelf, stored):
    shelf.keys = {"alice": stored}
    assert await refused(cache, "sk-alice.guess") == ("alice", None)
    assert await refused(cache, "sk-alice.guess") == ("alice", None)


@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("sk-nobody.secret", "nobody"),
        ("sk-" + "a" * SAFE + ".secret", "a" * SAFE),
        ("sk-" + "a" * (SAFE + 1) + ".secret", "a" * SAFE + "…"),
        ("sk-" + "a" * 32 + ".secret", "a" * SAFE + "…"),
        ("sk-proj-0123456789", ""),
        ("sk-" + "a" * 33 + ".secret", ""),
        ("whatever", ""),
        ("", ""),
    ],
)
async def test_a_safe_part_of_an_unknown_key_is_logged(cache, token, told):
    assert await refused(cache, token) == (told, None)


async def test_a_key_denied_here_is_named(cache):
    await cache.caller("sk-alice.secret")
    cache.denied = frozenset({"alice"})
    assert await refused(cache, "sk-alice.secret") == ("alice", ALICE)
    assert await refused(cache, "sk-alice.guess") == ("alice", None)


async def test_an_address_with_too_many_guesses_is_logged_in_the_same_way(cache):
    for number in range(MOST):
        await refused(cache, f"sk-guess{number}.x")
    with pytest.raises(TooManyMisses) as refusal:
        await cache.caller("sk-" + "b" * 30 + ".x")
    assert (refusal.value.prefix, refusal.value.caller) == (safe_part("b" * 30), None)
