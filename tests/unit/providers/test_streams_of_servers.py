"""Streams of twenty-four servers, unchanged and mutated: the gateway's client gets the same as a direct client, or an
error; never a shorter answer that looks whole.
"""

from __future__ import annotations

import json
import os
import random
from itertools import pairwise
from typing import Any

import pytest

from providers.dialects.base import Shape, has_complete_usage
from providers.dialects.openai.passthrough import DONE, OpenAIToOpenAI
from providers.framing.malformed import MalformedStream
from tests.support.clients.direct_client import as_ours, view
from tests.support.provider.mutated_streams import harmless, mutated
from tests.support.provider.server_streams_more import EVERY

ERROR = b'data: {"error":{"message":"broken"}}\n\n'
ODD_NAMES = {"LM Studio"}  # says the model's name in other members too


def relayed(blocks, *, choices=1, includes_usage=False):
    """Return what the client gets, with the end that the relay gives it, and the stream."""
    shape = Shape(
        alias="chat", path="chat/completions", stream=True, include_usage=includes_usage, choices=choices
    )
    stream = OpenAIToOpenAI(shape).stream()
    out = b""
    try:
        for block in blocks:
            out += stream.feed(block)
            if stream.done or stream.failure is not None:
                break
        else:
            out += stream.end()
    except MalformedStream:
        return out + ERROR, stream
    is_whole = stream.done and stream.failure is None
    return out + (DONE if is_whole else ERROR), stream


def cut(raw, dice):
    edges = sorted({0, *(dice.randint(0, len(raw)) for _ in range(dice.choice((0, 1, 3, 20)))), len(raw)})
    return [raw[start:end] for start, end in pairwise(edges)]


@pytest.fixture(params=EVERY)
def server(request):
    return EVERY[request.param]


@pytest.mark.parametrize("includes_usage", [False, True])
def test_each_stream_is_seen_as_a_direct_client_sees_it(server, includes_usage):
    out, stream = relayed([server.raw], choices=server.choices, includes_usage=includes_usage)
    ours, theirs = view([out]), view([server.raw])
    told = [as_ours(each, "chat", includes_usage=includes_usage) for each in theirs.documents]
    assert ours.documents == [each for each in told if each is not None]
    assert (ours.end, ours.text) == ("done", server.text)
    assert stream.started


def test_no_name_of_the_upstream_model_is_left(server, request):
    out, _ = relayed([server.raw], choices=server.choices)
    assert (b"up-model" in out) is any(name in request.node.name for name in ODD_NAMES)


def test_each_usage_is_found_where_it_stands(server):
    _, stream = relayed([server.raw], choices=server.choices)
    usage = stream.usage
    if server.tokens is None:
        assert usage is None
        return
    assert has_complete_usage(stream)
    found = (
        usage.total_input_tokens,
        usage.cached_input_tokens,
        usage.total_output_tokens,
        usage.reasoning_tokens,
    )
    assert found == server.tokens


def test_a_cut_at_any_byte_is_no_whole_answer_or_a_whole_one(server):
    """It is whole where every choice has come to its end, and the text that came before is all of it."""
    for at in range(0, len(server.raw), 1 if len(server.raw) < 1200 else 3):
        out, _ = relayed([server.raw[:at]], choices=server.choices)
        seen = view([out])
        assert seen.end == "error" or seen.text == server.text, at


def test_bytes_that_come_one_by_one_are_the_same_stream(server):
    whole, _ = relayed([server.raw], choices=server.choices)
    single = [server.raw[at : at + 1] for at in range(len(server.raw))]
    assert relayed(single, choices=server.choices)[0] == whole


def check(seed: int, *, is_harmless: bool) -> None:
    dice = random.Random(seed)
    name = dice.choice(sorted(EVERY))
    server, includes_usage = EVERY[name], dice.random() < 0.5
    raw = (harmless if is_harmless else mutated)(server, dice)
    out, stream = relayed(cut(raw, dice), choices=server.choices, includes_usage=includes_usage)
    ours, theirs = view([out]), view([raw])
    told = [as_ours(each, "chat", includes_usage=includes_usage) for each in theirs.documents]
    told = [each for each in told if each is not None]
    why = f"seed {seed}, {name}: {raw!r} -> {out!r}"
    if ours.end == "done":
        assert not is_harmless or ours.text == server.text, why
        assert same(ours.documents) == same(told) or _only_lacks_usage(ours.documents, told, raw), why
        is_whole = _all_ended(told, server.choices) or _says_done(raw)
        assert theirs.end == "done" or (theirs.end == "cut" and is_whole), why
    else:
        assert not is_harmless, why
        assert same(ours.documents) == same(told)[: len(ours.documents)], why
    usage = stream.usage
    if usage is not None:
        assert min(usage.total_input_tokens, usage.total_output_tokens) >= 0, why


def same(documents: list[Any]) -> list[str]:
    """NaN is not itself."""
    return [json.dumps(each, sort_keys=True) for each in documents]


def _only_lacks_usage(ours: list[Any], told: list[Any], raw: bytes) -> bool:
    """Say whether an end without its field, which the official client passes over, came before usage alone."""
    late = told[len(ours) :]
    has_end = any(line.startswith(b"[DONE]") for line in raw.splitlines())
    return has_end and same(ours) == same(told)[: len(ours)] and not any(each.get("choices") for each in late)


def _says_done(raw: bytes) -> bool:
    """Say whether its last lines have an end that the official client misses: without a blank line or a field."""
    last = raw.rstrip().replace(b"\r\n", b"\n").replace(b"\r", b"\n").rpartition(b"\n\n")[2]
    return any(line.removeprefix(b"data:").strip().startswith(b"[DONE]") for line in last.split(b"\n"))


def _all_ended(documents: list[Any], choices: int) -> bool:
    ended, seen = set(), set()
    for each in documents:
        for choice in each.get("choices") or () if isinstance(each, dict) else ():
            index = str(choice.get("index") or 0) if isinstance(choice, dict) else "0"
            seen.add(index)
            if isinstance(choice, dict) and choice.get("finish_reason") not in (None, "", "null", False, 0):
                ended.add(index)
    return len(ended) >= choices and seen == ended


@pytest.mark.parametrize("seed", range(0, 150, 50))
def test_another_framing_changes_nothing(seed):
    for each in range(seed, seed + 50):
        check(each, is_harmless=True)


@pytest.mark.parametrize("seed", range(0, 600, 50))
def test_a_mutated_stream_is_seen_as_a_direct_client_sees_it_or_is_an_error(seed):
    for each in range(seed, seed + 50):
        check(each, is_harmless=False)


@pytest.mark.soak
def test_newly_mutated_streams_are_read_as_a_direct_client_reads_them():
    first = int(os.environ.get("OMG_SEED", random.SystemRandom().randrange(2**32)))
    for seed in range(first, first + 100_000):
        check(seed, is_harmless=seed % 4 == 0)
