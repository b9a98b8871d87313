"""Requests to Amazon are signed as botocore signs them, with the bytes that the transport sends."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.auth.aws import AwsAuth
from providers.auth.aws_credentials import CredentialChain, NoCredentials
from providers.auth.sigv4 import AwsCredentials, sign
from providers.platforms.bedrock import BEDROCK
from providers.target import Secret, Target
from providers.transport.client import UpstreamRequest
from providers.transport.request_head import request_target

NOW = 1_796_126_400.0  # 2026-12-01T12:00:00Z
STAMP = "20261201T120000Z"
MODELS = [
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/x y+z%2F~é",
]


def target(model: str = MODELS[0], secret: str = "", region: str = "us-east-1", **metadata: str) -> Target:
    return Target(
        id=1, alias="a", name="d", provider="bedrock", upstream_model=model, region=region, secret=Secret(secret),
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com", metadata=metadata,
    )  # fmt: skip


def request(model: str = MODELS[0], base: str = "", body: bytes = b"{}") -> UpstreamRequest:
    asked = target(model)
    url = BEDROCK.url(asked, "converse-stream")
    if base:
        url = url.replace(asked.base_url, base)
    return UpstreamRequest("POST", url, {"content-type": "application/json"}, body)


def signed_by_botocore(sent: UpstreamRequest, credentials: AwsCredentials, region: str) -> str:
    auth: Any = pytest.importorskip("botocore.auth")
    awsrequest: Any = pytest.importorskip("botocore.awsrequest")
    known: Any = pytest.importorskip("botocore.credentials")

    theirs = awsrequest.AWSRequest(
        sent.method, sent.url, {"content-type": "application/json"}, data=sent.body
    )
    keys = known.Credentials(
        credentials.access_key, credentials.secret_key, credentials.session_token or None
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "get_current_datetime", lambda **_: dt.datetime(2026, 12, 1, 12))  # noqa: DTZ001
        auth.SigV4Auth(keys, "bedrock", region).add_auth(theirs)
    return str(theirs.headers["Authorization"])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("token", ["", "IQoJ//token=="])
@pytest.mark.parametrize("base", ["", "http://127.0.0.1:4566", "https://proxy.example:8443/aws/b"])
def test_the_signature_is_the_one_that_botocore_makes(model: str, token: str, base: str) -> None:
    sent, credentials = request(model, base, b'{"a":1}'), AwsCredentials("AKIDEXAMPLE", "wJalr/secret", token)
    sign(sent, credentials, "eu-central-1", "bedrock", STAMP)
    assert sent.headers["authorization"] == signed_by_botocore(sent, credentials, "eu-central-1")
    assert sent.headers.get("x-amz-security-token", "") == token


@settings(max_examples=60)
@given(model=st.text(min_size=1, max_size=40), body=st.binary(max_size=200))
def test_any_name_of_a_model_is_signed_as_it_is_sent(model: str, body: bytes) -> None:
    if model in {".", ".."} or "\ud800" <= max(model) <= "\udfff":
        return
    sent, credentials = request(model, body=body), AwsCredentials("AK", "SK")
    sign(sent, credentials, "us-east-1", "bedrock", STAMP)
    assert sent.headers["authorization"] == signed_by_botocore(sent, credentials, "us-east-1")


def test_the_transport_sends_the_path_that_was_signed_byte_for_byte() -> None:
    sent = request(MODELS[2])
    path = request_target(sent.url).after_method.split(" ")[1]
    assert path == (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3"
        "/converse-stream"
    )
    assert sent.url.endswith(path)


def test_the_key_of_a_day_is_another_one_on_the_next() -> None:
    credentials, found = AwsCredentials("AK", "SK"), set()
    for stamp in (STAMP, "20261202T000000Z", STAMP):
        sent = request()
        sign(sent, credentials, "us-east-1", "bedrock", stamp)
        assert sent.headers["authorization"] == _fresh(stamp)
        found.add(sent.headers["authorization"])
    assert len(found) == 2


def _fresh(stamp: str) -> str:
    sent = request()
    sign(sent, AwsCredentials("AK", "SK"), "us-east-1", "bedrock", stamp)
    return sent.headers["authorization"]


class Loads:
    """A chain whose loads are counted; the last of `found` stays."""

    def __init__(self, *found: AwsCredentials | None) -> None:
        self.found, self.count, self.now = list(found), 0, 1000.0
        self.chain = CredentialChain(self.load, lambda: self.now)

    def load(self, _profile: str) -> AwsCredentials:
        self.count += 1
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if found is None:
            raise NoCredentials("none")
        return found


def auth_with(loads: Loads, **environment: str) -> AwsAuth:
    return AwsAuth(loads.chain, lambda: NOW, environment)


def signed(auth: AwsAuth, asked: Target, base: str = "") -> dict[str, str]:
    sent = request(base=base)
    asyncio.run(auth.sign(sent, asked))
    return sent.headers


CHAIN = AwsCredentials("CHAINKEY", "chain-secret", "chain-token")


def test_a_rows_own_key_is_never_mixed_with_the_sessions_token() -> None:
    loads = Loads(CHAIN)
    headers = signed(auth_with(loads), target(aws_access_key_id="ROWKEY", aws_secret_access_key="row-secret"))
    assert "Credential=ROWKEY/20261201/us-east-1/bedrock/aws4_request" in headers["authorization"]
    assert "x-amz-security-token" not in headers
    assert loads.count == 0


def test_half_a_key_is_an_error_of_configuration() -> None:
    with pytest.raises(NoCredentials):
        signed(auth_with(Loads(CHAIN)), target(aws_access_key_id="ROWKEY"))


def test_an_api_key_is_a_bearer_token_and_nothing_is_signed() -> None:
    headers = signed(auth_with(Loads(CHAIN)), target(secret="ABSK-key"))
    assert headers["authorization"] == "Bearer ABSK-key"
    assert "x-amz-date" not in headers


def test_the_environments_api_key_goes_to_amazon_only() -> None:
    auth = auth_with(Loads(CHAIN), AWS_BEARER_TOKEN_BEDROCK="env-key")
    assert signed(auth, target())["authorization"] == "Bearer env-key"
    for other in ("https://proxy.example", "http://bedrock-runtime.us-east-1.amazonaws.com",
                  "https://amazonaws.com.evil.example"):  # fmt: skip
        assert "env-key" not in str(signed(auth, target(), other))
    own = target(aws_access_key_id="ROWKEY", aws_secret_access_key="row-secret")
    assert "ROWKEY" in signed(auth, own)["authorization"]


def test_the_region_is_read_from_the_host_where_the_row_names_none() -> None:
    headers = signed(auth_with(Loads(CHAIN)), target(region=""))
    assert "/us-east-1/bedrock/" in headers["authorization"]
    with pytest.raises(NoCredentials):
        signed(auth_with(Loads(CHAIN)), target(region=""), "https://proxy.example")


async def test_credentials_are_loaded_once_for_many_calls_and_renewed_beside_them() -> None:
    other = AwsCredentials("NEW", "new-secret")
    loads = Loads(CHAIN, other)
    assert {one.access_key for one in await asyncio.gather(*[loads.chain.get() for _ in range(20)])} == {
        "CHAINKEY"
    }
    assert loads.count == 1
    loads.now += 300
    assert (await loads.chain.get()).access_key == "CHAINKEY"  # the renewal has begun, nobody waits for it
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    assert (await loads.chain.get()).access_key == "NEW"
    assert loads.count == 2


async def test_an_expired_token_is_replaced_once_however_many_calls_report_it() -> None:
    loads = Loads(CHAIN, AwsCredentials("NEW", "new-secret"))
    auth = auth_with(loads)
    await loads.chain.get()
    loads.now += 60
    names = frozenset({"expiredtokenexception"})
    assert auth.is_renewed_after(names, target())
    assert (await loads.chain.get()).access_key == "NEW"
    assert auth.is_renewed_after(names, target())
    assert (await loads.chain.get()).access_key == "NEW"
    assert loads.count == 2
    assert not auth.is_renewed_after(frozenset({"accessdeniedexception"}), target())
    own = target(aws_access_key_id="ROWKEY", aws_secret_access_key="s", aws_session_token="t")
    assert not auth.is_renewed_after(names, own)


async def test_a_failure_is_kept_for_a_moment_and_old_credentials_survive_it() -> None:
    loads = Loads(None, None, CHAIN, None)
    for _ in range(3):
        with pytest.raises(NoCredentials):
            await loads.chain.get()
    assert loads.count == 1
    loads.now += 11
    with pytest.raises(NoCredentials):
        await loads.chain.get()
    loads.now += 11
    assert (await loads.chain.get()).access_key == "CHAINKEY"
    loads.now += 300
    for _ in range(50):
        assert (await loads.chain.get()).access_key == "CHAINKEY"
        await asyncio.sleep(0)


def test_secrets_do_not_print() -> None:
    assert "secret" not in repr(CHAIN)


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("us.anthropic.claude-sonnet-4-v1:0", "anthropic.claude-sonnet-4-v1%3A0"),
        ("global.amazon.nova-2-lite-v1:0", "amazon.nova-2-lite-v1%3A0"),
        ("zai.glm-4.7", "zai.glm-4.7"),
        ("amazon.nova-lite-v1:0", "amazon.nova-lite-v1%3A0"),
    ],
)
def test_tokens_are_counted_by_the_model_behind_a_profile(model: str, base: str) -> None:
    assert BEDROCK.url(target(model), "count-tokens").endswith(f"/model/{base}/count-tokens")
    assert BEDROCK.url(target(model), "converse").endswith(f"/model/{model.replace(':', '%3A')}/converse")
