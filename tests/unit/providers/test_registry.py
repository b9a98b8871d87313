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
from providers.model_facts import ModelFacts
from providers.registry import PROVIDERS, default_base_url, default_secret, family_of, wire_model
from providers.request_additions import Added
from providers.target import Secret, Target

_FOUNDRY = "https://r.services.ai.azure.com/anthropic/v1/messages"
CONFIG = Providers(
    openai_key="sk-openai",
    anthropic_key="sk-ant",
    azure_openai_key="az-key",
    azure_openai_endpoint="https://own.openai.azure.com/",
    hugging_face_token="hf-token",
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
        ("anthropic", "https://api.anthropic.com", "sk-ant"),
        ("anthropic", "https://api.anthropic.com/v1", "sk-ant"),
        ("anthropic", "https://claude.example", ""),
        ("azure", "https://own.openai.azure.com", "az-key"),
        ("azure", "https://own.openai.azure.com/openai/v1", "az-key"),
        ("azure", "https://other.openai.azure.com", ""),
        ("openai-compatible", "http://10.0.0.5:8000/v1", "compat-key"),
        ("openai-compatible", "http://10.0.0.5:8001/v1", ""),
        ("openai-compatible", "https://api.openai.com/v1", ""),
        ("huggingface", "https://router.huggingface.co/v1", "hf-token"),
        ("huggingface", "https://mine.endpoints.huggingface.cloud/v1", ""),
        ("vertex", "https://aiplatform.googleapis.com", ""),
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
        ("anthropic", "https://api.anthropic.com"),
        ("azure", "https://own.openai.azure.com"),
        ("openai-compatible", "http://10.0.0.5:8000/v1"),
        ("huggingface", "https://router.huggingface.co/v1"),
        ("vertex", "https://aiplatform.googleapis.com"),
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


CLAUDE = {"publisher": "anthropic"}


@pytest.mark.parametrize(
    ("call", "url"),
    [
        (target("anthropic", "https://api.anthropic.com"), "https://api.anthropic.com/v1/messages"),
        (target("anthropic", "https://api.anthropic.com/v1/"), "https://api.anthropic.com/v1/messages"),
        (target("anthropic", "https://h/proxy"), "https://h/proxy/v1/messages"),
        *(
            (target("azure", f"https://r.services.ai.azure.com{end}", metadata=CLAUDE), _FOUNDRY)
            for end in ("", "/", "/openai/v1", "/openai", "/anthropic", "/anthropic/v1/")
        ),
        (target("azure", "https://r.services.ai.azure.com", facts=ModelFacts(vendor="anthropic")), _FOUNDRY),
    ],
)
def test_the_address_of_claude(call: Target, url: str) -> None:
    assert PROVIDERS[call.provider].url(call, "messages") == url
    assert family_of(call) == "anthropic"
    assert wire_model(call) == ""
    named = msgspec.structs.replace(call, metadata={**call.metadata, "deployment": "east"})
    assert wire_model(named) == ("east" if call.provider == "azure" else "")


def test_other_models_of_azure_are_of_openais_family() -> None:
    assert family_of(target("azure", "https://own.openai.azure.com")) == "openai"


@pytest.mark.parametrize(
    ("api", "path", "url"),
    [
        ("anthropic", "messages", "http://127.0.0.1:9/v1/messages"),
        ("openai", "responses", "http://127.0.0.1:9/v1/responses"),
        ("bedrock", "converse-stream", "http://127.0.0.1:9/model/a%3A0/converse-stream"),
        ("bedrock", "models", "http://127.0.0.1:9/v1/models"),
        (
            "gemini",
            "streamGenerateContent?alt=sse",
            "http://127.0.0.1:9/v1beta/models/a%3A0:streamGenerateContent?alt=sse",
        ),
    ],
)
def test_the_simulator_has_the_address_of_each_vendors_operations(api: str, path: str, url: str) -> None:
    call = target("simulator", "http://127.0.0.1:9/v1", metadata={"api": api}, upstream_model="a:0")
    assert PROVIDERS["simulator"].url(call, path) == url
    assert family_of(call) == api


def test_a_simulator_row_without_an_api_has_openais() -> None:
    assert family_of(target("simulator")) == family_of(target("simulator", metadata={"api": "x"})) == "openai"


@pytest.mark.parametrize(
    ("call", "headers"),
    [
        (target(), {"authorization": "Bearer s"}),
        (target(secret=Secret("")), {}),
        (target("openai-compatible", secret=Secret("")), {}),
        (target("azure"), {"api-key": "s"}),
        (target("anthropic"), {"x-api-key": "s"}),
        (target("anthropic", metadata={"auth": "bearer"}), {"authorization": "Bearer s"}),
        (target("anthropic", secret=Secret("")), {}),
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
