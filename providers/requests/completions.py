"""The table of completions (`POST /v1/completions`): what of chat's members is left, and its own.

Sources: the OpenAI API reference ("Create completion"), and the request models of vLLM, SGLang and llama.cpp.
"""

from __future__ import annotations

from typing import Final

from providers.requests import chat
from providers.requests.money_classes import Money, Table, rows

DEFAULT_CAP: Final = 16  # tokens, where a request states no cap (OpenAI API reference)
_OF_CHAT: Final = frozenset(
    {
        *(
            "messages",
            "tools",
            "tool_choice",
            "functions",
            "function_call",
            "parallel_tool_calls",
            "documents",
        ),
        *("modalities", "audio", "prediction", "web_search_options", "web_search", "search_parameters"),
        *("enable_search", "store", "metadata", "verbosity", "reasoning_effort", "chat_template"),
        *("chat_template_kwargs", "mm_processor_kwargs", "add_generation_prompt", "continue_final_message"),
    }
)
MEMBERS: Final[Table] = {
    **{name: row for name, row in chat.MEMBERS.items() if name not in _OF_CHAT},
    **rows(Money.FREE, "echo prompt_logprobs return_text_in_logprobs"),
    **rows(Money.TEXT, "prompt suffix"),
    **rows(Money.REFERENCE, "prompt_embeds images multi_modal_data image_data input_embeds"),
}
# Members that need no further check.
PLAIN: Final = frozenset({*(chat.PLAIN & MEMBERS.keys()), "prompt", "suffix", "echo"})
