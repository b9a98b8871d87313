"""What a refused caller reads: plain words, numbers with units and separators, and a remedy."""

from __future__ import annotations

import re

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import CHAT, ask, question
from tests.support.servers.gateway import Gateway

EMBEDDINGS = "/v1/embeddings"
PER_MINUTE = 60_000
WIDE, NARROW = "sk-wide.wide-secret", "sk-narrow.narrow-secret"
RATE, TINY, ONCE = "sk-rate.rate-secret", "sk-tiny.tiny-secret", "sk-once.once-secret"
MODELS = ["demo-chat", "gpt-4o", "claude-sonnet", "secret-model"]
MILLISECONDS, BARE, QUOTED = re.compile(r"\bms\b"), re.compile(r"(?<![\d,.])\d{4,}"), re.compile(r"'[^']*'")


def config(endpoint):
    def rated(name, token, **rates):
        return sample.key(name, token, rate_limit=sample.UNLIMITED | rates)

    models = [sample.row(alias, "up-words", endpoint, max_output_tokens=4096) for alias in MODELS]
    return {
        **sample.NO_LIMITS,
        "server": {"body_limit_mb": 1, "max_messages": 1_500},
        "model_catalog": [
            *models,
            sample.row("demo-embed", "up-words", endpoint, model_type="embedding"),
            sample.row("demo-paint", "up-words", endpoint, model_type="image"),
        ],
        "bootstrap": {
            "tenants": [{"name": name} for name in ("wide", "rate", "tiny", "once")],
            "api_keys": [
                sample.key("wide", WIDE),
                sample.key("wide", NARROW, models=["demo-chat", "demo-embed"]),
                rated("rate", RATE, tokens_per_minute=PER_MINUTE),
                rated("tiny", TINY, tokens_per_minute=1_000),
                rated("once", ONCE, requests_per_minute=1),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream.base_url), tmp_path_factory.mktemp("words") / "data") as server:
        yield server


def said(answer):
    """Return the message, which is plain: no internals, no bare thousands, no milliseconds."""
    message = answer.error["message"]
    own = QUOTED.sub("", message)
    assert message[0].isupper()
    assert message[-1] in ".?"
    assert "`" not in message
    assert not MILLISECONDS.search(own), message
    assert not BARE.search(own), message
    return message


@pytest.mark.parametrize(
    ("key", "wrong", "meant"),
    [
        (WIDE, "demo_chat", "demo-chat"),
        (WIDE, "Demo-Chat", "demo-chat"),
        (WIDE, "gpt4o", "gpt-4o"),
        (WIDE, "claude", "claude-sonnet"),
        (NARROW, "demochat", "demo-chat"),
    ],
)
async def test_wrong_name_error_suggests_the_right_one(gateway, key, wrong, meant):
    answer = await ask(gateway.url, key, question(wrong))
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert f"The model '{wrong}' does not exist. Did you mean '{meant}'?" in said(answer)


@pytest.mark.parametrize("wrong", ["gpt_4o", "secret_model", "claude-sonet", "x" * 200])
async def test_forbidden_models_are_not_suggested(gateway, wrong):
    message = said(await ask(gateway.url, NARROW, question(wrong)))
    assert "Did you mean" not in message
    assert "GET /v1/models lists the models that this key may use." in message


async def test_forbidden_model_error_names_the_allowed_models(gateway):
    answer = await ask(gateway.url, NARROW, question("claude-sonnet"))
    assert answer.error["code"] == "model_not_allowed"
    assert said(answer).endswith("GET /v1/models lists the models that this key may use.")


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (CHAT, question("demo-embed"), "The model 'demo-embed' is an embedding model: use /v1/embeddings."),
        (
            EMBEDDINGS,
            {"model": "demo-chat", "input": "x"},
            "The model 'demo-chat' is a chat model: use /v1/chat/completions.",
        ),
        (
            CHAT,
            question("demo-paint"),
            "The model 'demo-paint' is an image model: this gateway does not serve such models yet.",
        ),
    ],
)
async def test_wrong_endpoint_error_names_the_right_one(gateway, path, body, words):
    answer = await ask(gateway.url, WIDE, body, path=path)
    assert (answer.status, answer.error["code"], said(answer)) == (400, "wrong_model_type", words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"messages": "hi"}, "Invalid value for 'messages': expected a list, got a string."),
        ({"messages": []}, "Invalid value for 'messages': expected a list of at least 1 item."),
        ({"messages": [7]}, "Invalid value for 'messages[0]': expected an object, got a whole number."),
        ({"stream": "yes"}, "Invalid value for 'stream': expected true or false or null, got a string."),
        ({"n": 1.5}, "Invalid value for 'n': expected a whole number or null, got a number."),
        ({"n": 500}, "Invalid value for 'n': expected a whole number of at most 128."),
        ({"model": "x" * 300}, "Invalid value for 'model': expected a string of at most 256 characters."),
        ({"messages": [{"role": "user"}] * 1_501}, "Your request has more than 1,500 messages."),
        ({"messages": [{"role": "user", "content": "x" * 2**20}]}, "is larger than 1 MB"),
        ({"x" * 3_000: 1}, "A member of your request has a name of more than"),
    ],
)
async def test_a_wrong_body_is_explained_in_words_of_json(gateway, change, words):
    answer = await ask(gateway.url, WIDE, question("demo-chat") | change)
    assert answer.status in {400, 413}
    assert words in said(answer)


@pytest.mark.parametrize("asked", ["0", "1e3", "9999999", "-1"])
async def test_wrong_deadline_error_names_the_unit(gateway, asked):
    answer = await ask(gateway.url, WIDE, question("demo-chat"), headers={"x-request-timeout-ms": asked})
    assert "a whole number of milliseconds from 1 to 600,000" in said(answer)


@pytest.mark.parametrize(
    "cap",
    [
        {"max_tokens": 100_000},
        {"max_tokens": 400_000},
        {"max_completion_tokens": 10**9},
        {"max_tokens": 100_000, "n": 2},
    ],
)
async def test_a_cap_above_the_models_own_reserves_no_more_than_that(gateway, upstream, cap):
    """The rate's worst case has the cap that goes upstream, as the budget's has: no refusal is a phantom."""
    upstream.script("up-words", {})
    assert (await ask(gateway.url, RATE, question("demo-chat", max_tokens=100))).status == 200
    answer = await ask(gateway.url, RATE, question("demo-chat", **cap))
    assert answer.status == 200, answer.body
    async with gateway.client(RATE) as client:
        look = (await client.post("/v1/gateway/simulate", json=question("demo-chat", **cap))).json()
    needed = next(each["needed"] for each in look["limits"] if each["rule"] == "tokens")
    assert needed <= look["output_cap"] * cap.get("n", 1) + 100


async def test_a_rate_refusal_has_units_and_separators(gateway, upstream):
    upstream.script("up-words", {})
    long = {"messages": [{"role": "user", "content": "incomprehensibilities " * 2_000}]}
    tokens = await ask(gateway.url, TINY, question("demo-chat") | long)
    assert "This key may use 1,000 tokens per minute; 1,000 remain. This call alone needs more." in said(
        tokens
    )
    await ask(gateway.url, ONCE, question("demo-chat"))
    requests = await ask(gateway.url, ONCE, question("demo-chat"))
    assert re.search(
        r"may use 1 requests per minute; 0 remain\. Try again in \d+ seconds?\.$", said(requests)
    )
    assert requests.error["limit"]["resets_in_ms"] > 0, "numbers stay numbers"
