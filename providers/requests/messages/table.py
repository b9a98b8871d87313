"""The table of members of POST /v1/messages, and of its tools and blocks.

Sources: the types of Anthropic's SDK 2.15, beta members included, and its documentation of prices.
"""

from __future__ import annotations

from typing import Final

from providers.requests.chat import MORE_OUTPUT
from providers.requests.money_classes import DESTINATIONS, Money, Table, rows

CAP: Final = "max_tokens"
MEMBERS: Final[Table] = {
    **rows(
        Money.FREE,
        "model stream temperature top_p top_k stop_sequences metadata service_tier cache_control "
        "inference_geo thinking context_management diagnostics betas anthropic_beta anthropic_version",
    ),
    **rows(Money.TEXT, "messages system tools tool_choice output_config output_format"),
    **rows(Money.CAP, CAP),
    **rows(Money.FEATURE, "speed"),
    # The provider calls these servers, and reads what they return as often as it likes.
    **rows(Money.REFERENCE, "mcp_servers"),
    **rows(Money.DESTINATION, DESTINATIONS),
    **rows(Money.DESTINATION, "fallback_credit_token billing_policy"),
    **rows(
        Money.DESTINATION,
        "container thread user_profile_id workspace_id previous_message_id",
        shares=True,
    ),
    # Beyond the cap: `compaction` writes a summary first.
    **rows(
        Money.REFUSED,
        "compaction extra_body options parameters generation_config sampling_params kwargs n",
    ),
    **rows(Money.REFUSED, " ".join(name for name in MORE_OUTPUT.split() if name != "thinking")),
}
PRINTED: Final = ("tools", "output_config", "output_format")  # as JSON of a template's own
COMPACTION: Final = "compact"  # the beginning of the type of an edit in `context_management`
OUTPUT_CONFIG: Final = frozenset({"effort", "format"})

# The members of a client's own tool; the first two types are one.
TOOL: Final = frozenset(
    {
        *("type", "name", "description", "input_schema", "strict", "cache_control"),
        *("defer_loading", "eager_input_streaming", "allowed_callers", "input_examples"),
    }
)
OWN_TYPES: Final = frozenset({None, "custom"})
# Tools that Anthropic defines and the client runs: they cost the text of their definition, which is not published.
CLIENT_RUN: Final = (
    "bash_",
    "text_editor_",
    "computer_",
    "memory_",
    "browser_",
    "tool_search_",
    "mcp_toolset",
)
# The provider asks the model again after each of its own tools; the documented most without a pause is 10.
SERVER_TURNS: Final = 11
CHOICE: Final = frozenset({"type", "name", "disable_parallel_tool_use"})
CHOICE_TYPES: Final = frozenset({"auto", "any", "tool", "none"})

MESSAGE: Final = frozenset({"role", "content"})
# Members of blocks that are text, with the blocks inside of some; `type` and marks cost nothing.
BLOCK_TEXT: Final = frozenset(
    {
        *("type", "text", "cache_control", "citations", "title", "context", "id", "name", "input", "caller"),
        *("tool_use_id", "is_error", "thinking", "signature", "data", "toolset_name", "tool_name"),
        *("server_name", "encrypted_content"),
    }
)
TEXT_BLOCKS: Final = frozenset(
    {
        *("text", "thinking", "redacted_thinking", "tool_use", "tool_result", "tool_reference"),
        *("search_result", "server_tool_use", "mcp_tool_use", "mcp_tool_result", "compaction"),
    }
)
# Results of tools that the provider ran: what they stand for may be longer than what they are.
SERVER_RESULTS: Final = "_tool_result"
CALLS: Final = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
IMAGE_SOURCES: Final = frozenset({"type", "media_type", "data", "url"})
