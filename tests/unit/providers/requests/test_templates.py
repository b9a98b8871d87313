"""K1: what a request gives to a chat template is text, or as large as the context window."""

from __future__ import annotations

import json

import pytest

from gateway.parsing.schemas import peek_chat
from providers.requests.money_classes import Unacceptable


def demand(**members):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return peek_chat(json.dumps(body).encode()).demand


@pytest.mark.parametrize(
    "variables",
    [
        {"chat_template": "{{ messages * 1000 }}"},
        {"Chat-Template": "x", "enable_thinking": False},
        {"padding": "max_length", "max_length": 100_000},
        {"tokenizer_kwargs": {"padding": "max_length"}},
        {"template" * 40: "x"},
    ],
    ids=lambda variables: str(variables)[:40],
)
def test_variables_that_set_the_template_are_bounded_by_the_window(variables):
    """M6: vLLM and others hand them on to the function that renders the template, and the last word is theirs."""
    assert demand(chat_template_kwargs=variables).needs_window


@pytest.mark.parametrize(
    "variables",
    [
        {"enable_thinking": False},
        {"thinking_budget": 9},
        {"documents": [{"length": 3}]},
        {"chat_template": None},
        "x",
    ],
)
def test_other_variables_of_a_template_are_text(variables):
    found = demand(chat_template_kwargs=variables)
    assert (found.needs_window, found.against_cap) == (False, ())


def test_variables_are_not_hidden_by_how_they_are_written():
    body = '{"model":"m","messages":[{"role":"user","content":"hi"}],"chat_template_kwargs":{%s}}'
    assert peek_chat((body % r'"chat\u005ftemplate":"x"').encode()).demand.needs_window
    with pytest.raises(Unacceptable):
        peek_chat((body % '"chat_template":"x","chat_template":null').encode())
