"""What holds for the repository: links lead somewhere, migrations are in step, there are no foreign hosts."""

from __future__ import annotations

import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.urls import resolve

from gateway.api import HOT, auth
from tests.support.sources import ROOT

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
REGISTRIES = re.compile(
    r"\b(pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|crates\.io|hub\.docker\.com|cdn\.jsdelivr\.net|unpkg\.com)"
)


def tracked():
    """Return the paths of the repository's files; of a copy without Git, of all files that .gitignore does not name."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    paths = done.stdout.splitlines() if done.returncode == 0 else untracked()
    return [path for path in paths if (ROOT / path).is_file()]


def untracked():
    ignored = (ROOT / ".gitignore").read_text().split()
    anywhere = [".git", *(pattern.strip("/") for pattern in ignored if not pattern.startswith("/"))]
    at_the_top = [*anywhere, *(pattern.strip("/") for pattern in ignored)]
    for directory, below, files in os.walk(ROOT):
        patterns = at_the_top if Path(directory) == ROOT else anywhere
        below[:] = [name for name in below if not any(fnmatch(name, pattern) for pattern in patterns)]
        for name in files:
            if not any(fnmatch(name, pattern) for pattern in patterns):
                yield str((Path(directory) / name).relative_to(ROOT))


def test_without_git_the_same_files_are_looked_at():
    assert {*tracked()} - {*untracked()} == set()


def documents():
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = [target.partition("#")[0] for target in LINK.findall(page.read_text())]
    local = [
        target for target in targets if target and not target.startswith(("http://", "https://", "mailto:"))
    ]
    assert [target for target in local if not (page.parent / target).exists()] == []


def anchors_of(page):
    """Return the anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_into_a_page_lead_to_a_heading(page):
    links = [target.partition("#") for target in LINK.findall(page.read_text()) if "#" in target]
    inside = [
        (page.parent / name if name else page, anchor) for name, _, anchor in links if "://" not in name
    ]
    assert [(str(to), anchor) for to, anchor in inside if anchor not in anchors_of(to)] == []


def test_models_and_migrations_are_in_step():
    loader = MigrationLoader(None)
    found = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps))
    assert found.changes(graph=loader.graph) == {}


def test_no_file_names_the_host_of_a_package_registry():
    guilty = []
    for path in tracked():
        if path.startswith("tests/architecture/"):
            continue
        try:
            text = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
        guilty += [f"{path}: {found}" for found in REGISTRIES.findall(text)]
    assert guilty == []


def test_hot_views_are_the_operations_that_ninja_documents():
    for path, view in HOT.items():
        [operation] = operations_of(resolve(path, "gateway.api.urls").func)
        assert operation.view_func is view
        assert operation.methods == ["POST"]
        assert operation.auth_callbacks == [auth]


def operations_of(function):
    """Return the operations behind a view of ninja, which keeps them in a closure."""
    held = (getattr(cell.cell_contents, "operations", None) for cell in function.__closure__ or ())
    return next(found for found in held if found)
