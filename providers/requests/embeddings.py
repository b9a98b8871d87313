"""The table of embeddings. Sources: the OpenAI API reference ("Create embeddings"), vLLM, Cohere, Voyage and Jina."""

from __future__ import annotations

from typing import Final

from providers.requests.money_classes import DESTINATIONS, Money, Table, rows

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
    **rows(Money.DESTINATION, DESTINATIONS),
    **rows(Money.REFUSED, "extra_body options parameters model_kwargs kwargs"),
}
# Beside `input`, and also part of the prompt.
TEXTS: Final = frozenset(name for name, row in MEMBERS.items() if row.money is Money.TEXT and name != "input")
PLAIN: Final = frozenset(
    name for name, row in MEMBERS.items() if row.money in {Money.FREE, Money.TEXT} and not row.keeps
)
