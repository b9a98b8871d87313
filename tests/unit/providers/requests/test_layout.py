"""Members at the top of a large object are replaced by position, with the same result as by parsing."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.json_scan.limits import Limits
from providers.json_scan.outline import outline_of
from providers.requests.layout import MOST_VALUE, Unfit, layout_of, splice
from providers.target import Secret, Target

TARGET = Target(
    id=1,
    alias="chat",
    name="chat-1",
    provider="openai",
    upstream_model="up-1",
    base_url="http://u/v1",
    secret=Secret(""),
)
NAMES = st.sampled_from(
    ["model", "stream_options", "max_tokens", "n", "mod\\u0065l", "x", "", "\\u0078", "é"]
)
VALUES = st.sampled_from(
    ["1", '"a"', "null", '{"include_usage": true}', "[1, {}]", '"}, \\"model\\": \\"m\\""']
)
WHITE = st.sampled_from(["", " ", "\n\t", "  "])
REPLACED = frozenset({"model", "stream_options", "max_tokens", "max_completion_tokens"})


@st.composite
def objects(draw):
    """Draw the text of an object, with names that come again, and white space anywhere."""
    pairs = draw(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=8))
    members = [
        f'{draw(WHITE)}"{name}"{draw(WHITE)}:{draw(WHITE)}{value}{draw(WHITE)}' for name, value in pairs
    ]
    return f"{draw(WHITE)}{{{','.join(members)}}}{draw(WHITE)}".encode()


def layout(raw: bytes, names=REPLACED):
    return layout_of(raw, outline_of(raw, Limits()), names)


@given(objects())
def test_members_without_a_replacement_are_removed(raw):
    spliced = splice(raw, layout(raw), {})
    assert json.loads(spliced) == {
        name: value for name, value in json.loads(raw).items() if name not in REPLACED
    }


@given(objects())
def test_replaced_members_are_there_once_and_the_others_stay(raw):
    wanted = json.loads(raw) | {"model": "up"}
    wanted.pop("max_tokens", None)
    found = layout(raw)
    parts = found.parts() | {"model": msgspec.Raw(b'"up"')}
    parts.pop("max_tokens", None)
    spliced = splice(raw, found, parts)
    pairs = json.loads(spliced, object_pairs_hook=lambda pairs: pairs)
    names = [name for name, _ in pairs]
    assert sorted(names) == sorted(set(names))
    assert json.loads(spliced) == wanted


@given(objects(), st.booleans(), st.sampled_from([None, 7]))
def test_a_large_body_goes_upstream_as_a_small_one_does(raw, streams, cap):
    raw = b'{"model":"chat","messages":[],' + raw.strip()[1:]
    stated = json.loads(raw)
    if not isinstance(stated.get("stream_options"), dict | None):
        return  # is refused before it comes here
    shape = Shape(
        alias=stated["model"],
        path="chat/completions",
        stream=streams,
        output_cap=cap,
        cap_names=("max_tokens",) if "max_tokens" in stated else (),
        exact=False,
    )
    small = OpenAIToOpenAI(shape).request(raw, TARGET)
    large = OpenAIToOpenAI(msgspec.structs.replace(shape, layout=layout(raw))).request(raw, TARGET)
    assert json.loads(large) == json.loads(small)


def test_bytes_that_need_no_change_are_the_very_same():
    raw = b'{ "model": "up-1", "messages": [] }'
    shape = Shape(alias="up-1", path="chat/completions", layout=layout(raw))
    assert OpenAIToOpenAI(shape).request(raw, TARGET) is raw


@pytest.mark.parametrize("name", ["model", "x", "", "mod\\u0065l"])
def test_names_that_come_again_and_again_are_refused(name):
    raw = b'{"model":1,"x":1,"":1,' + b",".join([f'"{name}":2'.encode()] * 70) + b"}"
    with pytest.raises(Unfit):
        layout(raw)


def test_a_member_to_be_replaced_may_not_be_large():
    with pytest.raises(Unfit):
        layout(b'{"model":"' + b"m" * MOST_VALUE + b'"}')
    assert layout(b'{"y":1,"x":"' + b"m" * MOST_VALUE + b'"}').removed == ()


@pytest.mark.parametrize(
    ("raw", "is_plain"),
    [
        (b'{"a":1,"b":2}', True),
        (b'{"a":{"c":1},"b":{"c":1}}', True),
        (b'{"a":1,"a":2}', False),
        (b'{"a":1,"\\u0061":2}', False),
        (b'{"\\u0061":1}', False),
    ],
)
def test_names_at_the_top_are_plain_if_each_is_there_once_and_unescaped(raw, is_plain):
    assert outline_of(raw, Limits()).is_plain is is_plain
