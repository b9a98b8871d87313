"""Print the section of a version in CHANGELOG.md: python deploy/release_notes.py VERSION > notes.md

Exit code 2 where the version is not the one of gateway/__init__.py, or has no section.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes_of(changelog: str, version: str) -> str:
    """Return the section `## VERSION` without its title, "" where there is none."""
    found = re.search(
        rf"^## \[?{re.escape(version)}(?![\w.])[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return found.group(1).strip() if found else ""


def main(version: str) -> int:
    source = (ROOT / "gateway" / "__init__.py").read_text("utf-8")
    if f'__version__ = "{version}"' not in source:
        sys.stderr.write(f"gateway/__init__.py has another version than {version}\n")
        return 2
    notes = notes_of((ROOT / "CHANGELOG.md").read_text("utf-8"), version)
    if not notes:
        sys.stderr.write(f"CHANGELOG.md has no section of {version}\n")
        return 2
    sys.stdout.write(notes + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
