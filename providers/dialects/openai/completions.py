"""Completions to a server that has them: bytes pass, as for chat. Their only cap is `max_tokens`."""

from __future__ import annotations

import msgspec
from typing_extensions import override

from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.request_additions import Added, stated
from providers.target import Target

_CAP = "max_tokens"


class CompletionsToOpenAI(OpenAIToOpenAI):
    """One call."""

    @override
    def request(self, raw: bytes, target: Target, added: Added | None = None) -> bytes:
        return super().request(raw, target, _with_cap(added or stated(target)))

    @override
    def describe_additions(self, added: Added) -> str:
        return super().describe_additions(_with_cap(added))


def _with_cap(added: Added) -> Added:
    return msgspec.structs.replace(added, cap=_CAP) if added.cap else added
