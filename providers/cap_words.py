"""Under which name a deployment takes the cap: its provider's, until it refuses that by name and takes the other.

Reasoning models refuse `max_tokens`, older servers do not know `max_completion_tokens`; what was learned is kept as
long as the process lives.
"""

from __future__ import annotations

import re
from typing import Final

from providers.failures import UpstreamStatus
from providers.registry import PROVIDERS
from providers.target import Target

_OTHER: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REFUSALS: Final = (400, 422)
_UNKNOWN: Final = re.compile(
    rb"(?i)unsupported|not supported|unrecogni[sz]ed|unknown|unexpected|extra|forbidden|not permitted|invalid"
)


class CapWords:
    """By the id of the deployment."""

    def __init__(self) -> None:
        self._learned: dict[int, str] = {}

    def word(self, target: Target) -> str:
        return self._learned.get(target.id) or PROVIDERS[target.provider].cap_field

    def other(self, target: Target, refusal: UpstreamStatus) -> str | None:
        """Return the word to try instead; None where the refusal is about something else."""
        word, body = self.word(target), refusal.body or b""
        is_refused = refusal.status in _REFUSALS and word.encode() in body and _UNKNOWN.search(body)
        return _OTHER.get(word) if is_refused else None

    def learn(self, target: Target, word: str) -> None:
        self._learned[target.id] = word
