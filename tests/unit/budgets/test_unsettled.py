"""K2: spent, held and unsettled together are never more than the limit, nor less than what providers bill."""

from __future__ import annotations

import random

import pytest

from budgets.local.admission import LocalAdmission
from tests.unit.budgets.unsettled_story import Story

STEPS = 150


@pytest.mark.parametrize("seed", range(40))
async def test_the_budget_counts_what_providers_bill_and_never_more_than_its_limit(seed: int) -> None:
    story = Story(None, random.Random(seed))  # type: ignore[arg-type]
    story.admission = LocalAdmission(story.load)
    for _ in range(STEPS):
        await story.step()
    await story.finish()
    assert story.refused
