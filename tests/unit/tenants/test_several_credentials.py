"""With several credentials in a request the first valid one counts; a wrong one beside it does no harm."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from tenants.api_keys.cache import StoredKey
from tenants.api_keys.tokens import digest
from tenants.api_keys.unknown_key_limiter import MOST
from tenants.auth import MISSING, MOST_KEYS, ApiKeyAuth, tokens_of
from tenants.errors import AddressNotAllowed, InvalidKey, KeysUnavailable, TenantSuspended, TooManyMisses
from tests.unit.tenants.key_database import ALICE, PEPPER

GOOD, BOB, WRONG = "sk-alice.secret", "sk-bob.secret", "sk-alice.wrong"
EXPIRED, SUSPENDED, ELSEWHERE = "sk-old.secret", "sk-dora.secret", "sk-far.secret"
CALLERS = {
    "bob": msgspec.structs.replace(ALICE, key_id=2, key_prefix="bob", tenant_id=2),
    "old": msgspec.structs.replace(ALICE, key_id=3, key_prefix="old", expires_at=time.time() - 1),
    "dora": msgspec.structs.replace(ALICE, key_id=4, key_prefix="dora", tenant_active=False),
    "far": msgspec.structs.replace(ALICE, key_id=5, key_prefix="far", allowed_ips=("203.0.113.0/24",)),
}


class Request:
    """What of a request is looked at."""

    client_ip = "192.0.2.1"

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.scope = {"headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]}
        self.raw_headers: dict[bytes, bytes] = {}
        for name, value in self.scope["headers"]:
            self.raw_headers.setdefault(name, value)
        self.caller: Any = None

    def header(self, name: bytes) -> str:
        return self.raw_headers.get(name, b"").decode("latin-1")

    def values(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for each, value in self.scope["headers"] if each == name]


def accept(request: Request, caller: Any) -> None:
    request.caller = caller


def bearer(*keys: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {key}") for key in keys]


@pytest.fixture
def auth(cache, shelf):
    for prefix, caller in CALLERS.items():
        shelf.keys[prefix] = StoredKey(digest(PEPPER, prefix, "secret"), caller, None)
    return ApiKeyAuth(lambda: cache, accept)


@pytest.fixture
def who(auth):
    async def who(*headers: tuple[str, str]) -> Any:
        request = Request(*headers)
        caller = await auth(request)
        assert request.caller is caller
        return caller.key_prefix

    return who


@pytest.mark.parametrize(
    "headers",
    [
        [*bearer(GOOD), ("x-api-key", WRONG)],
        [*bearer(WRONG), ("x-api-key", GOOD)],
        [*bearer("dummy"), ("api-key", GOOD)],
        [*bearer(""), ("api-key", GOOD)],
        [("authorization", "Basic dXNlcjpwYXNz"), ("x-api-key", GOOD)],
        [("authorization", ""), ("x-api-key", GOOD)],
        [("authorization", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host"), ("x-api-key", GOOD)],
        [("x-api-key", WRONG), ("api-key", GOOD)],
        [("x-api-key", "none"), ("x-api-key", GOOD)],
        bearer(WRONG, GOOD),
        [("authorization", f"Bearer {WRONG}, Bearer {GOOD}")],
        [("authorization", f"Basic dXNlcjpwYXNz, bearer {GOOD}")],
        [*bearer(EXPIRED), ("x-api-key", GOOD)],
        [*bearer(SUSPENDED), ("x-api-key", GOOD)],
        [*bearer(ELSEWHERE), ("x-api-key", GOOD)],
        [*bearer(GOOD, GOOD), ("x-api-key", GOOD), ("api-key", GOOD)],
        [*bearer(WRONG, EXPIRED, SUSPENDED), ("x-api-key", GOOD)],
        [("accept", "a"), ("accept", "b"), *bearer(GOOD)],
    ],
)
async def test_the_valid_one_wins(headers, who):
    assert await who(*headers) == "alice"


async def test_of_two_valid_ones_the_first_counts_cold_and_warm(who):
    """Which tenant pays must not depend on the content of a cache."""
    headers = [*bearer(BOB), ("x-api-key", GOOD)]
    assert await who(*bearer(GOOD)) == "alice"
    assert [await who(*headers), await who(*headers)] == ["bob", "bob"]


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([*bearer(WRONG), ("x-api-key", "nonsense")], InvalidKey),
        ([*bearer(WRONG), ("x-api-key", SUSPENDED)], TenantSuspended),
        ([*bearer(SUSPENDED), ("x-api-key", WRONG)], TenantSuspended),
        ([*bearer(WRONG), ("x-api-key", ELSEWHERE)], AddressNotAllowed),
        ([*bearer("a", "b", "c", "d"), ("x-api-key", GOOD)], InvalidKey),  # one too many
        ([("authorization", "Basic dXNlcjpwYXNz")], InvalidKey),
        ([("x-api-key", "")], InvalidKey),
        ([], InvalidKey),
    ],
)
async def test_without_a_valid_key_the_most_specific_reason_is_reported(headers, refusal, who):
    with pytest.raises(refusal):
        await who(*headers)


async def test_while_keys_cannot_be_looked_up_that_is_the_reason(shelf, who):
    shelf.keys = None
    with pytest.raises(KeysUnavailable):
        await who(*bearer("nonsense"), ("x-api-key", GOOD))


async def test_a_wrong_key_beside_a_valid_one_is_ignored_and_guesses_are_counted(who):
    for number in range(3 * MOST):
        assert await who(*bearer(f"sk-guess{number}.x"), ("x-api-key", GOOD)) == "alice"
    with pytest.raises(TooManyMisses):
        await who(*bearer("sk-another.x"), ("x-api-key", "sk-one.x"))


def test_no_more_than_a_few_are_tried_however_many_there_are():
    many = Request(
        *bearer(*(f"sk-a{number}.b" for number in range(50))), ("authorization", "Bearer a," * 5_000)
    )
    assert len(tokens_of(many)) == MOST_KEYS


def test_a_key_alone_is_taken_as_it_is():
    assert tokens_of(Request(*bearer(GOOD))) == (GOOD,)
    assert tokens_of(Request(("x-api-key", GOOD))) == (GOOD,)
    with pytest.raises(InvalidKey) as refusal:
        tokens_of(Request())
    assert str(refusal.value) == MISSING
