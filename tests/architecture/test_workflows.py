"""The workflows on GitHub are YAML, call targets that the Makefile has, and run together what CONTRIBUTING.md names."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.support.sources import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
CALLERS = [*WORKFLOWS, ROOT / ".ci/run", *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]
MAKE = re.compile(r"(?:^|&& |run: |`)make(?: -[-\w=]+)*((?: [a-z][a-z-]*)+)", re.MULTILINE)


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def called(text):
    return {target for targets in MAKE.findall(text) for target in targets.split()}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_a_trigger_few_rights_and_a_bound_for_each_job(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow[True]  # "on" is a boolean in YAML 1.1
    assert set(workflow["permissions"]) == {"contents"}
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())
    assert all(("uses" in step) != ("run" in step) for step in steps(workflow))


@pytest.mark.parametrize("path", CALLERS, ids=lambda path: path.name)
def test_every_target_that_is_called_is_in_the_makefile(path):
    found = called(path.read_text())
    assert found
    assert found - TARGETS == set()


def test_the_shards_run_together_what_contributing_names():
    [ci] = [path for path in WORKFLOWS if path.stem == "ci"]
    workflow = yaml.safe_load(ci.read_text())
    shard = workflow["jobs"]["shard"]
    runs = {step["if"]: called(f"run: {step['run']}") for step in shard["steps"] if "run" in step}
    assert list(runs) == [f"matrix.target == '{name}'" for name in shard["strategy"]["matrix"]["target"]]
    named = called((ROOT / "CONTRIBUTING.md").read_text().partition("is what CI runs")[0])
    assert named == {"lint", "types", "installs", "test"}
    assert set().union(*runs.values()) - {"setup-dev"} == named - {"test"} | {
        "test-embedded",
        "test-production",
    }


def test_every_script_that_a_workflow_runs_is_there():
    for path in WORKFLOWS:
        for name in re.findall(r"[\w/]+\.py\b", path.read_text()):
            assert (ROOT / name).is_file(), name


def test_every_path_with_an_owner_is_there():
    rows = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    paths = [row.split()[0] for row in rows if row.startswith("/")]
    assert [path for path in paths if not (ROOT / path.strip("/")).exists()] == []
