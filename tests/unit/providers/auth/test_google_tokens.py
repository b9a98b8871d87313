"""Access tokens are shared, renewed early, discarded if they are refused, and never asked for twice at a time."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from providers.auth.google import GoogleAuth
from providers.auth.google_credentials import NoToken, Token, Tokens, is_googles
from providers.errors.exceptions import ConnectFailed, UpstreamFailed
from providers.target import Secret, Target

URL = "https://aiplatform.googleapis.com/v1beta1/x"
REFUSED = frozenset({"401", "unauthenticated"})


class Issuer:
    """Counts the tokens it gives out. `now` is the clock of the test; it waits while it is `closed`."""

    def __init__(self, life_s: float = 3600.0) -> None:
        self.now, self.life_s, self.count = 1_000_000.0, life_s, 0
        self.failure: NoToken | None = None
        self.open = threading.Event()
        self.open.set()
        self.auth = GoogleAuth(self.load, lambda: self.now)

    def load(self, given: str) -> Token:
        self.count += 1
        assert self.open.wait(10)
        if self.failure is not None:
            raise self.failure
        return Token(f"{given or 'own'}-{self.count}", self.now + self.life_s)

    async def sent(self, **row: Any) -> dict[str, str]:
        sent: dict[str, str] = {}
        request = SimpleNamespace(method="POST", url=row.pop("url", URL), headers=sent, body=b"")
        await self.auth.sign(request, target(**row))
        return sent


def target(secret: str = "", **more: Any) -> Target:
    known = {
        "id": 1,
        "alias": "a",
        "name": "a-1",
        "provider": "vertex",
        "upstream_model": "m",
        "base_url": "",
    }
    return Target(**{**known, "secret": Secret(secret), **more})


async def settled(issuer: Issuer, count: int) -> None:
    """Return when the issuer was asked so often, and its tokens are stored."""
    while issuer.count < count or asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})


async def test_many_calls_wait_for_one_token() -> None:
    issuer = Issuer()
    issuer.open.clear()
    waiting = [asyncio.create_task(issuer.sent()) for _ in range(50)]
    await asyncio.sleep(0)
    issuer.open.set()

    assert {headers["authorization"] for headers in await asyncio.gather(*waiting)} == {"Bearer own-1"}
    assert issuer.count == 1


async def test_a_token_is_renewed_beside_the_calls_and_waited_for_at_its_end() -> None:
    issuer = Issuer()
    await issuer.sent()
    issuer.now += 3200
    assert (await issuer.sent())["authorization"] == "Bearer own-1"
    assert issuer.count == 1
    issuer.now += 150  # less than five minutes are left
    assert (await issuer.sent())["authorization"] == "Bearer own-1"
    await settled(issuer, 2)
    assert (await issuer.sent())["authorization"] == "Bearer own-2"
    issuer.now += 3600
    assert (await issuer.sent())["authorization"] == "Bearer own-3"


async def test_a_short_lived_token_is_used_for_most_of_its_life() -> None:
    issuer = Issuer(life_s=20)
    for _ in range(3):
        await issuer.sent()
        issuer.now += 4
    assert issuer.count == 1


async def test_a_refused_token_is_discarded_and_another_one_sent() -> None:
    issuer = Issuer()
    await issuer.sent()

    assert not issuer.auth.is_renewed_after(frozenset({"403", "permission_denied"}), target())
    assert issuer.auth.is_renewed_after(REFUSED, target())
    assert (await issuer.sent())["authorization"] == "Bearer own-2"


async def test_an_api_key_is_sent_as_it_is_and_cannot_be_renewed() -> None:
    issuer = Issuer()

    assert await issuer.sent(secret="AIza") == {"x-goog-api-key": "AIza"}
    assert not issuer.auth.is_renewed_after(REFUSED, target("AIza"))
    assert issuer.count == 0


async def test_each_credential_has_its_own_token() -> None:
    issuer = Issuer()
    first = await issuer.sent(metadata={"gcp_credentials_json": "A"}, secret="ignored")
    second = await issuer.sent(metadata={"gcp_credentials_json": "B", "gcp_quota_project": "q"})

    assert first == {"authorization": "Bearer A-1"}
    assert second == {"authorization": "Bearer B-2", "x-goog-user-project": "q"}
    assert await issuer.sent(metadata={"gcp_credentials_json": "A"}) == first


async def test_a_failure_is_the_calls_and_is_asked_for_again_after_a_while() -> None:
    issuer = Issuer()
    issuer.failure = NoToken("invalid_grant", is_refused=True)
    for _ in range(3):
        with pytest.raises(UpstreamFailed) as failed:
            await issuer.sent()
    assert (failed.value.code, failed.value.reached, failed.value.is_sure) == (
        "upstream_auth_failed",
        False,
        True,
    )
    assert issuer.count == 1
    issuer.now += 6
    issuer.failure = None
    assert (await issuer.sent())["authorization"] == "Bearer own-2"


async def test_an_issuer_that_is_away_is_no_fault_of_the_credential() -> None:
    issuer = Issuer()
    issuer.failure = NoToken("ConnectError", is_refused=False)
    with pytest.raises(ConnectFailed) as failed:
        await issuer.sent()
    assert not failed.value.reached


async def test_a_token_that_is_still_valid_outlives_a_failed_renewal() -> None:
    issuer = Issuer()
    await issuer.sent()
    issuer.now += 3400
    issuer.failure = NoToken("away", is_refused=False)
    for _ in range(3):
        assert (await issuer.sent())["authorization"] == "Bearer own-1"
        await settled(issuer, 2)
    assert issuer.count == 2


async def test_a_cancelled_call_leaves_the_token_to_the_others() -> None:
    issuer = Issuer()
    issuer.open.clear()
    first, second = [asyncio.create_task(issuer.sent()) for _ in range(2)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    issuer.open.set()

    assert (await second)["authorization"] == "Bearer own-1"
    assert issuer.count == 1


async def test_the_identity_of_the_process_is_not_sent_to_an_address_that_a_person_typed() -> None:
    issuer = Issuer()
    with pytest.raises(UpstreamFailed, match="not Google's"):
        await issuer.sent(url="https://evil.example/x", is_guarded=True)
    assert await issuer.sent(
        url="https://evil.example/x", is_guarded=True, metadata={"gcp_credentials_json": "A"}
    )
    assert await issuer.sent(is_guarded=True)


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://us-central1-aiplatform.googleapis.com/v1", True),
        ("http://aiplatform.googleapis.com", False),
        ("https://googleapis.com.evil.example", False),
        ("https://evilgoogleapis.com", False),
    ],
)
def test_googles_own_hosts(url: str, *, is_one: bool) -> None:
    assert is_googles(url) is is_one


def test_a_machine_without_authorities_is_no_fault_of_the_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE may name an empty file; an issuer on this machine needs no TLS."""
    pytest.importorskip("google.auth")
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    user = {"type": "authorized_user", "client_id": "1", "client_secret": "2", "refresh_token": "3"}
    given = json.dumps({**user, "token_uri": "http://127.0.0.1:1/token"})
    with pytest.raises(NoToken) as failed:
        Tokens().load(given)
    assert (failed.value.is_refused, failed.value.why.startswith("no token")) == (False, True)
