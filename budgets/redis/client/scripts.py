"""The Lua scripts of admission, each with prelude.lua prepended. Read once, when a process opens its admission."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

PREFIX = "omg"  # of every key; another gateway on the same Redis has another prefix
_FOLDER = Path(__file__).parents[1] / "lua"
_PRELUDE = "lib/prelude"


class Script(msgspec.Struct, frozen=True):
    text: str
    sha: str


def read_scripts() -> dict[str, Script]:
    """Return all scripts by name."""
    prelude = (_FOLDER / f"{_PRELUDE}.lua").read_text("utf-8")
    scripts = {}
    for path in sorted(_FOLDER.glob("*.lua")):
        text = f"{prelude}\n{path.read_text('utf-8')}"
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        scripts[path.stem] = Script(text, sha)
    return scripts
