"""The outline of a body agrees with a parser on what is JSON and what is in it, in bounded time."""

from __future__ import annotations

import functools
import gc
import json
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.json_scan import outline
from providers.json_scan.limits import Limits, NotJson, OverLimit
from providers.json_scan.outline import outline_of, outlining
from tests.support.clients import hostile_bodies
from tests.support.examples import examples

SIZE = 256 * 1024
ROOM = 20  # times the longest slice of an honest body; the longest of all are four times as long
WIDE = Limits(nesting=1000, messages=10**6, parts=10**6, inputs=10**6, values=10**7, members=10**6)

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.text(alphabet='a"\\\n[]{},:é\u2028😀', max_size=40)
    | st.integers(500, 700).map(lambda size: "x y" * size)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
names = st.text(max_size=8) | st.sampled_from(["messages", "input", "content"])
documents = st.dictionaries(names, values, max_size=5)
styles = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (" ,  ", "\t:\n")}])
pieces = [b"", b",", b"]", b"}", b'"', b"\\", b"1", b" ", b"\x01", b"[", b"{"]
damages = st.tuples(st.floats(0, 1), st.sampled_from(pieces))


def is_json(raw: bytes) -> bool:
    try:
        raw.decode()
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw]) is not None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


@examples(50, 100)
@given(documents, styles)
def test_every_member_is_found_where_it_lies(document, style):
    raw = json.dumps(document, **style).encode()
    found = outline_of(raw, WIDE)
    assert {name: json.loads(raw[slice(*span)]) for name, span in found.members.items()} == document
    lists = {name: value for name, value in document.items() if isinstance(value, list)}
    assert found.counts == {name: len(lists[name]) for name in ("messages", "input") if name in lists}


@given(documents, styles, st.lists(damages, min_size=1, max_size=3))
def test_scanner_accepts_exactly_the_json_of_a_parser(document, style, several):
    raw = json.dumps(document, **style).encode()
    for place, put in several:
        at = int(place * len(raw))
        raw = raw[:at] + put + raw[at + (put == b"") :]
    try:
        outline_of(raw, WIDE)
    except NotJson:
        assert not is_json(raw)
    else:
        assert is_json(raw)


NO_OBJECTS = rb"""
[] | 1 | { | {} x | {"a":1}{ | {"a":1,} | {"a":[1,]} | {"a":01} | {"a":1.} | {"a":tru} | {"a":[1} | {"a":[[1}]}
| {"a" 1} | {1:1} | {"a":NaN} | {"a":"\x"} | {"a":[1 2]} | {"a":["b" "c"]} | {"a":{"b":1 "c":2}} | {"a":+1} | {"a":.5}
"""


