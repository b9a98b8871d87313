"""What a thinking block carries comes back to the deployment that made it, whoever made the thinking."""

from __future__ import annotations

import pytest

from providers.conversation.content import Thinking
from providers.conversation.messages import signatures
from providers.isolation.ownership import Ownership

OURS, OTHER = Ownership(b"one tenant"), Ownership(b"another")


@pytest.mark.parametrize(
    ("signature", "place"), [("EqoB", ""), ("EqoB", "call_1"), ("EqoB", "text"), ("", ""), ("gw:x", "")]
)
@pytest.mark.parametrize("ownership", [OURS, None])
def test_a_signature_returns_what_it_carried(signature, place, ownership):
    written = signatures.written(signature, place, 7, ownership)
    found = signatures.read("Hm", written, ownership)
    assert written
    assert found == Thinking(text="Hm", signature=signature, owner=7 if ownership else 0, place=place)


@pytest.mark.parametrize("change", [lambda text: text[:-1] + "!", lambda text: "gw:!!" + text[5:]])
def test_our_own_signature_that_changed_is_nothing(change):
    assert signatures.read("Hm", change(signatures.written("", "", 7, OURS)), OURS) is None


def test_our_own_signature_of_another_tenant_is_nothing():
    assert signatures.read("Hm", signatures.written("EqoB", "call_1", 7, OURS), OTHER) is None


@pytest.mark.parametrize("given", ["gw:", "gw:AAAA", "gw:bnVsbA==", "gw:~"])
def test_one_that_is_made_up_is_nothing(given):
    assert signatures.read("Hm", given, OURS) is None


def test_a_vendors_signature_without_a_mark_is_passed_on():
    assert signatures.read("", "EqoB", OURS) == Thinking(signature="EqoB")


def test_redacted_thinking_returns():
    data = signatures.written_data("DATA", 9, OURS)
    assert signatures.read_data(data, OURS) == Thinking(redacted="DATA", owner=9)
