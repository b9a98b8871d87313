"""The Lua scripts of admission, each with what it includes. Read once, when a process opens its admission."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from budgets.redis.client.includes import joined

PREFIX = "omg"  # of every key; another gateway on the same Redis has another prefix
LUA = Path(__file__).parents[1] / "lua"


class Script(msgspec.Struct, frozen=True):
    text: str
    sha: str


def read_sources() -> dict[str, str]:
    """Return all Lua files by name: "admit" is a script, "lib/calls/row_of" is included by others."""
    paths = sorted(LUA.rglob("*.lua"))
    return {path.relative_to(LUA).with_suffix("").as_posix(): path.read_text("utf-8") for path in paths}


def read_scripts() -> dict[str, Script]:
    """Return all scripts by name. Raises IncludeError."""
    sources = read_sources()
    scripts = {}
    for name in sources:
        if "/" not in name:
            text = joined(name, sources)
            sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            scripts[name] = Script(text, sha)
    return scripts
