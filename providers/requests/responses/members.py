"""The tables of Responses: members of a request, of its items, and of their content parts.

Sources: the API reference ("Create a response"), openai-python `types/responses`, and vLLM's request model.
"""

from __future__ import annotations

from typing import Final

from providers.requests import chat
from providers.requests.money_classes import DESTINATIONS, Money, Table, rows

CAP: Final = "max_output_tokens"
# Why a member is refused whatever its value is.
REASONS: Final = {
    "background": "makes a call whose cost is known only to the one who asks for its result later, so no budget "
    "could be kept",
    "background_options": "is of calls in the background, which are not served",
    "prompt": "names an object of the provider's account, whose owner the gateway cannot know",
}
MEMBERS: Final[Table] = {
    **rows(
        Money.FREE,
        "model stream stream_options temperature top_p top_k min_p seed stop top_logprobs user safety_identifier "
        "prompt_cache_key parallel_tool_calls include truncation reasoning service_tier metadata client_metadata "
        "access_programs image moderation request_id cache_salt priority include_stop_str_in_output "
        "skip_special_tokens repetition_penalty presence_penalty frequency_penalty max_tool_calls",
    ),
    **rows(Money.FREE, "store prompt_cache_retention prompt_cache_options", keeps=True),
    **rows(
        Money.TEXT, "input instructions tools tool_choice text structured_outputs previous_input_messages"
    ),
    **rows(Money.REFERENCE, "previous_response_id conversation", keeps=True),
    **rows(Money.REFERENCE, "mm_processor_kwargs"),
    **rows(Money.CAP, CAP),
    # A server may compact the conversation within a call, which writes more than the cap.
    **rows(Money.REFUSED, "context_management"),
    **rows(Money.REFUSED, " ".join(chat.CAPS - {CAP})),
    **rows(Money.REFUSED, f"n best_of extra_body options parameters {chat.MORE_OUTPUT}"),
    **rows(Money.DESTINATION, f"{DESTINATIONS} background_options prompt"),
    **rows(
        Money.DESTINATION,
        "thread_id assistant_id file_id file_ids container container_id vector_store_ids prompt_id",
        shares=True,
    ),
}
PLAIN: Final = frozenset(
    name
    for name, row in MEMBERS.items()
    if row.money in {Money.FREE, Money.TEXT}
    and not row.keeps
    and name
    not in {"service_tier", "reasoning", "max_tool_calls", "input", "tools", "tool_choice", "moderation"}
)
"""Members that templates print into the prompt in a form of their own."""
PRINTED: Final = frozenset({"tools", "text"})


def _words(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Items by their type. Those that are not here are bounded by the context window.
TEXT_ITEMS: Final = _words(
    "message function_call function_call_output custom_tool_call custom_tool_call_output reasoning compaction "
    "local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call apply_patch_call_output "
    "mcp_list_tools mcp_approval_request mcp_approval_response mcp_call configuration_update program program_output "
    "additional_tools"
)
# Known items that stand for more than their bytes.
REFERENCES: Final = _words(
    "item_reference image_generation_call file_search_call code_interpreter_call web_search_call computer_call "
    "computer_call_output tool_search_call tool_search_output"
)
CALL_ITEMS: Final = _words("function_call custom_tool_call mcp_call")
# Items that need no id of the provider's: what they say is in them.
WHOLE_ITEMS: Final = TEXT_ITEMS | _words(
    "computer_call computer_call_output web_search_call tool_search_call tool_search_output"
)
COMPACTING_ITEMS: Final = _words("compaction_trigger")
# Members of items and parts that name a file, a store or the like: never the gateway's.
OBJECTS: Final = _words("file_id file_ids vector_store_ids input_image_mask video_id")
TEXT_PARTS: Final = _words("input_text output_text text summary_text reasoning_text refusal")
# Tools that the client runs itself.
OWN_TOOLS: Final = _words("function custom local_shell apply_patch computer computer_use_preview")
