"""What a row of Amazon Bedrock gets where it states nothing: its address, its region, the key of the configuration."""

from __future__ import annotations

import pytest

from gateway.config.sections.sign_in import Providers
from providers.platforms.provider import REGION
from providers.registry import address, default_secret, metadata_for, region_of

OWN = "https://bedrock-runtime.eu-central-1.amazonaws.com"
KEYED = Providers(aws_access_key_id="AK", aws_secret_access_key="SK", aws_region="eu-central-1")
KEY = {"aws_access_key_id": "AK", "aws_secret_access_key": "SK"}


@pytest.fixture(autouse=True)
def no_region_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)


def test_the_region_is_part_of_the_address() -> None:
    assert address("bedrock", "", "us-west-2", KEYED) == "https://bedrock-runtime.us-west-2.amazonaws.com"
    assert address("bedrock", "", "", KEYED) == OWN
    assert address("bedrock", "https://vpce.example/x/", "us-west-2", KEYED) == "https://vpce.example/x"
    assert REGION in address("bedrock", "", "", Providers())


def test_the_environments_region_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    assert region_of("bedrock", "", Providers()) == "sa-east-1"
    assert region_of("bedrock", "", KEYED) == "eu-central-1"
    assert region_of("bedrock", "us-west-2", KEYED) == "us-west-2"
    assert region_of("openai", "", KEYED) == ""


@pytest.mark.parametrize(
    ("base_url", "metadata", "secret", "found"),
    [
        (OWN, {}, "", KEY),
        ("https://x.bedrock-runtime.eu-central-1.vpce.amazonaws.com", {}, "", KEY),
        ("https://proxy.example", {}, "", {}),
        ("http://bedrock-runtime.eu-central-1.amazonaws.com", {}, "", {}),
        ("https://amazonaws.com.evil.example", {}, "", {}),
        (OWN, {"aws_access_key_id": "own"}, "", {}),
        (OWN, {"aws_session_token": "t"}, "", {}),
        (OWN, {"aws_profile": "p"}, "", {}),
        (OWN, {}, "api-key", {}),
    ],
)
def test_the_key_of_the_configuration_is_for_rows_without_one_and_amazons_hosts(
    base_url: str, metadata: dict[str, str], secret: str, found: dict[str, str]
) -> None:
    assert metadata_for("bedrock", base_url, metadata, secret, KEYED) == metadata | found
    assert default_secret("bedrock", base_url, KEYED) == ""


def test_half_a_key_is_none() -> None:
    assert metadata_for("bedrock", OWN, {}, "", Providers(aws_access_key_id="AK")) == {}
