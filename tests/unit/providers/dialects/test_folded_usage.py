"""The usage of a stream that was folded into one response: what can be true is billed, else the text is counted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from providers.conversation.events import (
    BlockDelta,
    BlockEnded,
    BlockStarted,
    Ended,
    Finished,
    FinishReason,
    Started,
    UsageReported,
)
from providers.dialects.translated_stream import TranslatedStream
from providers.other_form import set_folded
from providers.usage import Usage

WORD = (BlockStarted(0, "text"), BlockDelta(0, "word"), BlockEnded(0))


@pytest.mark.parametrize(
    ("produced", "prompt", "is_known"),
    [((), 9, True), (WORD, 9, False), ((), 0, False)],
    ids=["a model that refuses at once", "a text of no tokens", "a prompt of no tokens"],
)
def test_no_output_is_the_usage_of_a_stream_that_produced_nothing(produced, prompt, is_known):
    reader: Any = SimpleNamespace(unfinished_bytes=0)
    writer: Any = SimpleNamespace(final=b"", write=lambda _: b"")
    stream = TranslatedStream(reader, writer)
    reported = UsageReported(Usage(input_tokens=prompt, output_tokens=0), is_final=True)
    stream.take([Started("a"), *produced, Finished(FinishReason.CONTENT_FILTER), reported, Ended()])
    call: Any = SimpleNamespace(stream=stream)
    outgoing: Any = SimpleNamespace()
    set_folded(call, outgoing, b"{}")
    assert (call.answered.usage is not None) is is_known
    assert call.answered.produced == ("word" if produced else "")
