"""K3: bounds and estimates are two types, and mypy refuses one in place of the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sources import ROOT

HEAD = "from providers.tokens.amounts import Bound, Estimate\n\ndef hold(bound: Bound) -> None: ...\n\n"
REFUSED = [
    "hold(Estimate(5))",
    "hold(5)",
    "hold(Bound(5) + Estimate(5))",
    "hold(Bound(5).lower(Estimate(4)))",
    "hold(Bound(5) + 5)",
]
GOOD = "hold((Bound(5) + Bound(1)).lower(None))"


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the statements that mypy refuses."""
    directory = tmp_path_factory.mktemp("mixed")
    path = Path(directory / "mixed.py")
    path.write_text(HEAD + "\n".join([*REFUSED, GOOD]) + "\n")
    command = ["mypy", "--strict", "--config-file=", f"--cache-dir={directory}", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = path.read_text().splitlines()
    return {lines[int(number) - 1] for number in re.findall(r"mixed\.py:(\d+): error: ", done.stdout)}


@pytest.mark.parametrize("statement", REFUSED)
def test_an_estimate_is_refused_where_a_bound_is_wanted(wrong: set[str], statement: str) -> None:
    assert statement in wrong


def test_bounds_add_up(wrong: set[str]) -> None:
    assert wrong
    assert GOOD not in wrong
