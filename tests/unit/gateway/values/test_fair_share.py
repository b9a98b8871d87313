"""What is taken, in all and by each tenant."""

from __future__ import annotations

import pytest

from gateway.values.fair_share import FairShare

ALICE, BOB = 1, 2


def test_counts_are_kept_in_all_and_by_tenant():
    share = FairShare()
    share.take(ALICE)
    share.take(ALICE, 4)
    share.take(BOB, 2)
    assert (share.taken, share.of(ALICE), share.of(BOB)) == (7, 5, 2)
    share.give_back(ALICE, 4)
    assert (share.taken, share.of(ALICE), share.of(BOB)) == (3, 1, 2)


def test_a_tenant_that_gave_everything_back_needs_no_memory():
    share = FairShare()
    share.take(ALICE, 3)
    share.give_back(ALICE, 3)
    assert (share.taken, share.of(ALICE)) == (0, 0)
    with pytest.raises(KeyError):
        share.give_back(ALICE)
    assert share.taken == 0
