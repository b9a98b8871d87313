"""The usage that a stream has reported so far, in one place or several, once or with every event."""

from __future__ import annotations

from typing import Any

from providers.dialects.lenient.loose import usage_json
from providers.dialects.openai.usage import UsageJson, in_tier, usage_of
from providers.dialects.openai.usage_places import merged, says_output, usage_beside
from providers.usage import Usage


class ToldUsage:
    """`usage` is the merged result; None: nothing usable was reported."""

    __slots__ = ("_said", "usage")

    def __init__(self) -> None:
        self._said: UsageJson | None = None
        self.usage: Usage | None = None

    def hear(self, given: UsageJson, tier: Any) -> bool:
        """Merge one event's usage; return whether it states the output so far. `tier` is the latest one."""
        self._said = merged(self._said, given)
        usage = in_tier(usage_of(self._said), tier)
        if usage is not None:
            self.usage = usage
        if given is not self._said:
            return usage is not None and says_output(given)
        return usage is not None and usage.total_output_tokens > 0

    def hear_beside(self, document: Any, tier: Any) -> bool:
        """Do the same for an event that has its usage elsewhere than in the top-level `usage`."""
        given = usage_beside(document)
        return given is not None and self.hear(given, tier)

    def hear_anywhere(self, document: Any, tier: Any) -> bool:
        if not isinstance(document, dict):
            return False
        given = usage_json(document.get("usage"))
        return self.hear(given, tier) if given else self.hear_beside(document, tier)
