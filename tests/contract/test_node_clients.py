"""Clients of Node against the configuration of `make run`: Anthropic's, OpenAI's Responses, the Vercel AI SDK."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
import yaml

from tests.support.servers.gateway import Gateway
from tests.support.servers.processes import clean_environment
from tests.support.sources import ROOT

KEY = "sk-demo.my-secret"
PROGRAMS = ROOT / "tests/support/clients/programs"
NODE = shutil.which("node")
LIMIT_S = 110
ALIASES = ("demo-chat", "demo-claude", "demo-bedrock", "demo-gemini", "demo-responses")

pytestmark = pytest.mark.skipif(
    NODE is None or not (PROGRAMS / "node_modules/ai").exists(),
    reason="`make setup-dev` installs them where npm is at hand",
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    config = yaml.safe_load((ROOT / "deploy/demo.yaml").read_text())
    env = {"ROUTER_METERING_ALLOW_VOLATILE": "true"}  # the tests' folder may be on a RAM disk
    with Gateway(config, tmp_path_factory.mktemp("demo") / "data", env) as server:
        yield server


def run(program, *arguments):
    assert NODE is not None
    command = (NODE, str(PROGRAMS / program), *arguments)
    env = clean_environment(NO_PROXY="*")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("alias", ALIASES)
def test_anthropics_client(demo, alias):
    told = run("anthropic.mjs", demo.url, KEY, alias)
    assert told["text"] == told["streamed"] != ""
    assert told["pieces"] > 1
    for name in ("input_tokens", "output_tokens"):
        assert told["usage"][name] == told["streamed_usage"][name] > 0
    assert told["request_id"].startswith("req_")
    assert (told["inputs"], told["stop"]) == ([["city"], ["city"]], "end_turn")
    assert told["counted"] > 0
    assert set(ALIASES) <= set(told["models"])
    assert told["unknown"] == ["NotFoundError", 404, "not_found_error"]


@pytest.mark.parametrize("alias", ALIASES)
def test_openais_responses(demo, alias):
    told = run("responses.mjs", demo.base_url, KEY, alias)
    assert told["text"] == told["streamed"] == told["pieces"] != ""
    assert told["usage"] > 0
    assert told["numbers"] == list(range(len(told["numbers"])))
    assert told["arguments"] == [["city"], ["city"]]
    assert told["last"]
    assert told["unknown"] == ["NotFoundError", 404, "model_not_found"]


@pytest.mark.parametrize("alias", ALIASES)
def test_the_vercel_ai_sdk(demo, alias):
    told = run("ai.mjs", demo.base_url, KEY, alias)
    assert set(told) == {"responses", "chat", "messages"}
    for found in told.values():
        assert found["text"] == found["streamed"] != ""
        assert found["tokens"][0] == found["tokens"][1] > 0
        assert found["reason"] == "stop"
        assert found["steps"] == [3, 3]
        assert all(found["last"])
        assert found["cities"] == ["string"] * 4
