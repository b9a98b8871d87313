"""Entra tokens for Azure from a real token endpoint: by a client secret, a federated token, a managed identity."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from providers.auth.entra import AzureAuth
from providers.errors.exceptions import ConnectFailed, UpstreamFailed
from providers.platforms.azure import AZURE
from providers.target import Secret, Target
from providers.transport.client import UpstreamRequest
from tests.support.vendors.entra import ASSERTION, CLIENT, HEADER, SECRET, TENANT, Entra, entra

pytest.importorskip("azure.identity", reason="`make setup` installs it")

V1, CLASSIC = "https://ai.azure.com/.default", "https://cognitiveservices.azure.com/.default"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entra]:
    for name in ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "IDENTITY_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with entra(tmp_path) as (running, trusted):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
        yield running


@pytest.fixture
def auth() -> AzureAuth:
    assert isinstance(AZURE.auth, AzureAuth)
    return AzureAuth(AZURE.auth._scope_for)  # noqa: SLF001 - the table's own, with tokens of its own


def target(server: Entra, **metadata: str) -> Target:
    stated = {"azure_tenant_id": TENANT, "azure_client_id": CLIENT, "azure_authority": server.url}
    return Target(
        id=1,
        alias="a",
        name="a-1",
        provider="azure",
        upstream_model="gpt-4o",
        base_url="https://r.openai.azure.com",
        secret=Secret(""),
        metadata=stated | metadata,
    )


async def signed(auth: AzureAuth, of: Target) -> str:
    url = AZURE.url(of, "chat/completions")
    request = UpstreamRequest("POST", url, {}, b"", of.is_guarded)
    await auth.sign(request, of)
    assert list(request.headers) == ["authorization"]
    return request.headers["authorization"].removeprefix("Bearer ")


async def test_a_client_secret_gets_a_token_of_the_apis_scope_and_keeps_it(
    server: Entra, auth: AzureAuth
) -> None:
    of = target(server, azure_client_secret=SECRET)
    assert [await signed(auth, of) for _ in range(3)] == ["token-1"] * 3
    dated = msgspec.structs.replace(of, api_version="2024-10-21")
    assert await signed(auth, dated) == "token-2"
    own = target(server, azure_client_secret=SECRET, azure_scope="api://own/.default")
    assert await signed(auth, own) == "token-3"
    assert server.grants == [("secret", V1), ("secret", CLASSIC), ("secret", "api://own/.default")]


async def test_calls_at_once_ask_once(server: Entra, auth: AzureAuth) -> None:
    of = target(server, azure_client_secret=SECRET)
    server.may_answer.clear()
    calls = [asyncio.create_task(signed(auth, of)) for _ in range(20)]
    await asyncio.to_thread(server.asked.acquire)
    server.may_answer.set()
    assert set(await asyncio.gather(*calls)) == {"token-1"}
    assert len(server.grants) == 1


async def test_a_refused_token_is_replaced(server: Entra, auth: AzureAuth) -> None:
    of = target(server, azure_client_secret=SECRET)
    assert await signed(auth, of) == "token-1"
    assert not auth.is_renewed_after(frozenset({"429"}), of)
    assert auth.is_renewed_after(frozenset({"401", "unauthorized"}), of)
    assert await signed(auth, of) == "token-2"


async def test_the_machine_has_a_managed_identity(
    server: Entra, auth: AzureAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", HEADER)
    assert await signed(auth, target(server, azure_auth="entra")) == "token-1"
    assert server.grants == [("managed", "https://ai.azure.com")]


async def test_a_platform_gives_a_federated_token(
    server: Entra, auth: AzureAuth, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(ASSERTION)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    assert await signed(auth, target(server, azure_auth="entra")) == "token-1"
    assert server.grants == [("federated", V1)]


async def test_a_wrong_secret_fails_for_sure_and_is_not_quoted(server: Entra, auth: AzureAuth) -> None:
    of = target(server, azure_client_secret="wrong~secret")
    for _ in range(3):
        with pytest.raises(UpstreamFailed, match="AADSTS7000215") as failed:
            await signed(auth, of)
        assert (failed.value.is_sure, failed.value.reached) == (True, False)
        assert "wrong~secret" not in failed.value.reason
        failed.value.__traceback__ = None
    assert server.grants == []


async def test_an_endpoint_that_is_down_is_tried_again_elsewhere(server: Entra, auth: AzureAuth) -> None:
    server.status = 503
    with pytest.raises(ConnectFailed):
        await signed(auth, target(server, azure_client_secret=SECRET))


async def test_the_machines_identity_goes_to_azure_only(server: Entra, auth: AzureAuth) -> None:
    typed = msgspec.structs.replace(
        target(server, azure_auth="entra"), base_url="https://evil.example", is_guarded=True
    )
    with pytest.raises(UpstreamFailed, match="not Azure's"):
        await signed(auth, typed)
    assert server.grants == []


async def test_an_api_key_goes_first(server: Entra, auth: AzureAuth) -> None:
    of: Any = msgspec.structs.replace(target(server, azure_client_secret=SECRET), secret=Secret("key"))
    request = UpstreamRequest("POST", "https://r.openai.azure.com", {}, b"", is_guarded=False)
    await auth.sign(request, of)
    assert request.headers == {"api-key": "key"}
    assert server.grants == []
