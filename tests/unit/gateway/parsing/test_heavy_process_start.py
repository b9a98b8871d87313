"""The process that reads large bodies starts quickly: it imports no more than its work needs."""

from __future__ import annotations

import subprocess
import sys

from tests.support.sources import ROOT

TOLD = "import gateway.parsing.heavy_process, sys; print(*sys.modules)"


def test_heavy_process_loads_no_configuration_and_no_framework():
    said = subprocess.run(
        [sys.executable, "-c", TOLD], cwd=ROOT, env={}, capture_output=True, check=True, text=True
    )
    modules = set(said.stdout.split())
    assert "providers.json_scan.outline" in modules
    assert not modules & {"gateway.config", "pydantic", "yaml", "django"}
