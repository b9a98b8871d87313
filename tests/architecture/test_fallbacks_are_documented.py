"""docs/operations.md names each fallback that the program counts, and no other."""

from __future__ import annotations

import ast
import re

from tests.support.sources import ROOT, SOURCES, is_ours, text_of, tree_of

BY_VARIABLE = {
    "gateway/values/signed_messages.py": {"message_unsigned"},
    "gateway/invalidation/health_hints.py": {"message_stale"},
}
PERIODIC = {"gateway/server/background.py"}  # names the work that failed: one row stands for all


def counted():
    """Return every name that is passed to FALLBACKS, and the files that pass a name which is no literal."""
    names, elsewhere = set(), {}
    for path in SOURCES:
        if not is_ours(path) or "FALLBACKS" not in text_of(path):
            continue
        file = str(path.relative_to(ROOT))
        for node in ast.walk(tree_of(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in {"note", "noted"} and ast.unparse(node.func.value) == "FALLBACKS":
                where = node.args[0]
                if isinstance(where, ast.Constant):
                    names.add(where.value)
                else:
                    elsewhere[file] = ast.unparse(where)
    return names, elsewhere


def documented():
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("## Fallbacks")[2].partition("\n## ")[0]
    rows = [
        line.split("|")[1]
        for line in section.splitlines()
        if line.startswith("| `") and "`where`" not in line
    ]
    return {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}


def test_the_table_has_every_fallback_of_the_program_and_no_other():
    names, elsewhere = counted()
    assert elsewhere.keys() == BY_VARIABLE.keys() | PERIODIC
    of_variables = {name for each in BY_VARIABLE.values() for name in each}
    assert documented() - {"renew_leases"} == names | of_variables


def test_the_names_behind_variables_are_those():
    for file, names in BY_VARIABLE.items():
        source = (ROOT / file).read_text() + (ROOT / "gateway/values/signed_messages.py").read_text()
        for name in names:
            assert f'"{name}"' in source
