"""The real Claude Code and Codex do a job of ten turns with each API of the simulator (docs/simulator.md, "A play")."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess

import pytest
import yaml

from tests.support.books.ledger import whole_ledger
from tests.support.servers.gateway import Gateway
from tests.support.servers.processes import clean_environment
from tests.support.sources import ROOT

KEY = "sk-demo.my-secret"
MODULES = ROOT / "tests/support/clients/programs/node_modules"
CLAUDE = MODULES / "@anthropic-ai/claude-code-linux-x64/claude"
CODEX = MODULES / ".bin/codex"
LIMIT_S = 110
TURNS = 10
ALIASES = ("demo-chat", "demo-claude", "demo-bedrock", "demo-gemini", "demo-responses")
# What the API of the alias caches by itself, or by the marks that Claude Code sends. Codex sends none.
CACHED = {
    "claude": {*ALIASES},
    "codex": {"demo-chat", "demo-gemini", "demo-responses"},
}
CONFIG = """
model = "{alias}"
model_provider = "gateway"
web_search = "disabled"

[model_providers.gateway]
name = "gateway"
base_url = "{base_url}"
env_key = "GATEWAY_KEY"
wire_api = "responses"
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    config = yaml.safe_load((ROOT / "deploy/demo.yaml").read_text())
    env = {"ROUTER_METERING_ALLOW_VOLATILE": "true"}  # the tests' folder may be on a RAM disk
    with Gateway(config, tmp_path_factory.mktemp("demo") / "data", env) as server:
        yield server


def run(command, folder, home, **env):
    env = clean_environment(HOME=str(home), PATH=os.environ["PATH"], NO_PROXY="*", **env)
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture
def folders(tmp_path):
    made = tmp_path / "work", tmp_path / "home"
    for each in made:
        each.mkdir()
    return made


def play(*steps):
    return f"Do what is written here. [play: {json.dumps([*steps, {'text': 'All is done.'}])}]"


def calls(tool, *inputs):
    return [{"tool": tool, "input": each} for each in inputs]


def shell(name, *commands):
    return calls("Bash", *[{"command": each, "description": name} for each in commands])


def check_rows(gateway, before, *, is_cached):
    """As many calls were billed as turns were played, without an error, and each reads more of the cache."""
    rows = [row for row in asyncio.run(whole_ledger(gateway)) if row["id"] not in before]
    assert [row["status"] for row in rows] == ["ok"] * TURNS, rows
    assert all(row["input_tokens"] and row["output_tokens"] for row in rows)
    read = [row["cached_input_tokens"] for row in rows]
    if is_cached:
        assert read[1] > 1_024
        assert read[1:] == sorted(read[1:])
        assert read[-1] > read[1]
    else:
        assert read == [0] * TURNS


@pytest.mark.skipif(not CLAUDE.exists(), reason="`make setup-dev` installs it where npm is at hand")
@pytest.mark.parametrize("alias", ALIASES)
def test_claude_code_edits_files(demo, alias, folders):
    before = {row["id"] for row in asyncio.run(whole_ledger(demo))}
    work, home = folders
    plan, code = str(work / "plan.txt"), str(work / "add.py")
    steps = [
        *calls("Write", {"file_path": plan, "content": "one\ntwo\nthree\n"}),
        *calls("Read", {"file_path": plan}),
        *calls(
            "Edit",
            {"file_path": plan, "old_string": "two", "new_string": "zwei"},
            {"file_path": plan, "old_string": "three\n", "new_string": "drei ✓\n"},
        ),
        *calls("Write", {"file_path": code, "content": "def add(a, b):\n    return a - b\n"}),
        *shell("Run", "python3 -c 'import add; print(add.add(1, 2))'"),
        *calls("Edit", {"file_path": code, "old_string": "a - b", "new_string": "a + b"}),
        *shell("Run again", "python3 -c 'import add; print(add.add(1, 2))' > sum.txt"),
        *calls("Read", {"file_path": code}),
    ]
    command = (CLAUDE, "-p", play(*steps), "--model", alias, "--output-format", "json")
    [told] = run(
        [*command, "--dangerously-skip-permissions"],
        work,
        home,
        IS_SANDBOX="1",  # tests may run as root
        ANTHROPIC_BASE_URL=demo.url,
        ANTHROPIC_AUTH_TOKEN=KEY,
        ANTHROPIC_DEFAULT_HAIKU_MODEL=alias,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_TELEMETRY="1",
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert (told["is_error"], told["num_turns"], told["result"]) == (False, TURNS, "All is done.")
    assert (work / "plan.txt").read_text() == "one\nzwei\ndrei ✓\n"
    assert (work / "add.py").read_text() == "def add(a, b):\n    return a + b\n"
    assert (work / "sum.txt").read_text() == "3\n"
    check_rows(demo, before, is_cached=alias in CACHED["claude"])


PATCH = "apply_patch <<'END'\n*** Begin Patch\n{}\n*** End Patch\nEND"


@pytest.mark.skipif(not CODEX.exists(), reason="`make setup-dev` installs it where npm is at hand")
@pytest.mark.parametrize("alias", ALIASES)
def test_codex_edits_files(demo, alias, folders):
    before = {row["id"] for row in asyncio.run(whole_ledger(demo))}
    work, home = folders
    (home / "config.toml").write_text(CONFIG.format(alias=alias, base_url=demo.base_url))
    commands = [
        PATCH.format("*** Add File: plan.txt\n+one\n+two\n+three"),
        "cat plan.txt",
        PATCH.format("*** Update File: plan.txt\n@@\n-two\n+zwei"),
        PATCH.format("*** Update File: plan.txt\n@@\n-three\n+drei ✓"),
        "printf 'def add(a, b):\\n    return a - b\\n' > add.py",
        "python3 -c 'import add; print(add.add(1, 2))'",
        PATCH.format("*** Update File: add.py\n@@\n-    return a - b\n+    return a + b"),
        "python3 -c 'import add; print(add.add(1, 2))' > sum.txt",
        "cat sum.txt",
    ]
    steps = calls("exec_command", *[{"cmd": each} for each in commands])
    told = run(
        [
            CODEX,
            "exec",
            "--json",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            play(*steps),
        ],
        work,
        home,
        CODEX_HOME=str(home),
        GATEWAY_KEY=KEY,
        PYTHONDONTWRITEBYTECODE="1",
    )
    done = [each["item"] for each in told if each["type"] == "item.completed"]
    assert [each["text"] for each in done if each["type"] == "agent_message"] == ["All is done."]
    assert len([each for each in done if each["type"] in {"command_execution", "file_change"}]) == TURNS - 1
    assert (work / "plan.txt").read_text() == "one\nzwei\ndrei ✓\n"
    assert (work / "add.py").read_text() == "def add(a, b):\n    return a + b\n"
    assert (work / "sum.txt").read_text() == "3\n"
    check_rows(demo, before, is_cached=alias in CACHED["codex"])
