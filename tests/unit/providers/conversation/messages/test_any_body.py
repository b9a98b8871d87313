"""Any JSON in the place of a Messages body is read, or refused by a name; never anything else."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.http.exceptions import BadRequest
from gateway.parsing.messages import peek_messages
from providers.conversation.messages.request_reader import read
from providers.isolation.ownership import Ownership
from providers.requests.money_classes import Unacceptable

OWNERSHIP = Ownership(b"tenant")
words = st.sampled_from(
    (
        *("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"),
        *("base64", "url", "file", "content", "application/pdf", "image/png", "JVBERi0", "gw:", "auto", "x"),
        *("user", "assistant", "system", "~gw1.AAAA", "\ud800", ""),
    )
)
leaves = (
    words | st.none() | st.booleans() | st.integers(-1, 9) | st.floats(allow_nan=False, allow_infinity=False)
)
members = st.sampled_from(
    (
        *("type", "text", "source", "content", "data", "media_type", "url", "id", "name", "input", "title"),
        *("tool_use_id", "thinking", "signature", "citations", "cache_control", "file_id", "odd", "strict"),
        *("input_schema", "enabled", "budget_tokens", "display", "effort", "format", "schema", "user_id"),
    )
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(members, inner, max_size=4),
    max_leaves=12,
)
blocks = st.fixed_dictionaries(
    {"type": words}, optional={"content": values, "source": values, "input": values}
)
messages = st.fixed_dictionaries(
    {"role": words, "content": st.text(max_size=3) | st.lists(blocks | values, max_size=3)}
)
OPTIONAL = (
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
    "context_management",
    "mcp_servers",
    "stop_sequences",
    "service_tier",
    "speed",
    "diagnostics",
    "container",
    "temperature",
    "odd",
)
bodies = st.fixed_dictionaries(
    {
        "model": st.just("m"),
        "max_tokens": st.integers(0, 9),
        "messages": st.lists(messages, min_size=1, max_size=3),
    },
    optional=dict.fromkeys(OPTIONAL, values),
)


@given(bodies)
def test_any_body_is_read_or_refused(body):
    raw = json.dumps(body, separators=(",", ":")).encode()
    try:
        parsed = peek_messages(raw)
    except (BadRequest, Unacceptable):
        return
    assert parsed.demand.body_bytes > 0
    try:
        conversation = read(raw, OWNERSHIP)
    except Unacceptable:
        return
    assert len(conversation.turns) <= len(body["messages"])
    assert conversation.max_output_tokens == parsed.shape.stated_cap
