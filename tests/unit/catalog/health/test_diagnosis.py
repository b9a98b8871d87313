"""The message of a failed probe for the person who wrote the row."""

from __future__ import annotations

import pytest

from catalog.health.diagnosis import meaning_of, slip_of, slips

LISTED = frozenset({"gpt-4o", "gpt-4o-mini", "it's"})


def test_each_slip_has_a_sentence_that_is_found_again() -> None:
    error = slips(["gpt-4o-minni", "GPT-4O", "its", "gpt-4o-mini", "my-own"], LISTED)
    assert (
        slip_of(error, "gpt-4o-minni") == "the provider lists no 'gpt-4o-minni', did you mean 'gpt-4o-mini'?"
    )
    assert slip_of(error, "GPT-4O") == "the provider lists no 'GPT-4O', did you mean 'gpt-4o'?"
    assert slip_of(error, "its") == "the provider lists no 'its', did you mean 'it's'?"
    assert [slip_of(error, name) for name in ("gpt-4o-mini", "gpt-4o", "my-own", "it's", "")] == [""] * 5


@pytest.mark.parametrize(
    ("error", "endpoint", "said"),
    [
        ("status 401", "https://x/v1", "API key"),
        ("status 403", "https://x/v1", "API key"),
        ("status 404", "https://x", "/v1"),
        ("status 404", "https://x/v1/chat/completions", "take /chat/completions off"),
        ("status 404", "https://x/v1/models/", "take /models off"),
        (
            "ConnectFailed: SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number",
            "https://x:80/v1",
            "https for http?",
        ),
        ("ConnectFailed: ConnectionResetError", "https://x:80/v1", "https for http?"),
        (
            "ConnectFailed: SSLError: [SSL] record layer failure (_ssl.c:1000)",
            "https://x/v1",
            "https for http?",
        ),
        (
            "ConnectFailed: SSLEOFError: [SSL: UNEXPECTED_EOF_WHILE_READING] EOF",
            "https://x/v1",
            "https for http?",
        ),
        ("UpstreamBroken: the connection was closed: ConnectionResetError", "https://x/v1", ""),
        ("UpstreamBroken: the connection was closed", "http://x:443/v1", "http for https?"),
        ("status 400", "http://x:443/v1", ""),
        ("ConnectFailed: ConnectionRefusedError: [Errno 111] Connect call failed", "http://x:1/v1", "port"),
        ("ConnectFailed: gaierror: [Errno -2] Name or service not known", "http://x/v1", "host"),
        ("status 500", "https://x/v1", ""),
        ("no answer in time", "https://x/v1", ""),
    ],
)
def test_a_failure_says_what_it_usually_means(error: str, endpoint: str, said: str) -> None:
    meaning = meaning_of(error, endpoint)
    assert said in meaning
    assert bool(said) == bool(meaning)
