"""The usage of a call whose answer could not be parsed."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from metering.journal.reader import OpenCall
from metering.journal.records import Answered
from metering.ledger.crash_recovery import crashed_usage
from metering.meter import Meter
from providers.usage import Usage
from tests.support.books.calls import opened

VECTORS = replace(opened("req_1"), endpoint="embeddings")


def test_received_embeddings_cost_their_reported_usage():
    usage = Usage(input_tokens=12)
    found = crashed_usage(OpenCall(VECTORS, 1, answered=Answered(id="req_1", size=4_000, usage=usage)))
    assert found == usage
    assert not found.estimated


def test_embeddings_without_usage_have_no_output():
    found = crashed_usage(OpenCall(VECTORS, 1, answered=Answered(id="req_1", size=4_000)))
    assert (found.input_tokens, found.output_tokens, found.estimated) == (100, 0, True)


def test_a_chat_without_usage_is_counted_by_its_length():
    found = crashed_usage(OpenCall(opened("req_1"), 1, answered=Answered(id="req_1", size=4_000)))
    assert (found.output_tokens, found.estimated) == (1_000, True)


@pytest.mark.parametrize(
    ("endpoint", "usage", "known"),
    [
        ("embeddings", {"prompt_tokens": 12, "total_tokens": 12}, 12),
        ("embeddings", {"prompt_tokens": 0, "total_tokens": 0}, None),
        ("chat.completions", {"prompt_tokens": 12, "completion_tokens": 3}, 12),
        ("chat.completions", {"prompt_tokens": 12, "completion_tokens": 0}, None),
    ],
)
def test_usage_of_an_answer_is_noted_before_it_is_inspected(endpoint, usage, known):
    noted: list[Answered] = []
    books: Any = SimpleNamespace(journal=SimpleNamespace(mark=noted.append))
    record = replace(opened("req_1"), endpoint=endpoint)
    target: Any = SimpleNamespace(alias=record.model, name=record.deployment)
    Meter(books, record, b"{}").record_response(target, json.dumps({"data": [], "usage": usage}).encode())
    assert [each.usage and each.usage.input_tokens for each in noted] == [known]
