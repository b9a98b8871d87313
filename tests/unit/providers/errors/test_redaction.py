"""Messages of providers are passed on without our secrets, and to tenants without internal addresses."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import msgspec
import pytest

from providers.errors.redaction import HIDDEN, redact, redact_for_client, redact_json, without_values
from providers.target import Secret, Target

SECRET = "upstream-secret+canary/123456"
RAW = SECRET.encode()
SPELLINGS = {
    "as it is": SECRET,
    "in capitals": SECRET.upper(),
    "after Bearer": f"Bearer {SECRET}",
    "its beginning": SECRET[:16],
    "its end": SECRET[-14:],
    "without its middle": SECRET[:13] + "..." + SECRET[-13:],
    "in base64": base64.b64encode(RAW).decode(),
    "in url-safe base64": base64.urlsafe_b64encode(RAW).decode(),
    "in base64 after one letter": base64.b64encode(b":" + RAW).decode(),
    "in base64 as a password": base64.b64encode(b"me:" + RAW).decode(),
    "in base64 of a header": base64.b64encode(b"Bearer " + RAW + b" x").decode(),
    "in hexadecimal": RAW.hex(),
    "in hexadecimal capitals": RAW.hex().upper(),
    "in hexadecimal with colons": RAW.hex(":"),
    "quoted for a URL": quote(SECRET, safe=""),
    "quoted twice": quote(quote(SECRET, safe=""), safe=""),
    "quoted altogether": "".join(f"%{byte:02X}" for byte in RAW),
    "escaped for HTML": "".join(f"&#{byte};" for byte in RAW),
    "escaped for JSON": "".join(f"\\u{byte:04x}" for byte in RAW),
    "with escaped slashes": SECRET.replace("/", "\\/"),
    "with spaces": " ".join(SECRET),
    "over two lines": SECRET[:11] + "\n" + SECRET[11:],
    "with unseen letters": "\u200b".join(SECRET),
    "from behind": SECRET[::-1],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_taken_out_by_its_value_however_it_is_written(spelling):
    told = redact(f"refused {SPELLINGS[spelling]} by the proxy", [SECRET])

    squeezed = told.replace(" ", "").lower()
    assert SPELLINGS[spelling].replace(" ", "").lower() not in squeezed
    assert SECRET not in told
    assert "***" in told or told == HIDDEN


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdefghijklmnopqrst1234",
        "sk-ant-api03-AbCdEf123456",
        "sk-demo.my-secret",
        "sk-or-v1-0123456789abcdef",
        "gsk_0123456789abcdefghij",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAY34FZKBOKMUTVV7A",
        "AIzaSyA-0123456789abcdefghijklmnopqrstu",
        "hf_abcdefghijklmnop",
        "ghp_0123456789abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "ya29.a0AfH6SMBx1234567890",
    ],
)
def test_text_that_looks_like_any_key_is_removed(key):
    assert key not in redact(f"Incorrect key: {key}, find yours in the console.")
    assert "find yours in the console." in redact(f"Incorrect key: {key}, find yours in the console.")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abc123def", "abc123def"),
        ("authorization=Basic dXNlcjpwYXNz1", "dXNlcjpwYXNz1"),
        ('{"api-key": "0123456789abcdef0123456789abcdef"}', "0123456789abcdef"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI"),
        ("x-api-key: hunter2hunter2", "hunter2"),
        ("postgres://gateway:pa55word@db/x", "pa55word"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ],
)
def test_what_stands_where_a_secret_stands_is_taken_out(text, secret):
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "inside",
    [
        "10.0.0.7",
        "10.0.0.7:8000",
        "127.0.0.1",
        "172.20.3.4",
        "192.168.1.1",
        "100.64.0.9",
        "169.254.169.254",
        "168.63.129.16",
        "[fd00::1]:8000",
        "fe80::1",
        "::1",
        "::ffff:10.0.0.7",
        "localhost:8000",
        "vllm-0.models.svc.cluster.local:8000",
        "gpu1.corp.internal",
        "/srv/app",
        "/usr/lib/python3/dist-packages/vllm/engine.py",
        "/home/me/.cache/model",
        "file:///etc/passwd",
        "C:\\Users\\me\\model.bin",
        "\\\\nas\\models\\llama",
    ],
)
def test_internal_names_are_shown_to_operators_and_not_to_tenants(inside):
    told = redact_for_client(f"could not reach '{inside}' in time")

    assert inside.strip("[]") not in told
    assert told.startswith("could not reach '")
    assert told.endswith("' in time")
    assert inside in redact(f"could not reach '{inside}' in time")


ORDINARY = [
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
    "Invalid value: 'foo'. Supported values are: 'auto', 'none' and 'required'.",
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "The model `org/Model-7B-v0.3` does not exist. See https://example.com/docs/models, POST /v1/chat/completions.",
    "messages[0].content[1].image_url: could not fetch https://example.com/tmp/cat.png",
    "Rate limit reached for tokens per min (TPM): Limit 30000, Used 29000, Requested 1200. Try again in 400ms.",
    "token: bearer authentication is required; an api key is needed, basic auth is not supported",
    "schema: property 'api_key' is required, 'secret: string', 'password: too short'",
    "at 12:34:56 of 2026-03-01T12:00:00Z, ratio 4:3, version 1.2.3.4, 8.8.8.8 and 2001:4860:4860::8888",
    "req_011CSHoEeqs5C35K2UUqR7Fy / chatcmpl-9xYZabc123def / run_abc123: bad request",
    "Ungültige Anfrage: 你好, '🙂' is not a sk-learn model; masks: ****",
    "",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_message_stays_as_it_is(text):
    assert redact_for_client(text, [SECRET, "sk-provider-key-0123456789"]) == text


@pytest.mark.parametrize("placeholder", ["k", "EMPTY", "ollama", "none"])
def test_a_placeholder_in_place_of_a_key_shreds_no_message(placeholder):
    text = f"the {placeholder} model is not known; ok"

    assert redact_for_client(text, [placeholder]) == text


def test_a_short_secret_is_taken_out_where_it_stands_alone():
    assert redact("key pw-12 and pw-123", ["pw-12"]) == "key *** and pw-123"


def test_an_event_that_is_no_content_is_searched_and_else_passes_as_the_same_bytes():
    bad = json.dumps(
        {"type": "error", "message": f"Bearer {SECRET} at 10.0.0.7", "more": [{"x": SECRET}]}
    ).encode()
    good = b'{ "choices": [], "prompt_filter_results":[{"hate" : {"filtered": false}}] }'

    told = redact_json(bad, [SECRET])

    assert SECRET.encode() not in told
    assert msgspec.json.decode(told)["message"] == "Bearer *** at (address)"
    assert redact_json(good, [SECRET]) is good


@pytest.mark.parametrize("raw", [b"no json " + RAW, b'{"x":"' + b"y" * 9000 + RAW + b'"}'])
def test_what_is_long_or_no_document_is_searched_for_the_value(raw):
    assert RAW not in redact_json(raw, [SECRET])
    assert RAW not in without_values(raw, [SECRET])


def test_a_target_knows_every_secret_that_it_may_send():
    gcp = json.dumps({"type": "service_account", "private_key": "PRIVATE-KEY-1", "client_email": "a@b"})
    metadata = {"aws_secret_access_key": "treasure", "gcp_credentials_json": gcp, "gcp_project_id": "p1"}
    target = Target(
        id=1,
        alias="a",
        name="n",
        provider="openai",
        upstream_model="m",
        base_url="https://api.example.com",
        secret=Secret("sk-1"),
        metadata=metadata,
    )

    assert set(target.secrets()) == {"sk-1", "treasure", "PRIVATE-KEY-1"}


def test_the_example_of_the_fault():
    said = "bad header authorization: Bearer upstream-secret-canary-123456 from 10.0.0.7 /srv/app"

    told = redact_for_client(said, ["upstream-secret-canary-123456"])

    assert told == "bad header authorization: Bearer *** from (address) (path)"
