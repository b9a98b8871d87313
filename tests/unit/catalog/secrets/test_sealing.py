"""A secret opens only in its own row, under its own name, for the origin that it was given for."""

from __future__ import annotations

import pytest

from catalog.secrets.encryption import CredentialUnreadable
from catalog.secrets.sealing import API_KEY, Seal, close_metadata, destination, open_metadata
from gateway.config.sections.sign_in import OpenAICompatible, Providers

SEAL = Seal(b"k" * 32, "row-1", "https://api.example.com:443")
PROVIDERS = Providers(
    azure_openai_endpoint="https://acme.openai.azure.com",
    openai_compatible=OpenAICompatible(base_url="http://gpu.internal:8000/v1"),
)


@pytest.mark.parametrize(
    "other",
    [
        Seal(b"k" * 32, "row-2", SEAL.origin),
        Seal(b"k" * 32, SEAL.row, "https://evil.example:443"),
        Seal(b"k" * 32, SEAL.row, "http://api.example.com:443"),
        Seal(b"k" * 32, SEAL.row, "https://api.example.com:8443"),
        Seal(b"k" * 32, "", SEAL.origin),
        Seal(b"o" * 32, SEAL.row, SEAL.origin),
    ],
)
def test_a_secret_does_not_open_for_another_row_origin_or_key(other):
    sealed = SEAL.close(API_KEY, "sk-upstream")

    assert SEAL.open(API_KEY, sealed) == "sk-upstream"
    assert not other.opens(API_KEY, sealed)


@pytest.mark.parametrize("field", [API_KEY, "aws_access_key_id", "gcp_credentials_json"])
def test_a_secret_does_not_open_under_the_name_of_another_field(field):
    sealed = SEAL.close("aws_secret_access_key", "hidden")

    with pytest.raises(CredentialUnreadable):
        SEAL.open(field, sealed)


def test_secrets_in_metadata_are_sealed_and_the_rest_is_not():
    sealed = close_metadata(SEAL, {"aws_secret_access_key": "hidden", "gcp_project_id": "p1"})

    assert "hidden" not in str(sealed)
    assert sealed["gcp_project_id"] == "p1"
    assert open_metadata(SEAL, sealed) == {"aws_secret_access_key": "hidden", "gcp_project_id": "p1"}


def test_a_sealed_text_that_is_given_as_a_secret_is_sealed_like_any_other():
    stolen = SEAL.close("aws_session_token", "hidden")

    again = close_metadata(SEAL, {"aws_session_token": stolen})

    assert open_metadata(SEAL, again) == {"aws_session_token": stolen}


def test_a_bare_text_in_place_of_a_sealed_one_is_not_taken():
    with pytest.raises(CredentialUnreadable):
        open_metadata(SEAL, {"aws_session_token": "bare"})


@pytest.mark.parametrize(
    ("provider", "endpoint", "origin"),
    [
        ("openai", "", "https://api.openai.com:443"),
        ("openai", "https://api.openai.com/v1", "https://api.openai.com:443"),
        ("openai", "HTTPS://API.OpenAI.com:443/other/path", "https://api.openai.com:443"),
        ("openai-compatible", "", "http://gpu.internal:8000"),
        ("openai-compatible", "http://[2001:db8::1]:9/v1", "http://[2001:db8::1]:9"),
        ("openai-compatible", "https://bücher.example/v1", "https://xn--bcher-kva.example:443"),
        ("openai-compatible", "https://api.openai.com@evil.example/v1", "https://evil.example:443"),
        ("openai-compatible", "not an address", ""),
        ("azure", "", "https://acme.openai.azure.com:443"),
        ("azure", "https://other.openai.azure.com/", "https://other.openai.azure.com:443"),
        ("bedrock", "", "https://bedrock-runtime.{region}.amazonaws.com:443"),
        ("simulator", "https://evil.example", "provider simulator"),
    ],
)
def test_the_origin_is_the_one_that_a_connection_would_be_made_to(provider, endpoint, origin):
    assert destination(provider, endpoint, PROVIDERS) == origin
