"""The address and the credential of a call: a global key is sent to its provider's own host only."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import get_args

import msgspec
import pytest

from catalog.models import Provider
from gateway.config.sections.model_catalog import ProviderName
from gateway.config.sections.sign_in import OpenAICompatible, Providers
from providers.auth.scheme import sign
from providers.dialects.base import Shape
from providers.dialects.openai.request import body_for
from providers.registry import PROVIDERS, default_base_url, default_secret, wire_model
from providers.request_additions import Added
from providers.target import Secret, Target

CONFIG = Providers(
    openai_key="sk-openai",
    azure_openai_key="az-key",
    azure_openai_endpoint="https://own.openai.azure.com/",
    openai_compatible=OpenAICompatible(base_url="http://10.0.0.5:8000/v1", api_key="compat-key"),
)


def target(provider: str = "openai", base_url: str = "https://api.openai.com/v1", **facts: object) -> Target:
    known = {"id": 1, "alias": "chat", "name": "chat-1", "upstream_model": "gpt", "secret": Secret("s")}
    return Target(provider=provider, base_url=base_url, **{**known, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("provider", "base_url", "key"),
    [
        ("openai", "https://api.openai.com/v1", "sk-openai"),
        ("openai", "https://API.OpenAI.com:443/v1", "sk-openai"),
        ("openai", "http://api.openai.com/v1", ""),
        ("openai", "https://api.openai.com.evil.example/v1", ""),
        ("openai", "https://api.openai.com@evil.example/v1", ""),
        ("openai", "https://evil.example\\@api.openai.com/v1", ""),
        ("openai", "https://evil.example/?https://api.openai.com", ""),
        ("openai", "https://api.openai.com:8443/v1", ""),
        ("openai", "https://\uff41pi.openai.com/v1", ""),
        ("openai", "https://api.openai\t.com/v1", ""),
        ("openai", "https://api.openai.com:bad/v1", ""),
        ("openai", "", ""),
        ("azure", "https://own.openai.azure.com", "az-key"),
        ("azure", "https://own.openai.azure.com/openai/v1", "az-key"),
        ("azure", "https://other.openai.azure.com", ""),
        ("openai-compatible", "http://10.0.0.5:8000/v1", "compat-key"),
        ("openai-compatible", "http://10.0.0.5:8001/v1", ""),
        ("openai-compatible", "https://api.openai.com/v1", ""),
        ("simulator", "http://127.0.0.1:1234/v1", ""),
    ],
)
def test_a_global_key_is_for_its_own_host_only(provider: str, base_url: str, key: str) -> None:
    assert default_secret(provider, base_url, CONFIG) == key


def test_the_configuration_and_the_table_know_the_same_providers_and_every_built_one() -> None:
    assert set(get_args(ProviderName)) == set(Provider.values) >= set(PROVIDERS)


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_without_configuration_there_is_no_key_to_leak(provider: str) -> None:
    nothing = Providers()

    assert default_secret(provider, default_base_url(provider, nothing), nothing) == ""
    assert default_secret(provider, "", nothing) == ""


@pytest.mark.parametrize(
    ("provider", "base_url"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("azure", "https://own.openai.azure.com"),
        ("openai-compatible", "http://10.0.0.5:8000/v1"),
        ("simulator", ""),
    ],
)
def test_an_endpoint_that_is_not_given_is_the_providers_own(provider: str, base_url: str) -> None:
    assert default_base_url(provider, CONFIG) == base_url


@pytest.mark.parametrize(
    ("call", "url"),
    [
        (target(), "https://api.openai.com/v1/chat/completions"),
        (target("simulator", "http://127.0.0.1:9/v1/"), "http://127.0.0.1:9/v1/chat/completions"),
        (
            target("azure", "https://own.openai.azure.com/", api_version="2024-10-21"),
            "https://own.openai.azure.com/openai/deployments/chat-1/chat/completions?api-version=2024-10-21",
        ),
        (
            target(
                "azure", "https://x/openai", api_version="2024-10-21", metadata={"deployment": "my gpt/4"}
            ),
            "https://x/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21",
        ),
        (
            target("azure", "https://x/openai/v1/", api_version="2024-10-21"),
            "https://x/openai/v1/chat/completions",
        ),
        (
            target("azure", "https://x/openai/v1", api_version="preview"),
            "https://x/openai/v1/chat/completions?api-version=preview",
        ),
        *(
            (
                target("azure", base, api_version="v1"),
                "https://own.openai.azure.com/openai/v1/chat/completions",
            )
            for base in (
                "https://own.openai.azure.com",
                "https://own.openai.azure.com/",
                "https://own.openai.azure.com/openai",
                "https://own.openai.azure.com/openai/v1",
            )
        ),
    ],
)
def test_the_address_of_a_call_is_as_its_provider_wants_it(call: Target, url: str) -> None:
    assert PROVIDERS[call.provider].url(call, "chat/completions") == url


@pytest.mark.parametrize(
    ("call", "headers"),
    [
        (target(), {"authorization": "Bearer s"}),
        (target(secret=Secret("")), {}),
        (target("openai-compatible", secret=Secret("")), {}),
        (target("azure"), {"api-key": "s"}),
        (target("azure", secret=Secret("")), {}),
        (target("simulator"), {}),
        (
            target(metadata={"openai_organization": "org-1", "openai_project": "proj-1"}),
            {"authorization": "Bearer s", "openai-organization": "org-1", "openai-project": "proj-1"},
        ),
    ],
)
def test_only_the_targets_own_secret_is_sent(call: Target, headers: dict[str, str]) -> None:
    sent: dict[str, str] = {}

    request = SimpleNamespace(method="POST", url="", headers=sent, body=b"")
    asyncio.run(sign(PROVIDERS[call.provider].auth, request, call))

    assert sent == headers


@pytest.mark.parametrize(
    ("provider", "field"),
    [
        ("openai", "max_completion_tokens"),
        ("azure", "max_completion_tokens"),
        ("openai-compatible", "max_tokens"),
        ("simulator", "max_tokens"),
    ],
)
def test_a_cap_goes_into_the_field_the_provider_knows(provider: str, field: str) -> None:
    assert PROVIDERS[provider].cap_field == field


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"api_version": "v1"}, ""),  # a name of ours: provider_model is the deployment
        ({"api_version": "v1", "name": "gpt-eastus"}, "gpt-eastus"),
        ({"api_version": "v1", "metadata": {"deployment": "east"}}, "east"),
        ({"api_version": "preview", "name": "gpt-eastus"}, "gpt-eastus"),
        ({"api_version": "2024-10-21", "name": "gpt-eastus"}, ""),  # it is in the address
        ({"api_version": "v1", "name": "gpt-eastus", "base_url": "https://x/openai/v1"}, ""),  # as ever
        ({"provider": "openai", "api_version": "v1", "name": "gpt-eastus"}, ""),
    ],
)
def test_azures_api_without_dates_gets_the_deployment_name(facts: dict[str, object], name: str) -> None:
    whole = {"provider": "azure", "base_url": "https://own.openai.azure.com", **facts}
    assert wire_model(target(**whole)) == name  # type: ignore[arg-type]
    sent = body_for(
        Shape(alias="chat", path="chat/completions"),
        b'{"model":"chat"}',
        msgspec.structs.replace(target(), wire_model=name),
        Added("max_tokens"),
    )
    assert sent == b'{"model":"%s"}' % (name or "gpt").encode()


def test_the_version_of_azure_is_by_default_one_that_takes_what_is_added() -> None:
    assert Providers().azure_openai_version == "v1"
