"""What is in use, in all and by each tenant."""

from __future__ import annotations

import pytest

from gateway.values.fair_share import FairShare

ALICE, BOB = 1, 2


def test_counts_are_kept_in_all_and_by_tenant():
    share = FairShare()
    share.acquire(ALICE)
    share.acquire(ALICE, 4)
    share.acquire(BOB, 2)
    assert (share.in_use, share.of(ALICE), share.of(BOB)) == (7, 5, 2)
    share.release(ALICE, 4)
    assert (share.in_use, share.of(ALICE), share.of(BOB)) == (3, 1, 2)


def test_a_tenant_that_gave_everything_back_needs_no_memory():
    share = FairShare()
    share.acquire(ALICE, 3)
    share.release(ALICE, 3)
    assert (share.in_use, share.of(ALICE)) == (0, 0)
    with pytest.raises(KeyError):
        share.release(ALICE)
    assert share.in_use == 0
