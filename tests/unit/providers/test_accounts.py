"""Deployments share what they made if they have the same credential at the same place, and models of one vendor."""

from __future__ import annotations

import msgspec

from providers.model_facts import ModelFacts
from tests.support.vendors.claude_calls import deployment


def test_models_of_two_vendors_share_nothing() -> None:
    claude = deployment(provider="azure")
    other = msgspec.structs.replace(claude, id=8, upstream_model="another")
    assert other.account() == claude.account()
    assert msgspec.structs.replace(other, api="openai").account() != claude.account()
    assert msgspec.structs.replace(other, facts=ModelFacts(vendor="openai")).account() != claude.account()
