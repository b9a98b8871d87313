"""Where a call to Vertex AI goes: by location, project, publisher and credential."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from gateway.config.sections.sign_in import Providers
from providers.conversation.gemini.request_writer import path
from providers.model_facts import ModelFacts
from providers.platforms.vertex import HOST, VERTEX, family_of
from providers.registry import PROVIDERS, metadata_for
from providers.target import Secret, Target

ACCOUNT = json.dumps({"type": "service_account", "project_id": "of-key", "token_uri": "https://oauth2.x/t"})
G = "publishers/google/models"


def target(model: str = "gemini-3-pro", vendor: str = "", secret: str = "", **more: Any) -> Target:
    metadata = {"gcp_project_id": "proj"} if not secret else {}
    known = {"id": 1, "alias": "a", "name": "a-1", "provider": "vertex", "upstream_model": model}
    known |= {
        "base_url": HOST,
        "secret": Secret(secret),
        "facts": ModelFacts(vendor=vendor),
        "metadata": metadata,
    }
    return Target(**{**known, **more})


@pytest.mark.parametrize(
    ("row", "operation", "url"),
    [
        (
            {},
            "generateContent",
            f"https://aiplatform.googleapis.com/v1beta1/projects/proj/locations/global/{G}/gemini-3-pro:generateContent",
        ),
        (
            {"region": "us-central1"},
            "streamGenerateContent?alt=sse",
            (
                "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/proj/locations/us-central1/"
                f"{G}/gemini-3-pro:streamGenerateContent?alt=sse"
            ),
        ),
        (
            {"region": "ignored", "metadata": {"gcp_project_id": "p", "vertex_location": "eu"}},
            "countTokens",
            f"https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/{G}/gemini-3-pro:countTokens",
        ),
        (
            {"metadata": {"gcp_credentials_json": ACCOUNT}, "api_version": "v1"},
            "predict",
            f"https://aiplatform.googleapis.com/v1/projects/of-key/locations/global/{G}/gemini-3-pro:predict",
        ),
        (
            {"metadata": {"gcp_credentials_json": base64.b64encode(ACCOUNT.encode()).decode()}},
            "embedContent",
            f"https://aiplatform.googleapis.com/v1beta1/projects/of-key/locations/global/{G}/gemini-3-pro:embedContent",
        ),
        (
            {"base_url": "http://127.0.0.1:9/"},
            "generateContent",
            f"http://127.0.0.1:9/v1beta1/projects/proj/locations/global/{G}/gemini-3-pro:generateContent",
        ),
        (
            {"base_url": "http://127.0.0.1:9/v1"},
            "generateContent",
            f"http://127.0.0.1:9/v1/projects/proj/locations/global/{G}/gemini-3-pro:generateContent",
        ),
        (
            {"model": "claude-sonnet-4-5@20250929", "vendor": "anthropic", "region": "us-east5"},
            "streamRawPredict",
            (
                "https://us-east5-aiplatform.googleapis.com/v1/projects/proj/locations/us-east5/publishers/"
                "anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict"
            ),
        ),
        (
            {"model": "claude-x", "vendor": "anthropic"},
            "count-tokens:rawPredict",
            (
                "https://aiplatform.googleapis.com/v1/projects/proj/locations/global/publishers/anthropic/models/"
                "count-tokens:rawPredict"
            ),
        ),
        (
            {"model": "meta/llama-4-maas"},
            "chat/completions",
            "https://aiplatform.googleapis.com/v1/projects/proj/locations/global/endpoints/openapi/chat/completions",
        ),
        (
            {"model": "endpoints/123", "region": "us-central1"},
            "generateContent",
            (
                "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/proj/locations/us-central1/"
                "endpoints/123:generateContent"
            ),
        ),
        (
            {"model": "projects/p/locations/l/endpoints/1"},
            "generateContent",
            "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/l/endpoints/1:generateContent",
        ),
        (
            {"model": "../../x?y#z"},
            "generateContent",
            "https://aiplatform.googleapis.com/v1/projects/proj/locations/global/endpoints/openapi/generateContent",
        ),
        (
            {"secret": "AIza"},
            "generateContent",
            f"https://aiplatform.googleapis.com/v1beta1/{G}/gemini-3-pro:generateContent",
        ),
        (
            {"secret": "AIza", "base_url": "https://generativelanguage.googleapis.com"},
            "streamGenerateContent?alt=sse",
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
        ),
        (
            {"secret": "AIza", "base_url": "http://127.0.0.1:9/v1beta"},
            "countTokens",
            "http://127.0.0.1:9/v1beta/models/gemini-3-pro:countTokens",
        ),
        (
            {"secret": "AIza", "metadata": {"gcp_project_id": "p"}},
            "generateContent",
            f"https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/{G}/gemini-3-pro:generateContent",
        ),
    ],
)
def test_the_address_of_an_operation(row: dict[str, Any], operation: str, url: str) -> None:
    assert VERTEX.url(target(**row), operation) == url


def test_a_location_or_project_adds_no_path_and_no_host() -> None:
    url = VERTEX.url(
        target(metadata={"gcp_project_id": "a/../b", "vertex_location": "x.evil.com/"}), "predict"
    )
    assert url.startswith(
        "https://x.evil.com%2F-aiplatform.googleapis.com/v1beta1/projects/a%2F..%2Fb/locations/"
    )


@pytest.mark.parametrize(
    ("row", "family"),
    [
        ({}, "gemini"),
        ({"vendor": "google"}, "gemini"),
        ({"vendor": "anthropic"}, "anthropic"),
        ({"vendor": "meta"}, "openai"),
        ({"model": "anthropic/claude-x"}, "anthropic"),
        ({"model": "google/gemini-x"}, "gemini"),
        ({"model": "publishers/google/models/x"}, "gemini"),
        ({"vendor": "meta", "metadata": {"publisher": "google"}}, "gemini"),
        ({"metadata": {"publisher": "anthropic"}}, "anthropic"),
    ],
)
def test_the_family_is_the_publishers(row: dict[str, Any], family: str) -> None:
    assert family_of(target(**row)) == family
    assert PROVIDERS["vertex"].api_of is family_of


def test_the_operations_of_gemini() -> None:
    assert [path(target(), stream) for stream in (False, True)] == [
        "generateContent",
        "streamGenerateContent?alt=sse",
    ]


@pytest.mark.parametrize(
    ("row", "url", "body"),
    [
        ({}, ":countTokens", {"contents": [{"role": "user", "parts": [{"text": "ping"}]}]}),
        (
            {"model": "claude-x", "vendor": "anthropic"},
            "/count-tokens:rawPredict",
            {"model": "claude-x", "messages": [{"role": "user", "content": "ping"}]},
        ),
    ],
)
def test_the_probe_is_a_free_count(row: dict[str, Any], url: str, body: Any) -> None:
    assert VERTEX.probes is not None
    (probe,) = VERTEX.probes(target(**row))

    assert probe.url.endswith(url)
    assert probe.body is not None
    assert json.loads(probe.body) == body


@pytest.mark.parametrize(
    ("metadata", "secret", "why"),
    [
        ({}, "", "no project"),
        ({"gcp_credentials_json": "nonsense"}, "", "neither JSON nor base64"),
        ({"gcp_credentials_json": '{"type":"external_account"}'}, "", "GOOGLE_APPLICATION_CREDENTIALS"),
        (
            {"gcp_credentials_json": '{"type":"service_account","token_uri":"http://169.254.169.254/"}'},
            "",
            "token_uri",
        ),
        ({"vertex_safety_settings": "{"}, "key", "no JSON list"),
        ({}, "key", ""),
    ],
)
def test_what_a_row_lacks_is_said(metadata: dict[str, str], secret: str, why: str) -> None:
    found = VERTEX.lacks(metadata, secret)
    assert why in found
    assert bool(found) is bool(why)


def test_a_machine_without_google_auth_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.platforms.vertex.is_installed", lambda: False)

    assert "google-auth is not installed" in VERTEX.lacks({"gcp_project_id": "p"}, "")
    assert VERTEX.lacks({}, "key") == ""


def test_the_configurations_account_is_for_rows_without_one_at_googles_own_hosts() -> None:
    config = Providers(gcp_project_id="global", gcp_json_credentials=ACCOUNT)
    whole = {"gcp_project_id": "global", "gcp_credentials_json": ACCOUNT}

    assert metadata_for("vertex", HOST, {}, "", config) == whole
    assert metadata_for("vertex", HOST, {"gcp_project_id": "own"}, "", config) == whole | {
        "gcp_project_id": "own"
    }
    assert metadata_for("vertex", HOST, {"gcp_credentials_json": "{}"}, "", config) == {
        "gcp_credentials_json": "{}"
    }
    assert metadata_for("vertex", HOST, {"a": ""}, "AIza", config) == {}
    for url in ("http://aiplatform.googleapis.com", "https://evil.example", "https://xgoogleapis.com.evil"):
        assert metadata_for("vertex", url, {}, "", config) == {}
