"""The measured output speed of each deployment: to estimate output that was not seen. In memory, of this process.

An estimate serves people and the policy; no budget uses it (docs/decisions/0014). A dictionary entry a deployment.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from providers.usage import Usage

LEAST_S = 1.0  # a shorter call shows little of the speed
WEIGHT = 8  # calls, of the moving mean


class Speed(NamedTuple):
    """`hides`: the last measured call had output that its client does not see (reasoning)."""

    tokens_a_second: float
    hides: bool


class Speeds:
    """By the deployment's row id. Used from the event loop only."""

    def __init__(self) -> None:
        self._by_target: dict[int, Speed] = {}

    def record(self, target_id: int, usage: Usage, seconds: float) -> None:
        """Update the speed from a call whose usage its provider reported."""
        if seconds < LEAST_S:
            return
        tokens = usage.total_output_tokens
        if not tokens or usage.estimated:
            return
        rate, known = tokens / seconds, self._by_target.get(target_id)
        if known is not None:
            rate = known.tokens_a_second + (rate - known.tokens_a_second) / WEIGHT
        self._by_target[target_id] = Speed(rate, usage.reasoning_tokens > 0)

    def with_hidden(self, usage: Usage, target_id: int, silent_s: float, *, is_seen: bool) -> Usage:
        """Add output that was probably made while nothing arrived. `is_seen`: output that is not hidden was seen."""
        speed = self._by_target.get(target_id)
        if speed is None or (is_seen and not speed.hides):
            return usage
        tokens = int(speed.tokens_a_second * silent_s)
        if speed.hides:
            return replace(usage, reasoning_tokens=usage.reasoning_tokens + tokens)
        return replace(usage, output_tokens=max(usage.output_tokens, tokens))
