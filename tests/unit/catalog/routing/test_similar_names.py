"""Which alias was meant: near names only, whatever the case and the punctuation, and cheaply."""

from __future__ import annotations

import pytest

from catalog.routing import similar_names as subject
from catalog.routing.similar_names import LONGEST, MOST_LOOKED_AT, near

ALIASES = ["demo-chat", "demo-embed", "gpt-4o", "gpt-4o-mini", "claude-3-5-sonnet", "m", "modèle"]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("demo_chat", "demo-chat"),
        ("DEMO-CHAT", "demo-chat"),
        ("dmeo-chat", "demo-chat"),
        ("gpt-4", "gpt-4o"),
        ("gpt4omini", "gpt-4o-mini"),
        ("claude-3.5-sonnet", "claude-3-5-sonnet"),
        ("M", "m"),
        ("modele", "modèle"),
    ],
)
def test_a_near_name_is_found(wrong, meant):
    assert near(wrong, ALIASES) == meant


@pytest.mark.parametrize("wrong", ["nowhere", "", "!!", "x" * (LONGEST + 1), "日本語", "zzz"])
def test_name_that_is_like_no_other_has_no_suggestion(wrong):
    assert near(wrong, ALIASES) == ""


def test_search_compares_a_bounded_number_of_names_and_caches_their_letters(monkeypatch):
    seen: list[str] = []
    subject._remembered.cache_clear()  # noqa: SLF001 - what is counted
    pairs = subject._pairs  # noqa: SLF001 - as above

    def counted(word):
        seen.append(word)
        return pairs(word)

    monkeypatch.setattr(subject, "_pairs", counted)
    names = [f"model-{number}" for number in range(MOST_LOOKED_AT * 2)]
    for _ in range(3):
        near("modle-1", names[: MOST_LOOKED_AT // 2])
    assert len(seen) == 3 + MOST_LOOKED_AT // 2
    seen.clear()
    near("modle-1", names)
    assert len(seen) <= MOST_LOOKED_AT + 1
