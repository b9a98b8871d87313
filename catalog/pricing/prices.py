"""Usage x price -> integer nano-USD with line items. Pure; rounds up once per call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from catalog.pricing.price_terms import NO_TERMS, Terms, rates_for

if TYPE_CHECKING:
    from providers.usage import Usage

PER: Final = 1_000_000  # rates are nano-USD per this many units

_TEXT: Final = ("input", "output", "request")
APPLICABLE: Final[dict[str, tuple[str, ...]]] = {
    "llm": _TEXT,
    "embedding": _TEXT,
    "moderation": _TEXT,
    "rerank": _TEXT,
    "image": (*_TEXT, "image", "images", "image_output"),
    "audio": (*_TEXT, "audio_input", "audio_output", "second", "character"),
}


class ImageRate(msgspec.Struct, frozen=True, array_like=True):
    rate: int
    size: str = ""
    quality: str = ""


class PriceSheet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The price row in force, frozen into the call. Every rate is an integer: nano-USD per million units.

    A unit is a token, a second of audio, a character, a request or an image. None means "not priced
    separately": cached and cache-write tokens then cost `input`, reasoning costs `output`, tokens of audio
    and of pictures cost their side's text rate.
    """

    id: int = 0
    source: str = "config"  # config | admin | map
    free: bool = False
    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image_input: int | None = None
    image_output: int | None = None
    image: int | None = None
    images: tuple[ImageRate, ...] = ()
    second: int | None = None
    character: int | None = None
    request: int | None = None
    terms: Terms = NO_TERMS  # steps, tiers, places, tools


class ReceiptLine(msgspec.Struct, frozen=True):
    """One priced part of a call. Both amounts are exact decimal strings in nano-USD: no rounding here."""

    kind: str
    quantity: int
    unit_price_nanousd: str
    amount_nanousd: str
    price_id: int = 0
    note: str = ""  # size and quality of images


class Receipt(msgspec.Struct, frozen=True):
    """The lines and their sum, rounded up once to whole nano-USD."""

    lines: tuple[ReceiptLine, ...]
    total_nanousd: int


class LineItem(NamedTuple):
    """A quantity of one kind at one rate; `units` of the quantity make one priced unit (1000 ms a second)."""

    kind: str
    quantity: int
    rate: int
    units: int = 1
    note: str = ""


