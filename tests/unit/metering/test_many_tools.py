"""A provider may name thousands of tools in its usage: the bill has all of them, the row keeps few."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, Mock

import msgspec
import pytest

from catalog.pricing.price_terms import Terms, ToolRate
from catalog.pricing.prices import PriceSheet, as_stored, receipt
from metering.journal.reader import OpenCall
from metering.journal.records import Answered
from metering.ledger.crash_recovery import incomplete
from metering.meter import CallOutcome, Meter
from providers.reported_usage.reading import UsageJson, usage_of
from providers.upstream import Attempt
from providers.usage import LONGEST_TOOL, MOST_TOOLS, OTHER_TOOLS, ToolCount
from tests.support.books.calls import opened

NAMES = {f"tool_{number}_requests": number for number in range(1, 3_001)}


def priced(*names):
    return PriceSheet(
        input=10**6, output=10**6, terms=Terms(tool_calls=tuple(ToolRate(name, 10**13) for name in names))
    )


def said(**tools):
    document = {"prompt_tokens": 9, "completion_tokens": 3, "server_tool_use": tools}
    usage = usage_of(msgspec.json.decode(json.dumps(document).encode(), type=UsageJson))
    assert usage is not None
    return usage


@pytest.mark.parametrize(
    ("tools", "names"),
    [
        (NAMES | {"web_search_requests": 3}, ["web_search"]),  # the last of all
        ({"web_search_requests": 3} | NAMES, ["web_search", "code_execution"]),
        (NAMES, [f"tool_{number}" for number in range(2_950, 3_001)]),  # more than are kept
        (NAMES, []),
        ({"x" * 65 + str(number): 1 for number in range(3_000)} | {"web_search": 2}, ["web_search"]),
        (dict(list(NAMES.items())[:MOST_TOOLS]), ["tool_1"]),
    ],
)
def test_a_row_keeps_few_and_makes_the_same_bill(tools, names):
    usage, sheet = said(**tools), priced(*names)
    kept = as_stored(usage, sheet)
    assert receipt(kept, sheet) == receipt(usage, sheet)
    assert len(kept.tool_calls) <= max(MOST_TOOLS, len(names) + 1)
    assert max(len(tool.name) for tool in kept.tool_calls) <= LONGEST_TOOL
    assert sum(tool.quantity for tool in kept.tool_calls) == sum(tools.values())


def test_the_rest_is_one_sum():
    kept = as_stored(said(**NAMES), priced("tool_7"))
    assert kept.tool_calls[0] == ToolCount("tool_7", 7)
    assert kept.tool_calls[-1] == ToolCount(OTHER_TOOLS, sum(range(32, 3_001)))


def test_a_long_name_is_not_the_one_it_begins_with():
    name = "x" * LONGEST_TOOL
    usage = said(**{f"{name}y": 5, f"{name}z": 6, name: 1})
    assert set(usage.tool_calls) == {ToolCount(name, 1), ToolCount(OTHER_TOOLS, 11)}


def test_a_tool_that_is_said_twice_counts_as_the_larger():
    for tools in ({"web_search_requests": 3, "web_search": 0}, {"web_search": 2, "web_search_requests": 3}):
        assert said(**tools).tool_calls == (ToolCount("web_search", 3),)


def test_a_call_of_a_crashed_process_is_stored_the_same_way():
    usage = said(**NAMES)
    answered = Answered(id="req_1", size=9, usage=usage, sheet=priced("tool_2999"))
    close = incomplete(OpenCall(opened("req_1"), 1, answered=answered), 0.0)
    assert len(close.usage.tool_calls) == MOST_TOOLS
    assert close.cost_nanousd == receipt(usage, priced("tool_2999")).total_nanousd


@pytest.mark.parametrize("tries", [1, 2])
async def test_a_call_and_each_attempt_keep_a_bounded_number_of_tools(tries):
    sheet, usage = priced("tool_2999"), said(**NAMES)
    journal = SimpleNamespace(close_call=AsyncMock())
    admission = SimpleNamespace(settle=AsyncMock())
    books: Any = SimpleNamespace(
        journal=journal, admission=admission, running=Mock(), observe=Mock(), speeds=Mock()
    )
    meter = Meter(books, opened("req_1"), b"{}")
    meter.sheets = lambda _: sheet
    meter.attempts += [Attempt("openai", "east", "upstream_error", 500, 1.0, usage=usage)] * tries
    await meter.close(CallOutcome(status="ok", http_status=200, sheet=sheet, usage=usage))
    close = journal.close_call.call_args.args[0]
    assert close.cost_nanousd == tries * receipt(usage, sheet).total_nanousd
    kept = [close.usage, *[each.usage for each in close.decision if isinstance(each, Attempt)]]
    assert [len(each.tool_calls) for each in kept] == [MOST_TOOLS] * (tries + 1)
