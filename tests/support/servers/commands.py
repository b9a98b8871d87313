"""Runs several commands beside a gateway in one process, because starting one takes longer than most of them run."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.support.servers.gateway import Gateway

_EACH = """
import contextlib, io, json
from django.core.management import ManagementUtility
found = []
for arguments in json.loads({commands!r}):
    code, said = 0, io.StringIO()
    with contextlib.redirect_stdout(said):
        try:
            ManagementUtility(["manage.py", *arguments]).execute()
        except SystemExit as end:
            code = end.code
    found.append([code, said.getvalue().splitlines()])
print(json.dumps(found))
"""


def run_each(gateway: Gateway, *commands: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Run commands one after another, each as the command line would; return their exit codes and lines on stdout."""
    script = _EACH.format(commands=json.dumps(commands))
    [line] = gateway.manage("shell", "--verbosity", "0", "-c", script)
    return [(code or 0, said) for code, said in json.loads(line)]
