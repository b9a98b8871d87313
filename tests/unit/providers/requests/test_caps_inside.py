"""K1: caps inside of unknown members are found too: servers have their own names for them there."""

from __future__ import annotations

import json

import pytest

from budgets.admission.unbounded_requests import AgainstCap, check_cap
from gateway.parsing.schemas import peek_chat
from providers.requests.money_classes import Unacceptable

HI = '"model":"m","messages":[{"role":"user","content":"hi"}]'


def demand(**members):
    return peek_chat(f"{{{HI},{json.dumps(members)[1:]}".encode()).demand


@pytest.mark.parametrize(
    "members",
    [
        {"nvext": {"max_thinking_tokens": 50_000}},
        {"vllm_xargs": {"min_tokens": 50_000}},
        {"reasoning": {"max_tokens": 50_000}},
        {"config": {"maxOutputTokens": 50_000}},
        {"ext": {"a": [{"b": {"Max-New-Tokens": "9"}}]}},
        {"ext": [{"ignore_eos": True}]},
        {"ext": {"n": 64}},
        {"ext": {"best_of": 64}},
        {"ext": {"num_beams": 4}},
        {"ext": {"thinking": {"type": "enabled"}}},
        {"ext": {"outputLimit": 1}},
        {"ext": {"tokens": 1, "numberOfTokens": 9}},
    ],
    ids=str,
)
def test_a_possible_cap_inside_an_unknown_member_counts_against_the_cap(members):
    with pytest.raises(AgainstCap) as refused:
        check_cap(demand(max_tokens=5, **members))
    [name] = members
    assert refused.value.param.startswith(f"{name}.")


@pytest.mark.parametrize(
    "written",
    [r'"ext":{"max\u005ftokens":9}', '"ext":{"max_to\u212aens":9}', '"ext":{"x":":","max_tokens":9}'],
)
def test_a_cap_inside_is_found_in_every_spelling(written):
    with pytest.raises(AgainstCap):
        check_cap(peek_chat(f"{{{HI},{written}}}".encode()).demand)


def test_what_is_there_twice_or_too_long_to_be_searched_is_refused():
    with pytest.raises(Unacceptable):
        peek_chat(f'{{{HI},"ext":{{"max_tokens":9,"max_tokens":null}}}}'.encode())
    assert demand(ext={"a": ["max"] * 20_000}).against_cap == ("ext",)


@pytest.mark.parametrize(
    "members",
    [
        {"reasoning": {"effort": "high"}},
        {"ext": {"max_tokens": None}},
        {"ext": "max_tokens: 9"},
        {"ext": {"said": "max_tokens"}},
        {"ext": {"seed": 1, "mode": ["minimal"]}},
        {"metadata": {"max_tokens": "9"}},
    ],
    ids=str,
)
def test_other_members_are_no_caps(members):
    assert demand(**members).against_cap == ()
