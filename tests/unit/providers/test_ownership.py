"""What a client sends back returns to the deployment that made it: a mark is of one tenant, deployment and text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.isolation.ownership import MARK, MOST_MARKS, Owned, Ownership, has_mark, latest_owners

ALICE, BOB = Ownership(b"a" * 32), Ownership(b"b" * 32)


@given(st.text(min_size=1), st.integers(1, 2**63))
def test_a_mark_is_read_back(text, owner):
    marked = ALICE.mark(text, owner, "thinking")
    assert ALICE.read(marked, "thinking") == Owned(text, owner)
    assert Ownership(b"a" * 32).read(marked, "thinking").owner == owner  # another worker, or after a restart
    assert list(latest_owners(marked.encode("utf-8", "surrogatepass"))) == [owner]


@given(st.text(), st.integers(1, 2**40))
def test_a_mark_of_another_tenant_purpose_or_text_has_no_owner(text, owner):
    marked = ALICE.mark(text or "x", owner, "thinking")
    assert BOB.read(marked, "thinking").owner == 0
    assert ALICE.read(marked, "response").owner == 0
    assert ALICE.read("y" + marked, "thinking").owner == 0


@given(st.integers(0, 31), st.sampled_from("AZaz09-_"))
def test_a_changed_mark_has_no_owner(place, letter):
    marked = ALICE.mark("signature", 7, "thinking")
    at = marked.index(MARK) + len(MARK) + place
    changed = marked[:at] + letter + marked[at + 1 :]
    expected = 7 if changed == marked else 0
    assert ALICE.read(changed, "thinking").owner == expected


@pytest.mark.parametrize(
    "text", ["", "plain", "a~gw1.", "a~gw1.short", "a~gw1." + "x" * 33, "a~gw1." + "é" * 32]
)
def test_a_text_without_a_mark_is_returned_without_an_owner(text):
    assert ALICE.read(text, "thinking").owner == 0


def test_an_empty_text_is_not_marked():
    assert ALICE.mark("", 7, "thinking") == ""


def test_the_marks_of_a_body_are_found_without_parsing_it_last_first():
    body = f'["{ALICE.mark("s", 3, "thinking")}", "{BOB.mark("t", 9, "thinking")}"]'.encode()
    assert has_mark(body)
    assert list(latest_owners(body)) == [9, 3]
    for nothing in (b"{}", b'"~gw1."', b'"~gw1.\xff\xff', b"~gw1.", b"~gw1.AAAA~gw1.A"):
        assert list(latest_owners(nothing)) == []


def test_only_the_last_marks_of_a_body_are_read():
    body = ALICE.mark("s", 3, "thinking").encode() + ALICE.mark("t", 9, "thinking").encode() * 100_000
    assert list(latest_owners(body)) == [9] * MOST_MARKS
