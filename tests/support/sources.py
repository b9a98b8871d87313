"""The source files that the architecture tests look at."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MANAGE = str(ROOT / "manage.py")
JOURNAL = ("-m", "tests.support.servers.journal_process")
APPS = ("gateway", "tenants", "catalog", "metering", "budgets", "providers")
SOURCES = sorted(
    path
    for folder in (*APPS, "tests")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)


@cache
def text_of(path: Path) -> str:
    return path.read_text("utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the parsed file. Ask only for files whose text says that it is needed: all trees take 200 MB and 3 s."""
    return ast.parse(text_of(path))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_ours(path: Path) -> bool:
    """Say whether the file is part of the product, not of its tests."""
    return path.relative_to(ROOT).parts[0] in APPS