def cost(usage: Usage, sheet: PriceSheet) -> int:
    """Return what the call costs in nano-USD, rounded up: the total of its receipt, without the lines."""
    if sheet.free:
        return 0
    sheet = _rates_for(sheet, usage)
    per_input, per_output = sheet.input or 0, sheet.output or 0
    exact = usage.input_tokens * per_input + usage.output_tokens * per_output
    if usage.cached_input_tokens:
        exact += usage.cached_input_tokens * _either(sheet.cached_input, per_input)
    if usage.cache_write_tokens:
        exact += usage.cache_write_tokens * _either(sheet.cache_write, per_input)
    if usage.cache_write_1h_tokens:
        exact += usage.cache_write_1h_tokens * _long_write(sheet)
    if usage.reasoning_tokens:
        exact += usage.reasoning_tokens * _either(sheet.reasoning, per_output)
    if usage.audio_input_tokens or usage.image_input_tokens:
        exact += usage.audio_input_tokens * _either(sheet.audio_input, per_input)
        exact += usage.image_input_tokens * _either(sheet.image_input, per_input)
    if usage.audio_output_tokens or usage.image_output_tokens:
        exact += usage.audio_output_tokens * _either(sheet.audio_output, per_output)
        exact += usage.image_output_tokens * _either(sheet.image_output, per_output)
    if sheet.request is not None:
        exact += usage.requests * sheet.request
    if usage.images or usage.audio_ms or usage.characters or usage.tool_calls:
        thousandths = exact * 1000 + sum(
            part.quantity * part.rate * (1000 // part.units) for part in _media(usage, sheet)
        )
        return -(-thousandths // (1000 * PER))
    return -(-exact // PER)


def receipt(usage: Usage, sheet: PriceSheet) -> Receipt:
    """Return the line items of a call; the total equals `cost`, and can always be recomputed from the lines."""
    if sheet.free:
        return Receipt((), 0)
    sheet = _rates_for(sheet, usage)
    parts = [part for part in _tokens(usage, sheet) if part.quantity]
    if usage.images or usage.audio_ms or usage.characters or usage.tool_calls:
        parts += [part for part in _media(usage, sheet) if part.quantity]
    lines = tuple([_line(part, sheet.id) for part in parts])
    thousandths = sum([part.quantity * part.rate * (1000 // part.units) for part in parts])
    return Receipt(lines, -(-thousandths // (1000 * PER)))


def image_rate(sheet: PriceSheet, size: str, quality: str) -> int:
    """Return the rate of one image: the closest listed, else the flat one, else the highest (never 0)."""
    best: ImageRate | None = None
    for listed in sheet.images:
        fits = listed.size in ("", size) and listed.quality in ("", quality)
        if fits and (best is None or _closeness(listed) > _closeness(best)):
            best = listed
    if best is not None:
        return best.rate
    if sheet.image is not None:
        return sheet.image
    return max((listed.rate for listed in sheet.images), default=0)


def missing_price(sheet: PriceSheet, model_type: str) -> str:
    """Return what is missing for pricing a model of this type; "" when nothing is, or when it is declared free."""
    if sheet.free:
        return ""
    names = APPLICABLE.get(model_type, APPLICABLE["llm"])
    if all(getattr(sheet, name) in (None, ()) for name in names):
        return "no price, neither in the catalog nor in the price map"
    if missing := missing_side(sheet, model_type):
        return f"an incomplete price: {missing} is missing, and no side of a call is free by omission"
    return ""


def missing_side(sheet: PriceSheet, model_type: str) -> str:
    """Return the row's key for the side that has no price where the other has one: price_input, price_output or ""."""
    if model_type != "llm" or (sheet.input is None) == (sheet.output is None):
        return ""
    return "price_output" if sheet.output is None else "price_input"


def _tokens(usage: Usage, sheet: PriceSheet) -> list[LineItem]:
    """Return the token items: those of most calls first, the others are checked together."""
    per_input, per_output = sheet.input or 0, sheet.output or 0
    parts = [LineItem("input", usage.input_tokens, per_input)]
    if (
        usage.cached_input_tokens
        or usage.cache_write_tokens
        or usage.cache_write_1h_tokens
        or usage.audio_input_tokens
        or usage.image_input_tokens
    ):
        parts += (
            LineItem("cached_input", usage.cached_input_tokens, _either(sheet.cached_input, per_input)),
            LineItem("cache_write", usage.cache_write_tokens, _either(sheet.cache_write, per_input)),
            LineItem("cache_write_1h", usage.cache_write_1h_tokens, _long_write(sheet)),
            LineItem("audio_input", usage.audio_input_tokens, _either(sheet.audio_input, per_input)),
            LineItem("image_input", usage.image_input_tokens, _either(sheet.image_input, per_input)),
        )
    parts.append(LineItem("output", usage.output_tokens, per_output))
    if usage.reasoning_tokens or usage.audio_output_tokens or usage.image_output_tokens:
        parts += (
            LineItem("reasoning", usage.reasoning_tokens, _either(sheet.reasoning, per_output)),
            LineItem("audio_output", usage.audio_output_tokens, _either(sheet.audio_output, per_output)),
            LineItem("image_output", usage.image_output_tokens, _either(sheet.image_output, per_output)),
        )
    if sheet.request is not None:
        parts.append(LineItem("request", usage.requests, sheet.request))
    return parts


def as_stored(usage: Usage, sheet: PriceSheet) -> Usage:
    """Return a usage as a row stores it: the sheet gives the same bill, however many tools the provider named."""
    if not usage.tool_calls:
        return usage
    return usage.with_few_tools({tool.name for tool in sheet.terms.tool_calls})


def _media(usage: Usage, sheet: PriceSheet) -> list[LineItem]:
    """Images, audio and characters count only where the sheet prices them: some models bill tokens."""
    parts = []
    if sheet.image is not None or sheet.images:
        for image in usage.images:
            note = " ".join(word for word in (image.size, image.quality) if word)
            parts.append(
                LineItem("image", image.quantity, image_rate(sheet, image.size, image.quality), note=note)
            )
    if sheet.second is not None:
        parts.append(LineItem("audio_ms", usage.audio_ms, sheet.second, units=1000))
    if sheet.character is not None:
        parts.append(LineItem("character", usage.characters, sheet.character))
    rates = {tool.name: tool.rate for tool in sheet.terms.tool_calls}
    parts += [
        LineItem("tool_call", tool.quantity, rates[tool.name], note=tool.name)
        for tool in usage.tool_calls
        if tool.name in rates
    ]
    return parts


def _line(part: LineItem, price_id: int) -> ReceiptLine:
    scale = PER * part.units
    return ReceiptLine(
        kind=part.kind,
        quantity=part.quantity,
        unit_price_nanousd=_decimal(part.rate, scale),
        amount_nanousd=_decimal(part.rate * part.quantity, scale),
        price_id=price_id,
        note=part.note,
    )


def _decimal(numerator: int, scale: int) -> str:
    """Format numerator/scale exactly; scale is a power of ten."""
    whole, rest = divmod(numerator, scale)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(scale)) - 1).rstrip('0')}"


def _either(rate: int | None, default: int) -> int:
    return default if rate is None else rate


def _rates_for(sheet: PriceSheet, usage: Usage) -> PriceSheet:
    return sheet if sheet.terms is NO_TERMS else rates_for(sheet, usage)


def _long_write(sheet: PriceSheet) -> int:
    """A write that is kept longer is never cheaper than one that is not."""
    return _either(sheet.cache_write_1h, _either(sheet.cache_write, sheet.input or 0))


def _closeness(listed: ImageRate) -> int:
    return 2 * bool(listed.size) + bool(listed.quality)