@pytest.mark.parametrize(
    "raw", [*NO_OBJECTS.split(b"|"), b"", b'{"a":"\x00"}', b'{"\xff":1}', b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_object_is_refused(raw):
    with pytest.raises(NotJson):
        outline_of(raw, WIDE)


def test_a_repeated_member_counts_as_its_last_value():
    raw = b'{"model":"a","mod\\u0065l":"b"}'
    assert raw[slice(*outline_of(raw, WIDE).members["model"])] == b'"b"'


@pytest.mark.parametrize(
    ("what", "raw"),
    [
        ("messages", b'{"messages":[%s]}' % b",".join([b'{"role":"user"}'] * 5)),
        ("messages", b'{"messages":[1,2,3,4,5]}'),
        ("messages", b'{"messages":["a","b","c","d","e"]}'),
        ("messages", b'{"messages":[[],[],[],[],[]]}'),
        ("messages", rb'{"m\u0065ssages":[1,[2],"3",{},5]}'),
        ("inputs", b'{"input":["a","b","c","d","e"]}'),
        ("inputs", b'{"input":[[1,2],[3],[4],[5],[6]]}'),
        ("parts", b'{"messages":[{"content":["a","b","c","d","e"]}]}'),
        ("parts", rb'{"messages":[{"cont\u0065nt":[{"x":1},1,2,3,4]}]}'),
        ("parts", b'{"messages":[{"role":"tool","content":[1,2,3,4,5]}]}'),
        ("nesting", b'{"a":[[[[[]]]]]}'),
        ("nesting", b'{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}'),
        ("nesting", b'{"a":[{"a":[{"a":["x"]}]}]}'),
        ("members", b'{"a":1,"b":{"c":1,"d":{"e":1}},"f":2,"g":1,"h":1,"i":1}'),
        ("members", b'{"x":[{"c":"1","d":"1"},{"e":1,"f":2},{"g":1,"h":1},{"i":1,"j":1}]}'),
        ("values", b'{"messages":[1],"x":[%s]}' % b",".join([b"1"] * 70)),
        ("values", b'{"x":[%s]}' % b",".join([b"[]"] * 61)),
    ],
)
def test_each_limit_holds_however_it_is_written(what, raw):
    limits = Limits(nesting=5, messages=4, parts=4, inputs=4, values=60, members=8)
    with pytest.raises(OverLimit) as over:
        outline_of(raw, limits)
    assert over.value.what == what


def test_what_is_just_within_the_limits_passes():
    limits = Limits(nesting=5, messages=3, parts=3, inputs=3, values=40, members=12)
    content = b'{"content":["a","b","c"]},{"content":[1,2,3]},{"content":[{},{},{}]}'
    raw = b'{"messages":[%s],"input":[[1,2,3,4],[1],[]]}' % content
    assert outline_of(raw, limits).counts == {"messages": 3, "input": 3}


def test_members_of_the_bulk_are_not_counted():
    raw = b'{"tools":[{"a":1,"b":2,"c":3}],"tools":[{"d":{"e":1}}],"x":1}'
    found = outline_of(raw, Limits(members=3, bulk=frozenset({"tools"})))
    assert list(found.members) == ["tools", "x"]


@pytest.mark.parametrize(
    "piece", [b'{"image_url":{"url":"%s"}}', b'{"image_url":"%s"}', rb'{"\u0069mage_url":"%s"}']
)
def test_pictures_are_seen_and_are_no_text(piece):
    raw = b'{"messages":[{"content":[%s,{"type":"text","text":"hi there"}]}]}' % (piece % (b"QUJD" * 1000))
    found = outline_of(raw, WIDE)
    assert found.feature_counts == {"image_url": 1}
    assert found.prompt_tokens < 50


def slices(raw: bytes) -> list[float]:
    """Return the CPU seconds of each slice. Garbage of other tests is not collected meanwhile."""
    steps, found = outlining(raw, Limits()), list[float]()
    gc.disable()
    try:
        while True:
            before = time.thread_time()
            try:
                next(steps)
            except (StopIteration, OverLimit, NotJson):
                return found
            finally:
                found.append(time.thread_time() - before)
    finally:
        gc.enable()


@functools.cache
def honest_slice() -> float:
    raw = hostile_bodies.SERVED["many messages"](SIZE)
    return max(map(min, slices(raw), slices(raw), slices(raw)))


@pytest.mark.parametrize("name", hostile_bodies.EVERY)
def test_no_slice_is_long_whatever_is_in_the_body(name):
    """Both are measured by one CPU clock, so no machine is too slow; each slice counts by its best run."""
    most = ROOM * honest_slice()
    raw = hostile_bodies.EVERY[name](SIZE)
    best = slices(raw)
    for _ in range(4):
        if max(best) < most:
            break
        best = list(map(min, best, slices(raw)))
    assert max(best) < most


def test_the_work_is_cut_into_slices():
    raw = b'{"x":[%s]}' % b",".join([b'{"a":[]}'] * 10 * outline.SLICE)
    assert sum(1 for _ in outlining(raw, WIDE)) >= 10


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":[1,'])
def test_what_is_nested_deeply_takes_no_stack(opening):
    closing = {b"[": b"]", b'{"a":': b"}", b'[{"a":[1,': b"]}]"}[opening]
    deep = b'{"x":' + opening * 8_000 + b"1" + closing * 8_000 + b',"y":2}'
    found = outline_of(deep, msgspec.structs.replace(WIDE, nesting=40_000))
    assert deep[slice(*found.members["y"])] == b"2"
    with pytest.raises(NotJson):
        outline_of(deep.replace(b"1" + closing, b"1", 1), msgspec.structs.replace(WIDE, nesting=40_000))
