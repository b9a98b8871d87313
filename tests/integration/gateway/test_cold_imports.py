"""Every command can be imported by a new interpreter: gateways of tests are forks that have imported most before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.sources import ROOT

COMMANDS = sorted((ROOT / "gateway/management/commands").glob("[a-z]*.py"))
IMPORT = """
import importlib, sys
import django
django.setup()
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_every_command_is_imported_by_a_new_interpreter(tmp_path: Path) -> None:
    names = [f"gateway.management.commands.{path.stem}" for path in COMMANDS]
    assert "gateway.management.commands.serve" in names
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "gateway.settings", "ROUTER_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *names], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
