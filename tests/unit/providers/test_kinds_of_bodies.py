"""B19 of real providers: an event stream with another media type is recognized by its first bytes."""

from __future__ import annotations

import pytest

from providers.dialects.body_kind import Kind, kind_of

EVENTS = [
    b"data: {",
    b"data:{",
    b": ping\n\n",
    b":\n",
    b"event: message\n",
    b"id: 7\n",
    b"retry: 10\n",
    b"data\n\n",
]
WHOLE = [b'{"id":', b"{", b'[{"error"', b"\n\n  {", b"\xef\xbb\xbf{"]
OTHER = [
    b"<html>",
    b"Internal Server Error",
    b"eventually",
    b"dating",
    b"x",
    b'"text"',
    b"\x00",
    b"\xff\xfe{",
]


@pytest.mark.parametrize("head", EVENTS)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n\r\n", b" \n", b"\xef\xbb\xbf\r\n"])
def test_what_begins_as_an_event_stream_is_one(head, before):
    for is_declared in (False, True):
        assert kind_of(before + head, is_declared=is_declared) is Kind.EVENTS


@pytest.mark.parametrize("head", WHOLE)
def test_what_begins_as_a_document_is_one_whatever_it_says(head):
    for is_declared in (False, True):
        assert kind_of(head, is_declared=is_declared) is Kind.WHOLE


@pytest.mark.parametrize("head", OTHER)
def test_other_bytes_are_a_stream_only_where_they_are_declared_as_one(head):
    assert kind_of(head, is_declared=False) is Kind.OTHER
    assert kind_of(head, is_declared=True) is Kind.EVENTS


@pytest.mark.parametrize("head", [b"", b"\n", b" \r\n", b"\xef", b"\xef\xbb", b"\xef\xbb\xbf"])
def test_too_few_bytes_decide_nothing(head):
    for is_declared in (False, True):
        assert kind_of(head, is_declared=is_declared) is None


@pytest.mark.parametrize("head", [b"d", b"dat", b"ev", b"even", b"i", b"retr"])
def test_the_beginning_of_a_field_decides_nothing_yet(head):
    assert kind_of(head, is_declared=False) is None
