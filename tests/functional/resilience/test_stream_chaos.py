"""Every fault of a provider in a stream: the client's view, the ledger and the provider's own books agree."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.support import sample
from tests.support.books.ledger import committed
from tests.support.clients.raw_calls import question
from tests.support.provider.stream_chaos import ALIASES, CASES, catalog, collect, perform
from tests.support.servers.gateway import Gateway, merged

WORD = " word"


@pytest.fixture(scope="module")
def views(upstream, closed_port, tmp_path_factory):
    """Perform all cases once; return by name what the client got, the ledger's row, and the provider's books."""
    config = merged(
        sample.config(upstream.base_url, closed_port),
        {"model_catalog": catalog(upstream.base_url), "streams": {"max_event_mb": 2}},
    )
    with Gateway(config, tmp_path_factory.mktemp("chaos") / "data") as gateway:
        for case in CASES:
            upstream.script(f"up-{ALIASES[case.name]}", case.behavior)
        clients = asyncio.run(perform(gateway, CASES))
        for name, answer in collected(gateway).items():
            clients[name].collected = answer
        rows = {row["id"]: row for row in committed(gateway)}
        yield {name: (seen, rows.get(seen.id), upstream.seen(call=seen.id)) for name, seen in clients.items()}
        assert gateway.manage("reconcile")


def collected(gateway):
    """Return what the library's helper makes of every case: the text of an answer, or what it raised."""

    def one(case):
        try:
            return collect(gateway, case)
        except openai.APIError as error:
            return error

    with ThreadPoolExecutor(8) as workers:
        return dict(zip((case.name for case in CASES), workers.map(one, CASES), strict=True))


def the_official_client_raises_for_every_broken_stream_and_for_no_other(case, views):
    seen, _, _ = views[case.name]
    expected = {"ok": "", "incomplete": "event", "error": "status"}[case.status]
    assert (seen.error, seen.code) == (expected, case.code)
    assert (len(seen.finished) == case.choices) is (case.status == "ok")


def the_librarys_helper_never_returns_a_broken_answer(case, views):
    seen, _, _ = views[case.name]
    if case.status == "ok":
        assert seen.collected == seen.texts[0]
    else:
        assert isinstance(seen.collected, openai.APIError)
        assert seen.collected.code == case.code


def the_ledger_tells_what_the_client_saw(case, views):
    seen, row, calls = views[case.name]
    assert (row["status"], row["error_code"] or "") == (case.status, case.code)
    assert row["http_status"] == {"upstream_timeout": 504, "upstream_error": 502}.get(
        case.code if case.status == "error" else "", 200
    )
    is_told = case.behavior.get("kind") == "html" or case.behavior.get("status", 200) != 200  # an HTTP error
    is_unknown = case.status == "error" and not is_told
    assert row["estimated"] is (case.estimated or is_unknown or row["attempts"] > 1)
    assert (seen.id, row["stream"], row["attempts"]) == (row["id"], True, len(calls))


def what_was_produced_is_billed_and_nothing_else(case, views):
    seen, row, [*_, truth] = views[case.name]
    received = sum(text.count(WORD) for text in seen.texts.values())
    produced = truth["bill"]["completion_tokens"] if case.tokens is None else case.tokens
    assert row["output_tokens"] == produced
    assert (row["unsettled_nanousd"] > 0) is row["estimated"]  # what was not reported may have been more
    if case.status == "error":
        prompts = row["input_tokens"] * row["attempts"] * sample.INPUT_NANOUSD  # each try has its own
        assert (received, row["cost_nanousd"]) == (0, prompts)
        assert bool(row["input_tokens"]) is row["estimated"]
    else:
        assert received == produced or case.name == "usage doubled"
        prices = sample.INPUT_NANOUSD, sample.OUTPUT_NANOUSD
        assert row["cost_nanousd"] == row["input_tokens"] * prices[0] + produced * prices[1]


def the_provider_is_called_once_and_left(case, views):
    """A kept connection lost before the head was most likely lost before: a second attempt, one in the row."""
    _, _, calls = views[case.name]
    assert len(calls) <= (2 if case.name == "reset before the head" else 1)
    assert all(call["ended_at"] is not None for call in calls)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_client_the_ledger_and_the_provider_agree(case, views):
    the_official_client_raises_for_every_broken_stream_and_for_no_other(case, views)
    the_librarys_helper_never_returns_a_broken_answer(case, views)
    the_ledger_tells_what_the_client_saw(case, views)
    what_was_produced_is_billed_and_nothing_else(case, views)
    the_provider_is_called_once_and_left(case, views)


@pytest.mark.parametrize("framing", ["lf", "crlf", "cr"])
async def test_a_stream_that_comes_byte_by_byte_leaves_as_the_same_bytes(shared_gateway, upstream, framing):
    bodies = []
    for behavior in ({}, {"framing": framing, "drip": True, "comments": True}):
        upstream.script("up-m17", behavior)
        async with shared_gateway.client(sample.ALICE) as client:
            answer = await client.post("/v1/chat/completions", json=question("m17", stream=True, n=2))
        bodies.append(answer.content)
    assert bodies[0] == bodies[1]
    assert bodies[0].endswith(b"data: [DONE]\n\n")
