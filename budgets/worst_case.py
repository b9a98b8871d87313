"""The most a call can cost: what a budget must be able to pay before the call is made. Pure, integers only.

The first bound takes each UTF-8 byte of the prompt for a token, which no byte-level tokenizer can exceed;
when that does not fit the budget, `counted` gives a tighter one. Output is bounded by a cap that must reach
the upstream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from catalog.prices import PER, PriceSheet, image_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budgets.demand import Demand

# What a provider's chat template adds: the frame of a prompt and of each message, and the text around
# functions (Anthropic documents up to 700 tokens for that, depending on model and tool choice).
FRAME_TOKENS: Final = 16
MESSAGE_TOKENS: Final = 8
TOOLS_TOKENS: Final = 768
# Tokens of one picture at the highest detail, by OpenAI's published formula: 8 tiles of 512 pixels.
# gpt-4o-mini inflates its count (2833 + 8 x 5667); the other families stay below 5,000 (Claude: 4,784).
PICTURE_TOKENS: Final = 5_000
PICTURE_TOKENS_INFLATED: Final = 48_169
INFLATED: Final = "4o-mini"
# Tokens of one produced picture: gpt-image at high quality and 1536x1024 reports 6,240.
PRODUCED_PICTURE_TOKENS: Final = 8_000
# Speech: twenty tokens a second, slowed down four times, at twelve characters a second, rounded up.
SPOKEN_CHARACTER_TOKENS: Final = 8
HEARD_SECOND_TOKENS: Final = 50  # the densest published audio tokenizer uses 32
# Where neither the client nor the catalog nor the price map knows a limit, this cap is sent upstream.
UNKNOWN_OUTPUT_TOKENS: Final = 4_096
# A count with the wrong tokenizer is off by less than this on ordinary text.
COUNT_MARGIN_PERCENT: Final = 10
COUNT_MESSAGE_TOKENS: Final = 16

_WRITES_TEXT: Final = ("chat", "transcription")
_NAMELESS: Final = ("", "auto")


class Bound(msgspec.Struct, frozen=True):
    """The worst case. `output_cap` is per choice and must reach the upstream, or the bound does not hold."""

    input_tokens: int
    output_tokens: int
    nanousd: int
    output_cap: int


def worst_case(
    demand: Demand,
    sheets: Sequence[PriceSheet],
    max_output_tokens: int | None = None,
    context_window: int | None = None,
    models: Sequence[str] = (),
) -> Bound:
    """Return the bound of a call at the dearest of its deployments; `models` are their upstream names."""
    cap = _output_cap(demand, max_output_tokens, context_window)
    reads = _input_tokens(demand, context_window, models)
    writes = _output_tokens(demand, cap)
    exact = max(
        (_before_output(demand, sheet, reads) + writes * _per_output(sheet) for sheet in sheets), default=0
    )
    return Bound(reads, writes, -(-exact // _SCALE), cap)


def counted(
    demand: Demand,
    input_tokens: int,
    sheets: Sequence[PriceSheet],
    max_output_tokens: int | None,
    context_window: int | None,
    models: Sequence[str] = (),
) -> Bound:
    """Return the bound with the prompt as counted, plus a margin for a foreign tokenizer and the template."""
    return worst_case(_with_count(demand, input_tokens), sheets, max_output_tokens, context_window, models)


def affordable_output(
    remaining_nanousd: int,
    demand: Demand,
    input_tokens: int,
    sheets: Sequence[PriceSheet],
    models: Sequence[str] = (),
) -> int:
    """Return the largest output cap per choice whose `counted` bound `remaining_nanousd` can pay; 0: none."""
    demand = _with_count(demand, input_tokens)
    reads = _input_tokens(demand, None, models)
    caps = [] if demand.output_cap is None else [demand.output_cap]
    for sheet in sheets:
        left = remaining_nanousd * _SCALE - _before_output(demand, sheet, reads)
        if left < 0:
            return 0
        per_token = _per_output(sheet) * demand.n
        if per_token:
            caps.append(left // per_token)
    return min(caps, default=UNKNOWN_OUTPUT_TOKENS)


def _with_count(demand: Demand, input_tokens: int) -> Demand:
    bound = -(-input_tokens * (100 + COUNT_MARGIN_PERCENT) // 100) + COUNT_MESSAGE_TOKENS * demand.messages
    if demand.tools:
        bound += TOOLS_TOKENS
    return msgspec.structs.replace(demand, input_tokens=bound)


_SCALE: Final = PER * 1000  # audio is measured in milliseconds, so sums are kept in thousandths


def _output_cap(demand: Demand, max_output_tokens: int | None, context_window: int | None) -> int:
    """Return the smallest limit that anybody set."""
    limits = [limit for limit in (demand.output_cap, max_output_tokens) if limit is not None]
    cap = min(limits) if limits else UNKNOWN_OUTPUT_TOKENS
    return cap if context_window is None else min(cap, context_window)


def _output_tokens(demand: Demand, cap: int) -> int:
    if demand.kind in _WRITES_TEXT:
        return cap * demand.n
    if demand.kind == "images":
        return demand.image_quantity * PRODUCED_PICTURE_TOKENS
    if demand.kind == "speech":
        return demand.characters * SPOKEN_CHARACTER_TOKENS
    return 0


def _input_tokens(demand: Demand, context_window: int | None, models: Sequence[str]) -> int:
    pictures = demand.images_in * _picture_tokens(models)
    sounds = -(-demand.audio_ms * HEARD_SECOND_TOKENS // 1000)
    text = demand.body_bytes + FRAME_TOKENS + MESSAGE_TOKENS * demand.messages
    if demand.tools:
        text += TOOLS_TOKENS
    if demand.input_tokens is not None:
        text = min(text, demand.input_tokens)
    tokens = text + pictures + sounds
    # A window bounds one prompt; a request for embeddings may carry many.
    return min(tokens, context_window) if context_window is not None and demand.kind == "chat" else tokens


def _picture_tokens(models: Sequence[str]) -> int:
    if models and not any(INFLATED in model for model in models):
        return PICTURE_TOKENS
    return PICTURE_TOKENS_INFLATED


def _before_output(demand: Demand, sheet: PriceSheet, reads: int) -> int:
    """Everything that does not depend on the output's length, in thousandths."""
    if sheet.free:
        return 0
    exact = reads * _dearest(sheet.input, sheet.cached_input, sheet.cache_write, sheet.audio_input)
    exact += _dearest(sheet.request)
    if demand.image_quantity:
        exact += demand.image_quantity * _dearest_image(demand, sheet)
    exact += demand.characters * _dearest(sheet.character)
    return exact * 1000 + demand.audio_ms * _dearest(sheet.second)


def _per_output(sheet: PriceSheet) -> int:
    """Return the dearest output rate, in thousandths."""
    return 0 if sheet.free else 1000 * _dearest(sheet.output, sheet.reasoning, sheet.audio_output)


def _dearest(*rates: int | None) -> int:
    return max((rate for rate in rates if rate is not None), default=0)


def _dearest_image(demand: Demand, sheet: PriceSheet) -> int:
    """Return the rate of the picture asked for; where the provider may choose, the dearest on the sheet."""
    if demand.image_size in _NAMELESS or demand.image_quality in _NAMELESS:
        return _dearest(sheet.image, *(listed.rate for listed in sheet.images))
    return image_rate(sheet, demand.image_size, demand.image_quality)
