"""Commands as they must be typed where the gateway runs: with this Python and this manage.py."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path


def typed(command: str, *arguments: str) -> str:
    """Return a command that works when copied, from the directory of this process."""
    manage = _short(Path(sys.argv[0])) if Path(sys.argv[0]).name == "manage.py" else "manage.py"
    return shlex.join([_short(Path(sys.executable)), manage, command, *arguments])


def _short(path: Path) -> str:
    """Return the path relative to here if it is inside, else the whole one."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would leave the virtual environment
    here = Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
