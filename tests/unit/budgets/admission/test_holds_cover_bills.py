"""Property: for random bodies of the member table, a provider that keeps to the cap bills at most the hold."""

from __future__ import annotations

import base64
import json
import math
import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.admission.interface import BudgetRule, Grant, Limits, LimitStatus, ScopeRules
from budgets.admission.prompt_counts import ReservationRequest
from budgets.admission.reserve import reserve
from budgets.admission.unbounded_requests import FeatureUnpriced, Unbounded
from catalog.pricing.prices import PriceSheet, cost
from catalog.routing.resolve import Route
from catalog.snapshot import Deployment, Model
from gateway.http.exceptions import BadRequest
from gateway.parsing.schemas import peek_chat
from metering.disputed_usage import ChargeLimit, charge
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.requests import chat
from providers.requests.money_classes import Unacceptable
from providers.target import Secret, Target
from providers.usage import Usage
from tests.support.clients.media import data_url, jpeg, png, wav

WINDOW = 100_000
RULES = (ScopeRules("key:1", Limits(), (BudgetRule(10**15),)),)
rates = st.integers(0, 10**11)
sheets = st.builds(
    PriceSheet,
    input=rates,
    output=rates,
    cached_input=st.none() | rates,
    cache_write=st.none() | rates,
    reasoning=st.none() | rates,
    audio_input=st.none() | rates,
    request=st.none() | rates,
)
sizes = st.tuples(st.integers(1, 4_000), st.integers(1, 4_000))
parts = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=60)),
    sizes.map(lambda size: {"type": "image_url", "image_url": {"url": data_url(png(*size))}}),
    sizes.map(lambda size: {"image_url": data_url(jpeg(*size, padding=50))}),
    st.integers(1, 5).map(
        lambda s: {
            "type": "input_audio",
            "input_audio": {"data": data_url(wav(s, rate=500)).partition(",")[2]},
        }
    ),
    st.just({"type": "video_url", "video_url": {"url": "http://x/y"}}),
    st.just({"type": "image_url", "image_url": {"url": "http://x/y.png"}}),
)
messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "system", "assistant"]),
            "content": st.text(max_size=80) | st.lists(parts, max_size=3),
        }
    ),
    min_size=1,
    max_size=4,
)
values = st.one_of(
    st.integers(-2, 2_000), st.text(max_size=10), st.booleans(), st.none(), st.just({}), st.just([{"a": 1}])
)
members = st.dictionaries(
    st.sampled_from([*sorted(chat.MEMBERS), "nobody_knows", "Max_Tokens", "maxtokens"]), values, max_size=5
)


class Yes:
    async def admit(self, ask):
        return Grant(ask.request_id, 0.0, LimitStatus())


def route_of(sheet, window):
    target = Target(
        id=1,
        alias="m",
        name="m-1",
        provider="openai-compatible",
        upstream_model="gpt-4o",
        base_url="http://u",
        secret=Secret(""),
    )
    model = Model(
        alias="m",
        context_window=window,
        max_output_tokens=500,
        deployments=(Deployment(target=target, sheet=sheet),),
    )
    return Route(model, model.deployments), target


def tiles(given):
    """OpenAI's published formula, for the pictures above."""
    url = given if isinstance(given, str) else given["url"]
    if not url.startswith("data:"):
        return 85 + 170 * 8
    data = base64.b64decode(url.partition(",")[2])
    frame = data.find(b"\xff\xc0") + 5
    is_png = data[:4] == b"\x89PNG"
    width, height = (
        struct.unpack(">II", data[16:24]) if is_png else struct.unpack(">HH", data[frame : frame + 4])
    )
    for most in (2048 / max(width, height), 768 / min(width, height)):
        if most < 1:
            width, height = width * most, height * most
    return 85 + 170 * math.ceil(width / 512) * math.ceil(height / 512)


def prompt_tokens(body, draw):
    """The most that a provider counts: a token a byte of text at most, pictures in tiles, ten tokens a second."""
    text = pictures = sounds = 0
    for message in body["messages"]:
        content = message["content"]
        for part in [{"text": content}] if isinstance(content, str) else content:
            if "video_url" in part:
                return WINDOW
            text += len(str(part.get("text", "")).encode("utf-8", "replace"))
            pictures += tiles(part["image_url"]) if "image_url" in part else 0
            if "input_audio" in part:
                sounds += 50
    others = {name: value for name, value in body.items() if name not in {"model", "messages"}}
    if others.keys() - chat.MEMBERS.keys() or any(
        chat.MEMBERS[n].money == "reference" and v not in (None, {}, 0, False, "") for n, v in others.items()
    ):
        return WINDOW
    text += len(json.dumps(others).encode()) if others else 0
    return min(WINDOW, draw(st.integers(0, text)) + pictures + sounds + 4 * len(body["messages"]) + 3)


@settings(max_examples=100)
@given(st.data(), messages, members, sheets, st.sampled_from([WINDOW, None]))
@pytest.mark.parametrize("style", ["compact", "spaced"])
def test_no_obedient_provider_bills_more_than_is_held(style, data, messages, members, sheet, window):
    body = {"model": "m", "messages": messages} | members | {"model": "m", "messages": messages}
    separators = (",", ":") if style == "compact" else (", ", ": ")
    raw = json.dumps(body, separators=separators).encode("utf-8", "surrogatepass")
    route, target = route_of(sheet, window)
    held = None
    try:
        want = peek_chat(raw)
        held = run(reserve(Yes(), ReservationRequest("r", RULES, route, want.demand, raw)))
    except (BadRequest, Unacceptable, FeatureUnpriced, Unbounded):
        return
    sent = json.loads(OpenAIToOpenAI(capped(want, held)).request(raw, target))
    read = [sent[name] for name in sorted(chat.CAPS) if sent.get(name) is not None]
    assert read == [held.sent_cap]
    choices = max(1, *(value for value in (sent.get("n"), sent.get("best_of")) if type(value) is int), 1)
    reads = prompt_tokens(body, data.draw)
    writes = data.draw(st.integers(0, (held.sent_cap or WINDOW) * choices))  # some servers read 0 as no cap
    hidden = data.draw(st.integers(0, writes))
    cached = data.draw(st.integers(0, reads))
    usage = Usage(
        input_tokens=reads - cached,
        cached_input_tokens=cached,
        output_tokens=writes - hidden,
        reasoning_tokens=hidden,
    )
    assert cost(usage, sheet) <= held.hold_nanousd
    greedy = Usage(input_tokens=reads * 50, output_tokens=writes * 9 + 7, reasoning_tokens=hidden)
    charged = charge(greedy, sheet, ChargeLimit(held.most_output, held.most_nanousd, is_sent=True))
    assert charged.bill.total_nanousd <= held.hold_nanousd
    assert charged.bill.total_nanousd + charged.disputed_nanousd == cost(greedy, sheet)


def capped(want, held):
    return msgspec.structs.replace(want.shape, output_cap=held.sent_cap)


def run(coroutine):
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")
