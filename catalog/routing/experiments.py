"""A/B: which arm of an alias a tenant or a user belongs to. Pure and stateless: the same subject, the same arm.

An arm is a deployment of the alias. Weighted rendezvous hashing: changing one share moves only subjects of that arm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from catalog.snapshot import Deployment, Experiment

BY = ("tenant", "user")


class BadExperiment(ValueError):
    """Not a valid experiment; the text is for its author."""


def experiment_of(stored: Any) -> Experiment | None:
    """Read `{"by": "tenant", "arms": {"a": 50, "b": 50}}`; None for nothing. Raises BadExperiment."""
    if not stored:
        return None
    if not isinstance(stored, Mapping) or stored.get("by") not in BY:
        raise BadExperiment("'by' of an experiment is tenant or user.")
    arms = stored.get("arms")
    try:
        shares = msgspec.convert(arms, dict[str, int])
    except msgspec.ValidationError as error:
        raise BadExperiment("'arms' of an experiment are whole shares by deployment.") from error
    if len(shares) < 2 or min(shares.values()) < 0 or not sum(shares.values()):  # noqa: PLR2004 - less is no choice
        raise BadExperiment("An experiment has two arms or more, with shares from 0.")
    return Experiment(stored["by"], tuple(shares.items()))


def arm_of(experiment: Experiment, alias: str, subject: str) -> str:
    """Return the arm of a subject."""

    def score(arm: tuple[str, int]) -> float:
        name, share = arm
        digest = blake2b(f"{alias}\n{subject}\n{name}".encode(), digest_size=8).digest()
        point = (int.from_bytes(digest) + 1) / (2**64 + 1)
        return -math.log(point) / share if share else math.inf

    return min(experiment.arms, key=score)[0]


def put_first(arm: str, ordered: Sequence[Deployment]) -> list[Deployment]:
    """Return the order with the arm first: the others remain, for failover."""
    return sorted(ordered, key=lambda deployment: deployment.target.name != arm)
