"""Every block of a Messages body is bounded, priced, or refused."""

from __future__ import annotations

import pytest

from budgets.admission.unbounded_requests import (
    Unbounded,
    check_bounded,
)
from gateway.http.exceptions import BadRequest
from gateway.parsing.messages import peek_messages
from providers.requests.documents import measured
from providers.requests.money_classes import Unacceptable
from tests.unit.providers.requests.messages.demands import (
    FILE,
    PDF,
    PICTURE,
    PNG,
    SHEET,
    demand,
    image,
    of_block,
    raw,
)


@pytest.mark.parametrize(
    "block",
    [
        image(type="file", file_id="file_1"),
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "brand_new", "file_id": "file_1"},
        {"type": "text", "text": "x", "attachment": {"id": "a"}},
        {"type": "tool_result", "tool_use_id": "t", "content": [image(type="file", file_id="f")]},
    ],
)
def test_a_block_names_no_object_of_the_account(block):
    with pytest.raises(Unacceptable, match="whose owner"):
        of_block(block)
    with pytest.raises(Unacceptable, match="whose owner"):
        demand(system=[block])


def test_an_image_is_measured_and_not_text():
    found = of_block(PICTURE)
    assert [tuple(each) for each in found.pictures] == [(64, 64)]
    assert found.body_bytes < len(raw(messages=[{"role": "user", "content": [PICTURE]}])) - len(PNG) + 1
    assert found.modalities == ("image",)
    assert not found.needs_window


def test_an_image_inside_of_a_result_is_measured():
    found = of_block({"type": "tool_result", "tool_use_id": "t", "content": [PICTURE, PICTURE]})
    assert len(found.pictures) == 2


def test_an_image_by_its_address_is_as_large_as_images_can_be():
    found = of_block(image(type="url", url="https://x/y.png"))
    assert [tuple(each) for each in found.pictures] == [(0, 0)]
    assert not found.needs_window


@pytest.mark.parametrize(
    "block",
    [
        image(type="base64", media_type="image/png", data="not an image"),
        image(type="base64", media_type="application/pdf", data=PDF),
        image(type="url", url="s3://bucket/key"),
        image(type="later"),
        {"type": "document", "source": {"type": "url", "url": "https://x"}},
        {"type": "document", "source": {"type": "base64", "media_type": "text/csv", "data": PDF}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": [{"encrypted_content": "x"}]},
        {"type": "brand_new"},
        {"type": "text", "text": "a", "odd": 1},
        {"text": "a"},
    ],
)
def test_what_cannot_be_measured_is_bounded_by_the_window(block):
    found = of_block(block)
    assert found.needs_window
    with pytest.raises(Unbounded):
        check_bounded(found, [SHEET], None)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"file_id": "the client's own"}},
        {"type": "tool_result", "tool_use_id": "t", "content": "x", "is_error": True},
        {"type": "thinking", "thinking": "Hm", "signature": "EqoB"},
        {"type": "redacted_thinking", "data": "EqoB"},
        {
            "type": "document",
            "title": "T",
            "source": {"type": "text", "media_type": "text/plain", "data": "x"},
        },
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
        {
            "type": "search_result",
            "source": "https://x",
            "title": "T",
            "content": [{"type": "text", "text": "x"}],
        },
    ],
)
def test_text_is_bounded_by_its_bytes(block):
    found = of_block(block)
    assert not found.needs_window
    assert found.body_bytes >= len(raw(messages=[{"role": "user", "content": [block]}]))


def test_a_pdf_is_measured_later():
    found = of_block(FILE, {"type": "tool_result", "tool_use_id": "t", "content": [FILE]})
    assert len(found.documents) == 2
    assert found.document_bytes == 2 * len(PDF)
    assert found.can_be_measured
    body = raw(messages=[{"role": "user", "content": [FILE, {"type": "tool_result", "content": [FILE]}]}])
    counted = measured(body, 5)
    assert counted.found is not None
    assert [document.pages for document in counted.found] == [1, 1]


def test_blocks_are_framed_like_messages():
    found = demand(
        system=[{"type": "text", "text": "a"}],
        messages=[{"role": "user", "content": [{"type": "text", "text": "a"}] * 3}],
    )
    assert found.messages >= 5


@pytest.mark.parametrize(
    "content",
    [
        b'[{"type":"text","text":"a","text":"b"}]',
        b'[{"type":"image","source":{"type":"url","url":"https://x","url":"https://y"}}]',
        b'[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","type":"image"}]}]',
    ],
)
def test_a_duplicate_is_refused(content):
    with pytest.raises(Unacceptable, match="twice"):
        peek_messages(b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":%b}]}' % content)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 5_000,
        b'[{"type":"tool_result","content":' * 50 + b'"x"' + b"}]" * 50,
        b"[1,2]",
        b"[null]",
        b"{}",
        b'[{"type":1,"source":2,"content":3}]',
        b'[{"type":"image","source":[]}]',
        b'[{"type":"image","source":{"type":"base64","data":5}}]',
    ],
)
def test_hostile_contents_are_bounded_or_refused(content):
    body = b'{"model":"m","max_tokens":9,"messages":[{"role":"user","content":%b}]}' % content
    try:
        found = peek_messages(body).demand
    except (BadRequest, Unacceptable):
        return
    assert found.body_bytes >= len(body) or found.needs_window
