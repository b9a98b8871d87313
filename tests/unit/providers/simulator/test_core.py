from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.simulator.bedrock.event_stream import frame
from providers.simulator.core import scenario
from providers.simulator.core.prompt_cache import MINIMUM, PromptCache, Segment
from providers.simulator.core.signatures import is_foreign, opened, seal, sign, verdict
from tests.support.vendors.simulated import frames

PIECES = st.lists(
    st.builds(Segment, st.binary(max_size=3), st.integers(0, 900), st.sampled_from(["", "5m", "1h"])),
    max_size=8,
)


@given(PIECES, PIECES)
def test_what_a_prompt_reads_writes_and_the_rest_are_all_of_its_tokens(first, more):
    cache, prompt = PromptCache(), [*first, *more]
    for pieces in (first, prompt, prompt):
        used = cache.use("a", pieces)
        assert used.total == sum(piece.tokens for piece in pieces)
        assert min(used.uncached, used.read, used.writes) >= 0
    assert used.writes == 0  # the second time all of it was known


@given(PIECES)
def test_a_prompt_reads_nothing_that_another_account_wrote(pieces):
    cache = PromptCache()
    cache.use("a", pieces)
    assert cache.use("b", pieces).read == 0


def test_the_least_recently_used_prefix_is_dropped():
    cache = PromptCache(most=2)
    prompts = [[Segment(bytes([number]), MINIMUM, "5m")] for number in range(3)]
    cache.use("a", prompts[0])
    cache.use("a", prompts[1])
    cache.use("a", prompts[0])
    cache.use("a", prompts[2])
    assert [cache.use("a", prompts[number]).read for number in (0, 2)] == [MINIMUM, MINIMUM]
    assert cache.use("a", prompts[1]).read == 0


def test_reads_are_multiples_of_a_step():
    cache, prompt = PromptCache(), [Segment(b"x", 1300, "5m")]
    cache.use("a", prompt)
    used = cache.use("a", prompt, step=128)
    assert (used.read, used.uncached) == (1280, 20)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, "ok"),
        ({"text": "other"}, "altered"),
        ({"place": 1}, "moved"),
        ({"account": "two"}, "foreign"),
        ({"model": "n"}, "foreign"),
        ({"before": b"other"}, "elsewhere"),
    ],
)
def test_a_signature_is_valid_for_what_was_signed(change, found):
    made: dict[str, Any] = {"account": "one", "model": "m", "text": "thought", "place": 0, "before": b"all"}
    assert verdict(sign(**made), **{**made, **change}) == found


@given(st.text(max_size=20))
def test_any_text_is_no_signature(text):
    assert verdict(text, "one", "m", "thought") == "altered"
    assert opened(text, "one", "m") is None
    assert not is_foreign(text, "one", "m")


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_what_is_sealed_opens_for_its_account_and_model(text):
    sealed = seal("one", "m", text)
    assert opened(sealed, "one", "m") == text
    assert opened(sealed, "two", "m") is None
    assert (is_foreign(sealed, "one", "m"), is_foreign(sealed, "two", "m")) == (False, True)


@given(
    st.lists(
        st.dictionaries(st.text(max_size=3), st.text(st.characters(codec="utf-8"), max_size=50), max_size=3)
    )
)
def test_frames_are_read_back_with_both_checksums(payloads):
    raw = b"".join(frame({":event-type": "chunk"}, orjson.dumps(payload)) for payload in payloads)
    assert frames(raw) == [("chunk", payload) for payload in payloads]


@pytest.mark.parametrize(
    ("prompt", "rest", "given_fields"),
    [
        ("[tools 3] go", "go", {"tools": True, "rounds": 3}),
        (
            "go [parallel tools with text 2]",
            "go",
            {"tools": True, "parallel": True, "with_text": True, "rounds": 2},
        ),
        ("a [error 529] b", "a  b", {"status": 529}),
        ("[Refuse] [error 200] [1]", "[Refuse] [error 200] [1]", {}),
        ("[refuse][cut][slow]", "", {"refuses": True, "is_cut": True, "is_slow": True}),
    ],
)
def test_magic_words_are_read_and_taken_out(prompt, rest, given_fields):
    assert scenario.read(prompt) == (scenario.Scenario(**given_fields), rest)
