"""Callers are assigned to arms by their shares; the same caller always gets the same arm."""

from __future__ import annotations

import pytest

from catalog.routing.experiments import BadExperiment, arm_of, experiment_of
from catalog.snapshot import Experiment

SUBJECTS = [str(number) for number in range(20_000)]


def met(**shares: int) -> list[str]:
    experiment = Experiment("tenant", tuple(shares.items()))
    return [arm_of(experiment, "chat", subject) for subject in SUBJECTS]


def test_shares_are_kept() -> None:
    arms = met(a=70, b=20, c=10, off=0)
    counts = [arms.count(name) / len(SUBJECTS) for name in ("a", "b", "c", "off")]
    assert counts == pytest.approx([0.7, 0.2, 0.1, 0.0], abs=0.012)


def test_the_same_caller_meets_the_same_arm_and_a_larger_share_moves_only_those_it_gains() -> None:
    before, after = met(a=50, b=50), met(a=60, b=40)
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert before == met(a=50, b=50)
    assert set(moved) == {("b", "a")}
    assert len(moved) / len(SUBJECTS) == pytest.approx(0.1, abs=0.012)


def test_two_aliases_split_independently() -> None:
    experiment = Experiment("tenant", (("a", 50), ("b", 50)))
    same = sum(arm_of(experiment, "x", s) == arm_of(experiment, "y", s) for s in SUBJECTS)
    assert same / len(SUBJECTS) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "stored",
    [
        "a",
        {"by": "moon", "arms": {"a": 1, "b": 1}},
        {"by": "user"},
        {"by": "user", "arms": {"a": 1}},
        {"by": "user", "arms": {"a": -1, "b": 2}},
        {"by": "user", "arms": {"a": 0, "b": 0}},
    ],
)
def test_an_invalid_experiment_is_refused(stored: object) -> None:
    with pytest.raises(BadExperiment):
        experiment_of(stored)
    assert experiment_of(None) is None
