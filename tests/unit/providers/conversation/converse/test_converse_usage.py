"""The usage of Converse as disjoint parts, and its table of parameters."""

from __future__ import annotations

from typing import Any

import pytest

from providers.conversation.converse.parameters import PARAMETERS
from providers.conversation.converse.usage import UsageJson, usage_of
from providers.conversation.parameters import PARAMETERS as EVERY
from providers.usage import Usage


def used(**given: Any) -> Usage | None:
    return usage_of(UsageJson(**given))


def test_the_usage_is_disjoint_and_writes_are_split_by_their_time() -> None:
    details = [{"ttl": "1h", "inputTokens": 30}, {"ttl": "5m", "inputTokens": 12}, "odd", {"inputTokens": -1}]
    assert used(input_tokens=1, output_tokens=2, cache_write_input_tokens=42, cache_details=details) == Usage(
        input_tokens=1, output_tokens=2, cache_write_tokens=12, cache_write_1h_tokens=30
    )
    assert used(input_token_count=4, output_token_count=5, cache_write_input_token_count=6) == Usage(
        input_tokens=4, output_tokens=5, cache_write_tokens=6
    )
    assert used() is None
    tier = usage_of(UsageJson(input_tokens=1, output_tokens=1), {"type": "flex"})
    assert tier is not None
    assert tier.service_tier == "flex"


@pytest.mark.parametrize("bad", [-1, "12", 1.5, 10**12, [], True])
def test_a_count_that_cannot_be_true_is_marked(bad: Any) -> None:
    found = used(input_tokens=bad, output_tokens=2)
    assert found == Usage(output_tokens=2, estimated=True)


def test_the_table_has_every_parameter() -> None:
    assert set(PARAMETERS) == set(EVERY)
