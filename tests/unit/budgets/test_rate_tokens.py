"""No call is refused as impossible by a high estimate of its tokens: a prompt that can be counted is counted."""

from __future__ import annotations

import json

import pytest

from budgets.admission.interface import Grant, Limits, LimitStatus, RateRefused, ScopeRules
from budgets.admission.prompt_counts import ReservationRequest
from budgets.admission.reserve import reserve
from catalog.pricing.prices import PriceSheet
from catalog.routing.resolve import Route
from catalog.snapshot import Deployment, Model
from gateway.parsing.schemas import peek_chat
from providers.target import Secret, Target
from providers.tokens.exact_count import encoding_of, exact_prompt
from tests.support.clients.media import data_url, png

CODE = "def f():\n" + (" " * 60 + "return 1\n") * 500
SCHEMA = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(20)}}
LIMIT = 5_000


class OneMinute:
    """A gate with one limit of tokens, of which nothing is used."""

    async def admit(self, ask):
        if ask.tokens > LIMIT:
            raise RateRefused("key:1", "tokens", LIMIT, LIMIT, 0, possible=False)
        self.tokens = ask.tokens
        return Grant(ask.request_id, 0.0, LimitStatus())


class Exactly:
    """Counts in this process; `says` is what it answers instead."""

    asked = 0

    def __init__(self, *, says=True):
        self.says = says

    async def count(self, _, raw, models):
        self.asked += 1
        return exact_prompt(raw, encoding_of(models) or "") if self.says else None


async def reserved(body, counter):
    target = Target(
        id=1,
        alias="m",
        name="m-1",
        provider="openai",
        upstream_model="gpt-4o",
        base_url="http://u",
        secret=Secret(""),
    )
    model = Model(
        alias="m",
        max_output_tokens=500,
        deployments=(Deployment(target=target, sheet=PriceSheet(input=1, output=1)),),
    )
    raw = json.dumps({"model": "m", **body}, indent=4).encode()
    rules = (ScopeRules("key:1", Limits(tokens_per_minute=LIMIT)),)
    gate = OneMinute()
    wish = ReservationRequest(
        "r", rules, Route(model, model.deployments), peek_chat(raw).demand, raw, 1, counter
    )
    await reserve(gate, wish)
    return gate.tokens


def saying(text, **more):
    return {"messages": [{"role": "user", "content": text}], **more}


@pytest.mark.parametrize(
    "body",
    [
        saying(CODE),
        saying("\t" * 30_000 + "x"),
        saying((" " * 200 + "\n") * 150),
        saying(
            [
                {"type": "text", "text": CODE},
                {"type": "image_url", "image_url": {"url": data_url(png(64, 64))}},
            ]
        ),
        saying(
            "a",
            tools=[
                {"type": "function", "function": {"name": f"f{n}", "parameters": SCHEMA}} for n in range(9)
            ],
        ),
    ],
    ids=["code", "tabs", "lines", "picture", "tools"],
)
async def test_a_prompt_that_is_mostly_white_space_is_granted(body):
    assert len(json.dumps(body, indent=4)) > 4 * LIMIT
    assert await reserved(body, Exactly()) <= LIMIT


@pytest.mark.parametrize(
    ("counter", "counted"), [(Exactly(), True), (Exactly(says=False), False), (None, False)]
)
async def test_what_is_too_long_or_cannot_be_counted_is_refused(counter, counted):
    body = saying("incomprehensibilities " * 4_000) if counted else saying(CODE)
    with pytest.raises(RateRefused) as refusal:
        await reserved(body, counter)
    assert (refusal.value.possible, refusal.value.is_counted) == (False, counted)


async def test_what_fits_is_not_counted():
    counter = Exactly()
    await reserved(saying("hello"), counter)
    assert counter.asked == 0
