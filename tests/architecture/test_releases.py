"""What a release needs: one version, and its notes out of CHANGELOG.md."""

from __future__ import annotations

import subprocess
import sys

import gateway
from deploy.release_notes import notes_of
from tests.support.sources import MANAGE, ROOT

CHANGELOG = """# Changelog

## Unreleased

### Added

- later

## 0.2.0 - 2027-01-01

### Fixed

- a fault

## 0.1.0

- first
"""


def test_the_notes_of_a_version_are_its_section_and_no_other():
    assert notes_of(CHANGELOG, "0.2.0") == "### Fixed\n\n- a fault"
    assert notes_of(CHANGELOG, "0.1.0") == "- first"
    assert notes_of(CHANGELOG, "0.3.0") == notes_of(CHANGELOG, "0.1") == ""


def test_another_version_than_the_programs_is_refused():
    script = str(ROOT / "deploy" / "release_notes.py")
    done = subprocess.run([sys.executable, script, "9.9.9"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "another version" in done.stderr


def test_version_command_prints_the_gateway_version():
    for words in (["version"], ["--version"]):
        said = subprocess.run([sys.executable, MANAGE, *words], capture_output=True, text=True, check=True)
        assert said.stdout == f"open-model-gateway {gateway.__version__}\n"
