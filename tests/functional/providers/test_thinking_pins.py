"""A conversation whose history holds thinking stays on the account that made it, through every client API.

While that account is healthy. When it is not, or the vendor changes, the thinking is left out, and the call is served.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import sample
from tests.support.clients.conversations import CONVERSATIONS
from tests.support.servers.gateway import Gateway
from tests.support.vendors.accounts import ONE, TWO

ANNA = "sk-anna.anna-secret"
MANY = 20
SKIP = b"skip_thought_signature_validator"
MODELS = {"claude": "claude-sonnet-4-5", "gemini": "gemini-3-pro", "gpt": "gpt-5.6"}
PROVIDERS = {"claude": "anthropic", "gemini": "vertex", "gpt": "openai"}
KEYS = {
    "claude": {ONE: "sk-ant-one", TWO: "sk-ant-two"},
    "gemini": {ONE: "AIza-one", TWO: "AIza-two"},
    "gpt": {ONE: "sk-openai-one", TWO: "sk-openai-two"},
}
KEPT = {"claude": b'"type":"thinking"', "gemini": b'"thoughtSignature"', "gpt": b'"encrypted_content"'}
OTHERS = {"claude": "gpt", "gemini": "claude", "gpt": "gemini"}  # where a conversation goes on
pairs = pytest.mark.parametrize("api", CONVERSATIONS)
vendor_models = pytest.mark.parametrize("vendor", MODELS)


def rows(vendors: Any) -> list[dict[str, Any]]:
    """Return an alias of two accounts for each vendor, one whose accounts fail, and one with a fallback."""
    made = []
    for vendor, model in MODELS.items():
        provider = PROVIDERS[vendor]
        url = vendors.urls[provider] + ("/v1beta" if vendor == "gemini" else "/v1")
        more: dict[str, Any] = {"provider": provider, "context_window": 200_000, "max_output_tokens": 8_192}
        for account, key in KEYS[vendor].items():
            for alias in (vendor, *[f"{vendor}-ill-{api}" for api in CONVERSATIONS]):
                name = f"{alias}-{account}"
                made.append(sample.row(alias, model, url, api_key=key, deployment=name, **more))
        for api in CONVERSATIONS:
            falls = {"api_key": KEYS[vendor][ONE], "fallbacks": [OTHERS[vendor]], **more}
            made.append(sample.row(f"{vendor}-falls-{api}", model, url, **falls))
    return made


@pytest.fixture(scope="module")
def gateway(vendors, tmp_path_factory):
    config = {
        **sample.NO_LIMITS,
        "health": {"cooldown": "60s", "eject_outliers": False},  # a busy machine makes an account slow
        "model_catalog": rows(vendors),
        "bootstrap": {"tenants": [{"name": "anna"}], "api_keys": [sample.key("anna", ANNA)]},
    }
    with Gateway(config, tmp_path_factory.mktemp("pins") / "data") as server:
        yield server


@pytest.fixture(autouse=True)
def healthy(vendors):
    vendors.forget_scripts()
    yield
    vendors.forget_scripts()


class Talk:
    """A conversation and where its calls went. `word` is in its first message, so that its calls can be found."""

    def __init__(self, api: str, word: str) -> None:
        self.word, self.conversation = word, CONVERSATIONS[api]()
        self.conversation.say(f"[think] [tools] What is the weather? {word}")

    async def turn(self, client: Any, alias: str) -> None:
        await self.conversation.ask(client, alias)
        self.conversation.say("[think] And tomorrow?")

    def calls(self, seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [call for call in seen if self.word.encode() in call["body"]]


async def turns(gateway: Gateway, alias: str, talks: list[Talk], count: int) -> None:
    async with gateway.client(ANNA) as client:
        for _ in range(count):
            await asyncio.gather(*(talk.turn(client, alias) for talk in talks))


def begun(api: str, vendor: str, why: str) -> list[Talk]:
    return [Talk(api, f"{why}-{vendor}-{api}-{number:02}.") for number in range(MANY)]


def check_bills(vendors: Any, talks: list[Talk], seen: list[dict[str, Any]]) -> None:
    """Nothing of their calls was refused by a vendor for what it says, and no vendor left out anything."""
    calls = {call["number"]: call for talk in talks for call in talk.calls(seen)}
    bills = [bill for bill in vendors.bills() if bill["number"] in calls]
    assert bills
    assert [bill["notes"] for bill in bills if bill["notes"]] == []
    assert {call["status"] for call in calls.values()} <= {200, 500}


def has_thinking(vendor: str, call: dict[str, Any]) -> bool:
    return KEPT[vendor] in call["body"] and SKIP not in call["body"]


@pairs
@vendor_models
async def test_a_conversation_stays_on_the_account_that_thought(gateway, vendors, vendor, api):
    talks = begun(api, vendor, "stays")
    await turns(gateway, vendor, talks, 3)
    seen = vendors.seen(model=MODELS[vendor])
    accounts = set()
    for talk in talks:
        first, *later = talk.calls(seen)
        assert len(later) == 2
        assert [call["account"] for call in later] == [first["account"]] * 2
        assert [has_thinking(vendor, call) for call in (first, *later)] == [False, True, True]
        assert not any(mark in call["body"] for call in later for mark in (b"~gw1.", b'"gw1.', b'"gw:'))
        accounts.add(first["account"])
    assert accounts == {ONE, TWO}
    check_bills(vendors, talks, seen)


@pairs
@vendor_models
async def test_thinking_is_left_out_when_its_account_fails(gateway, vendors, vendor, api):
    talks = begun(api, vendor, "fails")
    alias, model = f"{vendor}-ill-{api}", MODELS[vendor]
    await turns(gateway, alias, talks, 1)
    begun_at = vendors.seen(model=model)
    owned = [talk for talk in talks if talk.calls(begun_at)[0]["account"] == ONE]
    assert owned
    vendors.script(model, {"status": 500}, account=ONE)
    await turns(gateway, alias, talks, 2)
    seen = vendors.seen(model=model)
    for talk in talks:
        last = talk.calls(seen)[-1]
        served = [call for call in talk.calls(seen) if call["status"] == 200]
        assert (last["account"], last["status"], len(served)) == (TWO, 200, 3)
        if talk in owned:
            assert not has_thinking(vendor, served[1])
    check_bills(vendors, talks, seen)


@pairs
@vendor_models
async def test_thinking_is_left_out_at_another_vendor(gateway, vendors, vendor, api):
    """And is sent again when the conversation comes back to the account that made it."""
    talks, other = begun(api, vendor, "leaves"), OTHERS[vendor]
    await turns(gateway, vendor, talks, 1)
    await turns(gateway, other, talks, 1)
    await turns(gateway, vendor, talks, 1)
    seen = vendors.seen()
    for talk in talks:
        first, away, back = talk.calls(seen)
        assert (first["model"], away["model"], back["model"]) == (
            MODELS[vendor],
            MODELS[other],
            MODELS[vendor],
        )
        assert not has_thinking(other, away)
        assert back["account"] == first["account"]
        assert has_thinking(vendor, back)
    check_bills(vendors, talks, seen)


@pairs
@vendor_models
async def test_thinking_is_left_out_at_a_fallback_of_another_vendor(gateway, vendors, vendor, api):
    talks, other = begun(api, vendor, "falls"), OTHERS[vendor]
    alias = f"{vendor}-falls-{api}"  # what fails one test rests in the next
    await turns(gateway, alias, talks, 1)
    vendors.script(MODELS[vendor], {"status": 500}, account=ONE)
    await turns(gateway, alias, talks, 2)
    seen = vendors.seen()
    for talk in talks:
        served = [call for call in talk.calls(seen) if call["status"] == 200]
        assert [call["model"] for call in served] == [MODELS[vendor], MODELS[other], MODELS[other]]
        assert not has_thinking(other, served[1])
        if other != "claude":  # which does not think about calls whose thinking it does not get
            assert served[2]["account"] == served[1]["account"]
    check_bills(vendors, talks, seen)
