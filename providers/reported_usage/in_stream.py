"""The usage that a stream has reported so far, in one place or several, once or with every event."""

from __future__ import annotations

from typing import Any

from providers.reported_usage.places import merged, states_output, usage_elsewhere
from providers.reported_usage.reading import UsageJson, in_tier, usage_json, usage_of
from providers.usage import Usage


class ReportedUsage:
    """`usage` is the merged result; None: nothing usable was reported."""

    __slots__ = ("_merged", "usage")

    def __init__(self) -> None:
        self._merged: UsageJson | None = None
        self.usage: Usage | None = None

    def merge(self, given: UsageJson, tier: Any) -> bool:
        """Merge one event's usage; return whether it states the output so far. `tier` is the latest one."""
        self._merged = merged(self._merged, given)
        usage = in_tier(usage_of(self._merged), tier)
        if usage is not None:
            self.usage = usage
        if given is not self._merged:
            return usage is not None and states_output(given)
        return usage is not None and usage.total_output_tokens > 0

    def merge_elsewhere(self, document: Any, tier: Any) -> bool:
        """Do the same for an event that has its usage elsewhere than in the top-level `usage`."""
        given = usage_elsewhere(document)
        return given is not None and self.merge(given, tier)

    def merge_any(self, document: Any, tier: Any) -> bool:
        if not isinstance(document, dict):
            return False
        given = usage_json(document.get("usage"))
        return self.merge(given, tier) if given else self.merge_elsewhere(document, tier)
