"""A signature behind the id of a call comes back as it was, and never makes an id too long."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.chat.call_ids import MOST, CallId, split, with_signature
from providers.isolation.ownership import Ownership, latest_owners

OWNERSHIP = Ownership(b"a tenant")


@given(st.binary(min_size=1, max_size=1_400))
def test_a_signature_comes_back(given_bytes: bytes) -> None:
    marked = OWNERSHIP.mark(base64.b64encode(given_bytes).decode(), 5, "thinking")
    call_id = with_signature("call_1", marked)
    assert split(call_id) == CallId("call_1", marked)
    assert list(latest_owners(call_id.encode())) == [5]
    assert set(call_id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")


def test_a_long_or_foreign_signature_is_not_put_there() -> None:
    assert with_signature("call_1", "A" * (MOST + 1)) == "call_1"
    assert with_signature("call_1", "not base64!") == "call_1"
    assert split("call_1") == CallId("call_1", "")
