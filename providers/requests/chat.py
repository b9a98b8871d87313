"""The table of chat completion members: OpenAI's, and those that compatible servers are known to read.

Sources: the OpenAI API reference ("Create chat completion"), and the request models of vLLM, SGLang, llama.cpp, Ollama,
Mistral, OpenRouter and LiteLLM as published.
"""

from __future__ import annotations

from typing import Final

from providers.requests.money_classes import DESTINATIONS, Money, Table, rows

# Members that make a server generate more than its cap, or generate again.
MORE_OUTPUT: Final = (
    "use_beam_search num_beams num_return_sequences candidate_count thinking min_tokens min_new_tokens min_length "
    "min_completion_tokens ignore_eos num_retries max_retries"
)
MEMBERS: Final[Table] = {
    **rows(
        Money.FREE,
        "model stream stream_options temperature top_p top_k min_p top_a typical_p seed random_seed stop logit_bias "
        "logprobs top_logprobs presence_penalty frequency_penalty repetition_penalty length_penalty user "
        "safety_identifier prompt_cache_key parallel_tool_calls reasoning_effort verbosity modalities audio "
        "stop_token_ids include_stop_str_in_output skip_special_tokens spaces_between_special_tokens "
        "add_generation_prompt continue_final_message add_special_tokens return_token_ids allowed_token_ids "
        "return_tokens_as_token_ids truncate_prompt_tokens cache_salt request_id include_reasoning "
        "separate_reasoning stream_reasoning service_tier reasoning",
    ),
    **rows(Money.FREE, "metadata"),
    **rows(Money.FREE, "store prompt_cache_retention prompt_cache_options", keeps=True),
    **rows(
        Money.TEXT,
        "messages tools tool_choice functions function_call response_format documents prediction guided_json "
        "guided_regex guided_choice guided_grammar structured_outputs chat_template_kwargs bad_words grammar "
        "json_schema",
    ),
    **rows(Money.REFERENCE, "chat_template mm_processor_kwargs"),
    **rows(
        Money.CAP,
        "max_tokens max_completion_tokens n best_of max_new_tokens n_predict num_predict max_output_tokens max_length "
        "max_gen_len max_gen_toks max_tokens_to_sample max_decode_tokens max_generated_tokens max_generation_tokens",
    ),
    **rows(Money.FEATURE, "web_search_options web_search search_parameters enable_search speed"),
    **rows(Money.DESTINATION, DESTINATIONS),
    **rows(
        Money.DESTINATION,
        "data_sources dataSources previous_response_id response_id conversation conversation_id thread_id assistant_id "
        "file_id file_ids container container_id vector_store_ids prompt_id cached_content cachedContent",
        shares=True,
    ),
    **rows(
        Money.REFUSED,
        "extra_body options parameters generation_config generationConfig sampling_params model_kwargs kwargs "
        "additionalModelRequestFields inferenceConfig",
    ),
    **rows(Money.REFUSED, MORE_OUTPUT),
}
"""A message's own members."""
MESSAGE: Final[Table] = {
    **rows(
        Money.TEXT,
        "role content name tool_calls tool_call_id function_call refusal reasoning reasoning_content prefix "
        "reasoning_details annotations",
    ),
    **rows(Money.FREE, "cache_control prompt_cache_breakpoint"),
    **rows(Money.REFERENCE, "audio", shares=True),
}
# Members that templates and providers print into the prompt, as JSON in their own format.
PRINTED: Final = frozenset(
    {
        *("tools", "functions", "documents", "chat_template_kwargs"),
        *("response_format", "json_schema", "guided_json", "structured_outputs"),
    }
)
CALLS: Final = ("tool_calls", "function_call")  # of an earlier response
"""The members of a content part. A part may come without its `type`, so what it carries decides, not what it says."""
PART: Final[Table] = {
    **rows(Money.TEXT, "text refusal thinking reasoning signature title"),
    **rows(Money.FREE, "type cache_control prompt_cache_breakpoint detail uuid citations annotations"),
    **rows(Money.MEDIA, "image_url input_audio"),
    **rows(
        Money.REFERENCE, "file video_url audio_url input_video image_embeds input_image input_file document"
    ),
}
# The members of a part that only a model with image, or audio, input accepts.
IMAGES: Final = frozenset({"image_url", "input_image", "image_embeds"})
SOUNDS: Final = frozenset({"input_audio", "audio_url"})
# Members beside a medium that do not make it larger; any other member may.
BESIDE_PICTURE: Final = frozenset({"url", "detail", "format"})
BESIDE_SOUND: Final = frozenset({"data", "format"})
# The members of a client's own tool; any other member may mean a tool that the provider runs.
FUNCTION: Final = frozenset(
    {
        "type",
        "function",
        "custom",
        "name",
        "description",
        "parameters",
        "input_schema",
        "strict",
        "cache_control",
        "defer_loading",
        "input_examples",
    }
)
WEB_SEARCHES: Final = frozenset({"web_search_options", "web_search", "search_parameters", "enable_search"})
PART_TYPES: Final = frozenset({"text", "refusal", "thinking", "reasoning", "image_url", "input_audio"})

# OpenAI's caps; every other CAP is another server's name for them.
STATED_CAPS: Final = ("max_completion_tokens", "max_tokens")
CHOICES: Final = frozenset({"n", "best_of"})
CAPS: Final = frozenset(
    name for name, row in MEMBERS.items() if row.money is Money.CAP and name not in CHOICES
)
_LOOKED_AT: Final = frozenset(
    {"messages", "tools", "functions", "prediction", "tool_choice", "function_call", "chat_template_kwargs"}
)
OUTSIDE: Final = frozenset({"reasoning"})  # known, and may contain a cap: OpenRouter's has `max_tokens`
# Members that need no further check.
PLAIN: Final = frozenset(
    name
    for name, row in MEMBERS.items()
    if (
        row.money is Money.FREE
        and not row.keeps
        and name not in {"service_tier", "modalities", "audio", "reasoning"}
    )
    or (row.money is Money.TEXT and name not in _LOOKED_AT)
)
