"""Counting tokens offline: exact where possible, bounded in time, also for unusual text."""

from __future__ import annotations

import re
from itertools import islice, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.tokens import count as tokens
from providers.tokens.count import MAX_EXACT_CHARS, PER_IMAGE, count, count_messages, warm


@pytest.fixture(scope="module", autouse=True)
def _vocabulary():
    warm()


@pytest.mark.parametrize(
    ("text", "model", "expected"),
    [
        ("", "gpt-4o", 0),
        ("hello world", "gpt-4o", 2),
        ("hello world", "gpt-4-0613", 2),
        ("tiktoken is great!", "gpt-4", 6),  # OpenAI's cookbook
        ("antidisestablishmentarianism", "gpt-3.5-turbo", 6),  # OpenAI's cookbook
        ("antidisestablishmentarianism", "gpt-4o", 6),
        ("お誕生日おめでとう", "text-embedding-3-small", 9),  # OpenAI's cookbook
        ("お誕生日おめでとう", "gpt-4o", 8),  # OpenAI's cookbook
    ],
)
def test_counter_counts_as_openai_does(text: str, model: str, expected: int):
    assert count(text, model) == expected


def test_special_tokens_are_only_text():
    assert count("<|endoftext|>", "gpt-4o") > 1


@settings(max_examples=50)
@given(st.text(st.characters(codec=None), max_size=300))
def test_no_text_is_odd_enough_to_raise_and_bytes_bound_the_count(text: str):
    assert count(text, "gpt-4o") <= len(text.encode("utf-8", "surrogatepass"))


def test_lone_surrogates_are_counted():
    assert count("\ud800\udfff\ud800") > 0


def test_other_families_are_estimated_on_the_high_side():
    text = "The quick brown fox jumps over the lazy dog. " * 20

    assert (
        count(text, "gpt-4o")
        < count(text, "anthropic.claude-3-5-sonnet-20241022-v2:0")
        < 2 * count(text, "gpt-4o")
    )


@pytest.mark.parametrize("unit", ["x", " \t", "/\n", "\x1c!", "漢", "😀", "hello "])
def test_a_huge_text_takes_a_bounded_part_of_it_in_bounded_pieces(unit: str, monkeypatch: pytest.MonkeyPatch):
    taken: list[str] = []
    encoding = tokens._encoding("o200k_base")  # noqa: SLF001 - the merge of an unbroken run is what costs

    class Counting:
        _cache = encoding._cache  # noqa: SLF001

        @staticmethod
        def encode_ordinary(text: str) -> list[int]:
            taken.append(text)
            found: list[int] = encoding.encode_ordinary(text)
            return found

    monkeypatch.setattr(tokens, "_encoding", lambda _: Counting)
    text = unit * (1_000_000 // len(unit))
    assert 0 < count(text, "gpt-4o") <= len(text.encode())
    assert sum(map(len, taken)) <= 3 * tokens.SAMPLE_CHARS
    runs = [run for piece in taken for run in re.findall(r"[^ ]+|\s+", piece)]
    assert max(map(len, runs)) <= tokens.RUN_CHARS


def test_a_sampled_count_is_close_to_the_exact_one():
    paragraph = "Sampling takes the beginning, the middle and the end of a long text and trusts the rest. "
    pieces = MAX_EXACT_CHARS // len(paragraph)
    exact = count(paragraph * pieces, "gpt-4o")

    assert exact * 10 <= count(paragraph * pieces * 10, "gpt-4o") <= exact * 10 * 1.1


def test_messages_have_the_overhead_that_openai_documents():
    # The example of OpenAI's cookbook: 129 prompt tokens with gpt-3.5-turbo and gpt-4, 124 with gpt-4o.
    messages = (
        b'[{"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon'
        b' into plain English."},{"role":"system","name":"example_user","content":"New synergies will help drive'
        b' top-line growth."},{"role":"system","name":"example_assistant","content":"Things working well together will'
        b' increase revenue."},{"role":"system","name":"example_user","content":"Let\'s circle back when we have more'
        b' bandwidth to touch base on opportunities for increased leverage."},{"role":"system","name":'
        b'"example_assistant","content":"Let\'s talk later when we\'re less busy about how to do better."},{"role":'
        b'"user","content":"This late pivot means we don\'t have time to boil the ocean for the client deliverable."}]'
    )

    assert count_messages(messages, "gpt-4-0613") == 129
    assert count_messages(messages, "gpt-4o") == 124


def test_pictures_are_not_counted_as_their_base64():
    picture = b'{"type":"image_url","image_url":{"url":"data:image/png;base64,' + b"A" * 10_000 + b'"}}'
    messages = b'[{"role":"user","content":[{"type":"text","text":"hello"},' + picture + b"]}]"

    assert count_messages(messages, "gpt-4o") == PER_IMAGE + 3 + 3 + 1 + 1


def test_sounds_are_not_counted_as_their_base64():
    sound = b'{"type":"input_audio","input_audio":{"format":"mp3","data":"' + b"A" * 13_000 + b'"}}'

    assert count_messages(b'[{"role":"user","content":[' + sound + b"]}]", "gpt-4o") == 101 + 3 + 3 + 1


def test_remembered_words_do_not_grow_without_end():
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ("".join(four) for four in product(letters, repeat=4))
    for _ in range(18):
        count(" ".join(islice(words, 4_000)), "gpt-4o")

    remembered = tokens._encoding("o200k_base")._cache  # noqa: SLF001 - the library's memory, bounded by us
    assert len(remembered) < tokens.MAX_REMEMBERED + 5_000


def test_tools_and_tool_calls_count():
    plain = count_messages(b'[{"role":"user","content":"hi"}]', "gpt-4o")
    called = count_messages(
        b'[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}]'
    )
    offered = count_messages(
        b'[{"role":"user","content":"hi"}]', "gpt-4o", b'[{"type":"function","function":{"name":"f"}}]'
    )

    assert (
        count_messages(b'[{"role":"user","content":["odd",{"type":"file","file":{"file_id":"f"}}]}]') > plain
    )
    assert called > plain
    assert offered > plain + 8


@pytest.mark.parametrize("broken", [b"", b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_a_broken_body_is_counted_as_text(broken: bytes):
    assert count_messages(broken) >= 3
