"""The table of embeddings. Sources: the OpenAI API reference ("Create embeddings"), vLLM, Cohere, Voyage and Jina."""

from __future__ import annotations

from typing import Final

from providers.requests.classes import Money, Table, rows

MEMBERS: Final[Table] = {
    **rows(
        Money.FREE,
        "model encoding_format dimensions user safety_identifier input_type truncate truncation normalized "
        "normalize output_dimension output_dtype embedding_types task task_type late_chunking "
        "truncate_prompt_tokens add_special_tokens request_id cache_salt",
    ),
    **rows(Money.FREE, "metadata"),
    **rows(Money.FREE, "store", keeps=True),
    **rows(Money.TEXT, "input title"),
    **rows(Money.REFERENCE, "messages images image chat_template mm_processor_kwargs"),
    **rows(
        Money.DESTINATION,
        "models route provider providers plugins api_base base_url api_key api_version api_type "
        "custom_llm_provider deployment deployment_id engine fallbacks model_list extra_headers extra_query headers "
        "azure_endpoint organization project endpoint callback_url webhook background",
    ),
    **rows(Money.REFUSED, "extra_body options parameters model_kwargs kwargs"),
}
PLAIN: Final = frozenset(
    name for name, row in MEMBERS.items() if row.money in {Money.FREE, Money.TEXT} and not row.keeps
)
