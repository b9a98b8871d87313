"""A large body is read as a small one is: the same shape, the same demand, the same refusals."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import msgspec
import pytest

from gateway.config.sections.process import Server
from gateway.http.exceptions import BadRequest
from gateway.overload.exceptions import Overloaded
from gateway.parsing.body_limits import check_small
from gateway.parsing.large_bodies import find_embedded, understand
from gateway.parsing.large_reading import MOST_NAME, MOST_WORDS, Understood, find_body, name_of, parse_large
from gateway.parsing.parsed_request import BodyParser, Names
from gateway.parsing.schemas import peek_chat, peek_embeddings
from gateway.values.fallback_log import FALLBACKS
from providers.json_scan.limits import Limits
from providers.json_scan.outline import LARGE
from providers.processes.heavy_work import HeavyWork
from providers.requests.money_classes import Unacceptable
from tests.support.clients import hostile_bodies
from tests.support.clients.media import data_url, png

LIMITS = Limits()
PICTURE = data_url(png(640, 480, 3000))
USER = {"role": "user", "content": "hello"}
MEMBERS: dict[str, dict[str, Any]] = {
    "text": {"messages": [USER]},
    "a stream": {"messages": [USER], "stream": True, "stream_options": {"include_usage": False}},
    "caps": {"messages": [USER], "max_tokens": 7, "max_completion_tokens": None, "n": 2},
    "pictures": {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}]
    },
    "a file": {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "x"}}]}]},
    "tools": {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f"}}]},
    "no tools": {"messages": [USER], "tools": [], "tool_choice": "auto"},
    "a schema": {
        "messages": [USER],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
    },
    "unknown": {"messages": [USER], "later": 1, "user": "u", "prompt_cache_key": "k"},
    "stored": {"messages": [USER], "store": True, "service_tier": "flex"},
    "no messages": {},
    "an object of the account": {"messages": [USER], "file_id": "f-1"},
    "two caps": {"messages": [USER], "max_tokens": 1, "n_predict": 2},
    "a wrong type": {"messages": [USER], "stream": "yes"},
    "a member twice": {"messages": [USER], "model2": 1},
}
BODIES = {name: json.dumps({"model": "chat", **members}).encode() for name, members in MEMBERS.items()}
BODIES["a member twice"] = BODIES["a member twice"].replace(b"model2", b"model")
BODIES["a cap in escapes"] = BODIES["caps"].replace(b"max_tokens", b"max_tok\\u0065ns")
BODIES["no JSON"] = BODIES["text"][:-1]
EMBEDDINGS = [
    b'{"model":"embed","input":"text"}',
    b'{"model":"embed","input":[[1,2,3],[4]],"dimensions":8}',
    b'{"model":"embed","input":["a","b"],"strange":{}}',
    b'{"model":"embed","input":{}}',
    b'{"model":"embed"}',
]


def small(raw: bytes, peek: BodyParser, limits: Limits = LIMITS) -> Any:
    """Return what is understood of a body that is not large, or why it is refused."""
    try:
        want = peek(raw)
        check_small(raw, limits, want.demand)
    except (BadRequest, Unacceptable) as refusal:
        return type(refusal), refusal.param, refusal.code
    return want


def large(raw: bytes, peek: BodyParser, limits: Limits = LIMITS) -> Any:
    """Return the same of a body that is read as a large one, over the wire."""
    said = msgspec.msgpack.decode(
        msgspec.msgpack.encode(parse_large(raw, name_of(peek), limits)), type=Understood
    )
    if said.refused is not None:
        kind = Unacceptable if said.refused.is_unacceptable else BadRequest
        return kind, said.refused.param, said.refused.code
    assert said.parsed is not None
    shape = msgspec.structs.replace(said.parsed.shape, layout=None, exact=True)
    return msgspec.structs.replace(said.parsed, shape=shape, names=None)


def with_any_shape(found):
    if isinstance(found, tuple):
        return found
    return msgspec.structs.replace(found, shape=msgspec.structs.replace(found.shape, exact=True))


@pytest.mark.parametrize("name", BODIES)
def test_a_large_chat_is_understood_as_a_small_one(name):
    assert large(BODIES[name], peek_chat) == with_any_shape(small(BODIES[name], peek_chat))


@pytest.mark.parametrize("raw", EMBEDDINGS)
def test_large_embeddings_are_understood_as_small_ones(raw):
    assert large(raw, peek_embeddings) == with_any_shape(small(raw, peek_embeddings))


def looked_up(raw: bytes) -> Names:
    want = parse_large(raw, name_of(peek_chat), LIMITS).parsed
    assert want is not None
    assert want.names is not None
    return want.names


def test_members_that_are_looked_up_later_are_returned_too():
    raw = BODIES["unknown"].replace(b'"u"', b'"' + b"u" * 1000 + b'"')
    found = looked_up(raw)
    assert (len(found.user or ""), found.prompt_cache_key) == (64, "k")
    assert looked_up(raw.replace(b'"k"', b"7")).user is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"chat","messages":[{"role":"user","content":"x","%s":1,"%s":1}]}'
        % (b"n" * 9000, b"n" * 9000),
        b'{"model":"chat","messages":[{"role":"user","content":"x"}],"%s":1}' % (b"file_id" * 9000),
        b'{"model":"%s","messages":[{"role":"user","content":"x"}]}' % (b"m" * 90_000),
    ],
)
def test_a_refusal_is_short_whatever_it_quotes(raw):
    said = parse_large(raw, name_of(peek_chat), Limits())
    if said.refused is not None:
        assert len(said.refused.message) <= MOST_WORDS
        assert len(said.refused.param or "") <= MOST_NAME


@pytest.mark.parametrize("name", hostile_bodies.REFUSED)
async def test_hostile_bodies_are_refused_with_the_code_of_small_ones(heavy, name):
    make, code = hostile_bodies.REFUSED[name]
    with pytest.raises((BadRequest, Unacceptable)) as refused:
        await understand(make(6 * LARGE), peek_chat, Server(body_decoded_mb=8), heavy.share(1))
    assert vars(refused.value)["code"] == code


@pytest.fixture(scope="module")
def heavy():
    room = HeavyWork()
    yield room
    room.close()


async def test_a_slow_body_is_refused_and_one_whose_process_crashed_may_be_retried(monkeypatch):
    heavy = HeavyWork()
    monkeypatch.setattr("providers.processes.heavy_work.CPU_S", 0.001)
    monkeypatch.setattr("providers.processes.heavy_work.CPU_S_PER_MB", 0.0)
    body = hostile_bodies.text(b"\\u00e9")(4 * LARGE)
    before = FALLBACKS.happened["large_bodies"]
    with pytest.raises(BadRequest) as refused:
        await understand(body, peek_chat, Server(), heavy.share(1))
    assert refused.value.code == "too_complex"
    monkeypatch.setattr("providers.processes.work_process.sys.executable", "/no/such/python")
    heavy.close()
    with pytest.raises(Overloaded):
        await understand(body, peek_chat, Server(), HeavyWork().share(1))
    assert FALLBACKS.happened["large_bodies"] == before + 2


@pytest.mark.parametrize(
    ("raw", "endpoint", "is_embeddings", "inner"),
    [
        (b'{"messages":[]}', "", False, b'{"messages":[]}'),
        (b'{"input":"x"}', "", True, b'{"input":"x"}'),
        (b'{"endpoint":"embeddings","body":{"input":1}}', "embeddings", True, b'{"input":1}'),
        (b'{"body": {"messages":1,"input":1} ,"endpoint":7}', "7", False, b'{"messages":1,"input":1}'),
    ],
)
async def test_body_inside_a_dry_run_request_is_found(heavy, raw, endpoint, is_embeddings, inner):
    for text in (raw, raw.replace(b"{", b'{"x":"' + b"x" * LARGE + b'",', 1)):
        found = await find_embedded(text, Server(), heavy.share(1))
        assert (found.endpoint, found.is_embeddings) == (endpoint, is_embeddings)
        assert text[found.start : found.end] in (inner, text)


def test_a_request_whose_body_is_no_object_is_refused():
    for raw in (b'{"body":null}', b'{"body":[1]}', b"[]", b'{"body":{}'):
        assert find_body(raw, Limits()).refused is not None


@pytest.mark.parametrize("name", ["chat_completions", "embeddings"])
def test_the_peek_of_every_endpoint_is_found_by_its_name(name):
    peek = import_module(f"gateway.api.{name}").ENDPOINT.body.peek
    module, _, function = name_of(peek).partition(":")
    assert getattr(import_module(module), function) is peek
