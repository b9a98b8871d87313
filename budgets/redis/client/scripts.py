"""The Lua scripts of admission, each with the prelude in front. Read once, when a process opens its admission."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

PREFIX = "omg"  # of every key: another one is another gateway on the same Redis
_FOLDER = Path(__file__).parents[1] / "lua"
_PRELUDE = "prelude"


class Script(msgspec.Struct, frozen=True):
    text: str
    sha: str


def read_scripts() -> dict[str, Script]:
    """Return all of them by name."""
    prelude = (_FOLDER / f"{_PRELUDE}.lua").read_text("utf-8")
    scripts = {}
    for path in sorted(_FOLDER.glob("*.lua")):
        if path.stem != _PRELUDE:
            text = f"{prelude}\n{path.read_text('utf-8')}"
            sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            scripts[path.stem] = Script(text, sha)
    return scripts
