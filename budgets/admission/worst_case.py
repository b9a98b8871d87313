"""The worst-case cost of a call, which a budget must be able to pay before the call is made. Pure, integers only.

The first bound counts each UTF-8 byte of the prompt's text as a token, which no byte-level tokenizer can exceed; when
that does not fit the budget, `counted` gives a tighter one. Media are bounded by their size, references by the context
window. Output is bounded by a cap that must reach the upstream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from catalog.pricing.price_terms import NO_TERMS, highest_rates
from catalog.pricing.prices import PER, PriceSheet, image_rate
from providers.media.image_tokens import max_tokens_of_page, max_tokens_of_pictures
from providers.media.images import is_known
from providers.tokens.amounts import Bound, PromptCount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from budgets.admission.demand import Demand
    from providers.media.image_tokens import MediaLimits

# What a provider's chat template adds: the frame of a prompt and of each message, and the text around
# functions (Anthropic documents up to 700 tokens for that, depending on model and tool choice).
FRAME_TOKENS: Final = 16
MESSAGE_TOKENS: Final = 8
TOOLS_TOKENS: Final = 768
# Tokens of one produced picture: gpt-image at high quality and 1536x1024 reports 6,240.
PRODUCED_PICTURE_TOKENS: Final = 8_000
# Speech: twenty tokens a second, slowed down four times, at twelve characters a second, rounded up.
SPOKEN_CHARACTER_TOKENS: Final = 8
INPUT_AUDIO_SECOND_TOKENS: Final = 50  # the densest published audio tokenizer uses 32
# For short sounds: Voxtral processes spans of 30 s, and Gemma 3n treats each sound as one of that length.
SOUND_TOKENS: Final = 400
# Calls of a tool that a provider may make within one call.
MOST_TOOL_CALLS: Final = 10
# Where neither the client nor the catalog nor the price map has a limit, this cap is sent upstream.
UNKNOWN_OUTPUT_TOKENS: Final = 4_096
# What a provider's template may add to an exact count. A provider's own count has the same margin: Anthropic documents
# its count as an estimate, and no provider promises that it bills what it counted.
COUNT_MARGIN_PERCENT: Final = 10
COUNT_MESSAGE_TOKENS: Final = 16

_WRITES_TEXT: Final = ("chat", "transcription")
_NAMELESS: Final = ("", "auto")


class WorstCase(msgspec.Struct, frozen=True):
    """`output_cap` is per choice and must reach the upstream, or the bound is void."""

    input: Bound
    output: Bound
    nanousd: int
    output_cap: int


class _Input(msgspec.Struct, frozen=True):
    """Tokens by what they may be billed as: `any` is text, picture or sound, whichever costs most."""

    text: int = 0
    audio: int = 0
    any: int = 0
    picture: int = 0

    @property
    def total(self) -> int:
        return self.text + self.audio + self.any + self.picture


def worst_case(
    demand: Demand,
    sheets: Sequence[PriceSheet],
    max_output_tokens: int | None = None,
    context_window: int | None = None,
    models: Sequence[MediaLimits] = (),
) -> WorstCase:
    """Return the bound of a call at the most expensive of its deployments; `models` gives the MediaLimits of each.

    What only a window bounds is bounded by its bytes where no window is known: under a budget it is refused then.
    """
    cap = output_cap(demand, max_output_tokens, context_window)
    reads = _input_tokens(demand, context_window, models)
    writes = _output_tokens(demand, cap)
    exact = 0
    for sheet in sheets:
        dear = _highest_input_rate(sheet, demand, reads)
        cost = _before_output(demand, dear, reads)
        if writes:
            cost += writes * _per_output(demand, dear)
        exact = max(exact, cost)
    return WorstCase(Bound(reads.total), Bound(writes), -(-exact // _SCALE), cap)


def counted(
    demand: Demand,
    prompt: PromptCount,
    sheets: Sequence[PriceSheet],
    max_output_tokens: int | None,
    context_window: int | None,
    models: Sequence[MediaLimits] = (),
) -> WorstCase:
    """Return the bound with the prompt as counted, plus a margin: here its text, by a provider its media too."""
    return worst_case(_with_count(demand, prompt), sheets, max_output_tokens, context_window, models)


def affordable_output(
    remaining_nanousd: int,
    demand: Demand,
    prompt: PromptCount | None,
    sheets: Sequence[PriceSheet],
    context_window: int | None = None,
    models: Sequence[MediaLimits] = (),
) -> int:
    """Return the largest output cap per choice whose bound `remaining_nanousd` can pay; 0: none."""
    demand = _with_count(demand, prompt) if prompt is not None else demand
    reads = _input_tokens(demand, context_window, models)
    caps = [] if demand.output_cap is None else [demand.output_cap]
    for sheet in [_highest_input_rate(sheet, demand, reads) for sheet in sheets]:
        rate = _per_output(demand, sheet)
        left = remaining_nanousd * _SCALE - _before_output(demand, sheet, reads)
        left -= demand.predicted_bytes * demand.n * rate
        if left < 0:
            return 0
        if rate:
            caps.append(left // (rate * demand.n))
    return min(caps, default=UNKNOWN_OUTPUT_TOKENS)


def output_cap(demand: Demand, max_output_tokens: int | None, context_window: int | None) -> int:
    """Return the smallest limit of client and catalog. A cap of 0 goes upstream as it is, and servers that read it as
    no cap write until the window is full.
    """
    if demand.output_cap == 0 and context_window is not None:
        return context_window
    limits = [limit for limit in (demand.output_cap, max_output_tokens) if limit is not None]
    cap = min(limits) if limits else UNKNOWN_OUTPUT_TOKENS
    return cap if context_window is None else min(cap, context_window)


def _with_count(demand: Demand, prompt: PromptCount) -> Demand:
    text, whole = _with_margin(prompt.text, demand), _with_margin(prompt.whole, demand)
    return msgspec.structs.replace(demand, counted=text, counted_whole=whole)


def _with_margin(found: Bound | None, demand: Demand) -> Bound | None:
    if found is None:
        return None
    tokens = -(-found.tokens * (100 + COUNT_MARGIN_PERCENT) // 100) + COUNT_MESSAGE_TOKENS * demand.messages
    return Bound(tokens + TOOLS_TOKENS if demand.tools else tokens)


_SCALE: Final = PER * 1000  # audio is measured in milliseconds, so sums are kept in thousandths


def _output_tokens(demand: Demand, cap: int) -> int:
    if demand.kind in _WRITES_TEXT:
        return (cap + demand.predicted_bytes) * demand.n
    if demand.kind == "images":
        return demand.image_quantity * PRODUCED_PICTURE_TOKENS
    if demand.kind == "speech":
        return demand.characters * SPOKEN_CHARACTER_TOKENS
    return 0


def _input_tokens(demand: Demand, context_window: int | None, models: Sequence[MediaLimits]) -> _Input:
    """Return the prompt by its parts, or by the provider's count of it as a whole, which has the media in it.

    Where only some of the deployments counted it, the parts bound the others, so that the larger one holds.
    """
    parts, whole = _by_parts(demand, context_window, models), demand.counted_whole
    if whole is None:
        return parts
    tokens = whole.tokens if context_window is None else min(whole.tokens, context_window)
    if demand.counted is not None:
        tokens = max(tokens, parts.total)
    elif parts.total <= tokens:
        return parts
    if demand.sounds or demand.audio_ms:
        return _Input(any=tokens)
    return _Input(picture=tokens) if demand.pictures or demand.documents else _Input(tokens)


def _by_parts(demand: Demand, context_window: int | None, models: Sequence[MediaLimits]) -> _Input:
    page = max_tokens_of_page(models) if demand.measured else 0
    if (demand.needs_window or page is None) and context_window is not None:
        return _Input(any=context_window * demand.inputs)
    text = demand.body_bytes + demand.growth + FRAME_TOKENS + MESSAGE_TOKENS * demand.messages
    if demand.tools:
        text += TOOLS_TOKENS
    if demand.counted is not None:
        text = min(text, demand.counted.tokens)
    pictures = max_tokens_of_pictures(demand.pictures, models) if demand.pictures else 0
    if demand.measured:
        text += sum([document.text_bytes for document in demand.measured]) - demand.document_bytes
        pictures += sum([document.pages for document in demand.measured]) * (page or 0)
    sounds = -(-demand.audio_ms * INPUT_AUDIO_SECOND_TOKENS // 1000)
    if demand.sounds and not (models and all(is_known(model.model) for model in models)):
        sounds += demand.sounds * SOUND_TOKENS
    # A window bounds one prompt; a request for embeddings, or for completions, may carry many.
    is_one = demand.kind == "chat" and demand.inputs == 1
    if context_window is None or not is_one or text + sounds + pictures <= context_window:
        return _Input(text, sounds, picture=pictures)
    if sounds:
        return _Input(any=context_window)
    return _Input(picture=context_window) if pictures else _Input(context_window)


def _highest_input_rate(sheet: PriceSheet, demand: Demand, reads: _Input) -> PriceSheet:
    """Return the highest rates that the call can reach."""
    return sheet if sheet.terms is NO_TERMS else highest_rates(sheet, reads.total, demand.tier)


def _before_output(demand: Demand, sheet: PriceSheet, reads: _Input) -> int:
    """Everything that does not depend on the output's length, in thousandths."""
    if sheet.free:
        return 0
    per_text = sheet.input or 0
    for rate in (sheet.cached_input, sheet.cache_write, sheet.cache_write_1h):
        if rate is not None and rate > per_text:
            per_text = rate
    exact = reads.text * per_text
    if reads.audio or reads.any or reads.picture:
        per_sound, per_picture = max(per_text, sheet.audio_input or 0), max(per_text, sheet.image_input or 0)
        exact += reads.audio * per_sound + reads.picture * per_picture
        exact += reads.any * max(per_sound, per_picture)
    exact += sheet.request or 0
    if demand.image_quantity:
        exact += demand.image_quantity * _highest_image_rate(demand, sheet)
    if demand.features:
        rates = {tool.name: tool.rate for tool in sheet.terms.tool_calls}
        exact += sum([MOST_TOOL_CALLS * rates.get(feature, 0) for feature in demand.features])
    exact += demand.characters * (sheet.character or 0)
    return exact * 1000 + demand.audio_ms * (sheet.second or 0)


def _per_output(demand: Demand, sheet: PriceSheet) -> int:
    """Return the highest output rate, in thousandths."""
    if sheet.free:
        return 0
    spoken = (
        sheet.audio_output
        if demand.has_audio_output or demand.needs_window or demand.kind == "speech"
        else None
    )
    return 1000 * _highest_rate(sheet.output, sheet.reasoning, sheet.image_output, spoken)


def _highest_rate(*rates: int | None) -> int:
    most = 0
    for rate in rates:
        if rate is not None and rate > most:
            most = rate
    return most


def _highest_image_rate(demand: Demand, sheet: PriceSheet) -> int:
    """Return the rate of the requested picture; where the provider may choose, the highest on the sheet."""
    if demand.image_size in _NAMELESS or demand.image_quality in _NAMELESS:
        return _highest_rate(sheet.image, *(listed.rate for listed in sheet.images))
    return image_rate(sheet, demand.image_size, demand.image_quality)
