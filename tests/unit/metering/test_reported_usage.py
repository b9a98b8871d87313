"""K2: which reported usage counts, how it enters an estimate, and how much of it is charged."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from catalog.pricing.prices import PriceSheet
from metering.disputed_usage import ChargeLimit, charge, limit_output
from metering.meter import CallOutcome, _known_usage
from metering.usage_estimate import Produced, estimate
from providers.usage import ImageCount, Usage
from tests.support.books.calls import SHEET, opened

RAW = b'{"model":"m","messages":[{"role":"user","content":"hello there"}]}'
VECTORS = b'{"model":"v","input":["hello there"]}'


def ending(usage: Usage | None, **more) -> CallOutcome:
    return CallOutcome(status="ok", http_status=200, sheet=SHEET, usage=usage, **more)


BELIEVED: dict[str, tuple[Usage | None, dict[str, Any]]] = {
    "both sides": (Usage(input_tokens=5, output_tokens=2), {"produced": "a"}),
    "embeddings": (Usage(input_tokens=5), {}),
    "an empty answer": (Usage(input_tokens=5), {}),
    "cached": (Usage(cached_input_tokens=5, output_tokens=1), {"produced": "a"}),
    "pictures": (Usage(images=(ImageCount(1, "", ""),)), {}),
    "a refusal": (None, {"is_billed": False}),
}
NOT_BELIEVED: dict[str, tuple[Usage | None, dict[str, Any]]] = {
    "nothing": (None, {}),
    "zeros for a text": (Usage(), {"produced": "a"}),  # M8
    "zeros for a stream": (Usage(), {"produced_events": 1}),
    "zeros for embeddings": (Usage(), {}),
    "seconds alone": (Usage(audio_ms=10), {}),  # no tokens, which is what has a price here
    "seconds alone for a text": (Usage(audio_ms=10), {"produced": "a"}),
    "no prompt": (Usage(output_tokens=5), {}),
    "no prompt of a text": (Usage(reasoning_tokens=5), {"produced": "a"}),
    "no output of a text": (Usage(input_tokens=5), {"produced": "a"}),
    "before the end": (Usage(input_tokens=5, output_tokens=2), {"is_final_usage": False}),
}


@pytest.mark.parametrize("kind", BELIEVED)
def test_a_usage_that_can_be_true_is_believed(kind):
    usage, more = BELIEVED[kind]
    assert _known_usage(ending(usage, **more)) is not None


@pytest.mark.parametrize("kind", NOT_BELIEVED)
def test_a_usage_that_cannot_be_true_is_counted_and_unsettled(kind):
    usage, more = NOT_BELIEVED[kind]
    assert _known_usage(ending(usage, **more)) is None


@pytest.mark.parametrize(
    ("raw", "produced", "reported", "least"),
    [
        (RAW, " word" * 50, Usage(input_tokens=900, output_tokens=3), (900, 50)),  # said with the third event
        (RAW, "", Usage(input_tokens=900, output_tokens=30), (900, 30)),
        (RAW, " word", Usage(input_tokens=900, reasoning_tokens=30), (900, 30)),
        (RAW, " word" * 50, Usage(output_tokens=3), (2, 3)),
        (RAW, " word" * 50, None, (2, 50)),
        (VECTORS, "", Usage(), (2, 0)),
    ],
)
async def test_what_was_said_stands_and_what_was_seen_beyond_it_is_added(raw, produced, reported, least):
    found = await estimate(opened("a"), raw, Produced(produced, 0, min(len(produced), 1)), reported)
    assert found.estimated
    assert found.total_input_tokens >= least[0]
    assert found.total_output_tokens >= least[1]


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=10, output_tokens=4_000),  # M8
        Usage(input_tokens=10, reasoning_tokens=4_000),
        Usage(input_tokens=10, output_tokens=5, reasoning_tokens=4_000),
        Usage(input_tokens=10, audio_output_tokens=4_000),
        Usage(input_tokens=10, image_output_tokens=4_000),
        Usage(
            input_tokens=10, output_tokens=3, audio_output_tokens=3, image_output_tokens=3, reasoning_tokens=3
        ),
    ],
)
def test_no_kind_of_output_is_charged_beyond_the_cap(usage):
    assert limit_output(usage, 10).total_output_tokens == 10
    sheet = PriceSheet(input=10**6, output=10**6, reasoning=10**6, audio_output=10**6, image_output=10**6)
    charged = charge(usage, sheet, ChargeLimit(output_tokens=10))
    assert charged.bill.total_nanousd == 20
    assert charged.disputed_tokens == usage.total_output_tokens - 10
    assert charged.disputed_nanousd == usage.total_output_tokens - 10
    assert (
        charge(replace(usage, input_tokens=500), sheet, ChargeLimit(10, nanousd=30)).bill.total_nanousd == 30
    )
