"""What a completions body can cost: its prompts, its tries, its cap, and members that are not known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.parsing.schemas import peek_completions
from providers.requests.completion_reading import prompts_in
from providers.requests.money_classes import Unacceptable


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        ("a", 1),
        ("", 1),
        (["a"], 1),
        (["a", "b"], 2),
        ([1, 2, 3], 1),
        ([[1], [2, 3]], 2),
        ([1, "a"], 2),
        ([-1], 1),
    ],
)
def test_prompts_are_counted(prompt: Any, count: int) -> None:
    assert prompts_in(json.dumps(prompt).encode()) == count


def peeked(**body: Any) -> Any:
    return peek_completions(json.dumps({"model": "m", "prompt": "Once", **body}).encode())


def test_every_prompt_and_every_try_writes() -> None:
    parsed = peeked(prompt=["a", "b", "c"], n=2, best_of=4, max_tokens=7, stream=True)
    demand, shape = parsed.demand, parsed.shape
    assert (demand.n, demand.inputs, demand.output_cap) == (12, 3, 7)
    assert (shape.choices, shape.path, shape.stream, shape.cap_names) == (
        6,
        "completions",
        True,
        ("max_tokens",),
    )


def test_without_a_cap_the_apis_own_holds() -> None:
    parsed = peeked()
    assert (parsed.demand.output_cap, parsed.shape.stated_cap, parsed.shape.cap_names) == (16, None, ())
    assert peeked(max_tokens=0).demand.output_cap == 0


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"min_p": 0.1, "echo": True, "logprobs": 3, "suffix": "x"}, ()),
        ({"odd": 1}, ("odd",)),
        ({"messages": []}, ("messages",)),
    ],
)
def test_members_that_are_not_known_are_bounded_by_the_window(
    body: dict[str, Any], where: tuple[str, ...]
) -> None:
    assert peeked(**body).demand.unknown == where


def test_embedded_prompts_are_bounded_by_the_window() -> None:
    assert peeked(prompt_embeds="AAAA").demand.references == ("prompt_embeds",)


def test_what_could_exceed_the_cap_is_named() -> None:
    assert peeked(use_beam_search=True).demand.against_cap == ("use_beam_search",)
    assert peeked(vllm_xargs={"max_tokens": 5}).demand.against_cap == ("vllm_xargs.max_tokens",)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": 5, "n_predict": 6}, "max_tokens"),
        ({"api_base": "x"}, "api_base"),
        ({"Prompt": "x"}, "Prompt"),
    ],
)
def test_ambiguous_bodies_are_refused(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Unacceptable) as refused:
        peeked(**body)
    assert refused.value.param == param


def test_names_are_those_that_are_salted() -> None:
    assert peeked(user="ann").shape.names == ("user",)
