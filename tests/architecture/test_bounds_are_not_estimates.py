"""K3: what is surely enough and what is about right are two types, and mypy refuses one for the other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sources import ROOT

HEAD = "from providers.amounts import Bound, Estimate\n\ndef hold(bound: Bound) -> None: ...\n\n"


def mypy(tmp_path, statement):
    path = tmp_path / "mixed.py"
    path.write_text(HEAD + statement + "\n")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={tmp_path}",
        str(path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "hold(Estimate(5))",
        "hold(5)",
        "hold(Bound(5) + Estimate(5))",
        "hold(Bound(5).lower(Estimate(4)))",
        "hold(Bound(5) + 5)",
    ],
)
def test_an_estimate_is_refused_where_a_bound_is_wanted(tmp_path, statement):
    code, said = mypy(tmp_path, statement)
    assert code == 1
    assert "error: " in said


def test_bounds_add_up(tmp_path):
    assert mypy(tmp_path, "hold((Bound(5) + Bound(1)).lower(None))")[0] == 0
