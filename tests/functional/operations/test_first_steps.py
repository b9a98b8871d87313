"""A gateway without a model is not "Ready": it lists what is missing, as commands that work as printed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest
import yaml
from openai import OpenAI

from tests.support.servers.processes import START_S, ServerProcess, clean_environment
from tests.support.servers.upstream import NO_AUTHORITIES
from tests.support.sources import MANAGE
from tests.support.stores import templates
from tests.support.waiting import wait_until

PERSON = {"DJANGO_SUPERUSER_EMAIL": "root@example.com", "DJANGO_SUPERUSER_PASSWORD": "correct horse battery"}
ROW = {"alias": "a", "provider": "openai-compatible", "provider_model": "x", "free": True}
HERE = {"endpoint": "http://127.0.0.1:1/v1"}
BROKEN: dict[str, dict[str, Any]] = {
    "a-row-without-a-key": {"alias": "a", "provider": "openai", "provider_model": "gpt-4o"},
    "a-model-without-a-price": {**ROW, **HERE, "free": False},
    "a-model-without-an-endpoint": ROW,
    "an-endpoint-that-is-none": {**ROW, "endpoint": "api.example.com"},
    "a-type-without-an-endpoint": {**ROW, **HERE, "model_type": "image"},
}
WORKS = {"alias": "a", "provider": "simulator", "provider_model": "a", "free": True}


class Place:
    """A directory in which an operator starts a gateway of their own."""

    def __init__(self, home):
        self.home = home
        self.server: ServerProcess | None = None
        templates.lay_out(home / "data")
        self.env = clean_environment(
            ROUTER_DATA_DIR=str(home / "data"), ROUTER_METERING_ALLOW_VOLATILE="true", **PERSON
        )

    def serve(self, *rows):
        (self.home / "router.yaml").write_text(yaml.safe_dump({"model_catalog": [*rows]}))
        arguments = (MANAGE, "serve", "--bind", "127.0.0.1:0")
        self.server = ServerProcess(*arguments, env=self.env, cwd=self.home)
        return self.server.stderr.first(lambda line: line.partition("listening on ")[2] or None, START_S)

    def stop(self):
        server, self.server = self.server, None
        if server is not None:
            assert server.end(signal.SIGTERM) == 0

    @property
    def next_steps(self):
        """Return what is to be typed, by what is missing."""
        assert self.server is not None
        lines = [line for line in self.server.stderr.all() if line.startswith("next: ")]
        return dict(line.removeprefix("next: ").split(": ", 1) for line in lines)

    def type(self, command):
        done = subprocess.run(
            shlex.split(command), cwd=self.home, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.stop()


def get(url, path):
    return httpx.get(f"{url}{path}", trust_env=False, verify=NO_AUTHORITIES)


def test_printed_steps_lead_from_nothing_to_the_first_call(place):
    url = place.serve()
    ready, front = get(url, "/readyz"), get(url, "/").text
    assert (ready.status_code, ready.json()["status"], ready.json()["checks"]["models"]) == (
        200,
        "no_model",
        0,
    )
    assert ready.json()["reasons"] == ["no call can be answered: it has no model yet"]
    assert "No model can be called yet" in front
    assert "Ready" not in front
    assert "manage.py create_tenant" in front
    assert '"model": "YOUR-MODEL"' in front
    steps = wait_until(lambda: place.next_steps, lambda found: len(found) == 4)
    assert "/admin/ui/" in steps["there is no model yet"]
    place.type(steps["no account can sign in yet"] + " --noinput")
    place.type(steps["there is no tenant yet"])
    [token] = place.type(steps["there is no key yet"])
    place.stop()

    url = place.serve(WORKS)
    assert place.next_steps == {}
    client = OpenAI(api_key=token, base_url=f"{url}/v1", max_retries=0)
    assert client.chat.completions.create(model="a", messages=[{"role": "user", "content": "hi"}]).choices
    assert "Ready: 1 model can be called" in get(url, "/").text
    assert get(url, "/readyz").json()["status"] == "ready"


def test_models_that_cannot_answer_make_nothing_ready(place):
    """Each row is of a kind of its own; one of them that counted as a model would make it ready."""
    url = place.serve(*({**row, "alias": alias} for alias, row in BROKEN.items()))
    ready, front = get(url, "/readyz").json(), get(url, "/").text
    assert (ready["status"], ready["checks"]["models"]) == ("no_model", 0)
    assert ready["reasons"] == ["no call can be answered: none of its models can answer"]
    assert {problem["alias"] for problem in ready["problems"]} == BROKEN.keys()
    assert "No model can be called yet" in front
    assert f"{len(BROKEN)} parts of the catalog have a problem" in front
    assert "manage.py check" in front


def test_printed_steps_fit_the_current_directory(place):
    place.serve()
    [step] = [text for text in place.next_steps.values() if "createsuperuser" in text]
    python, manage, _ = step.split()
    assert all(os.access(place.home / each, os.R_OK) for each in (python, manage))


def test_creating_an_administrator_without_tables_says_to_migrate(tmp_path):
    done = subprocess.run(
        [sys.executable, MANAGE, "createsuperuser", "--noinput"],
        cwd=tmp_path,
        env=clean_environment(ROUTER_DATA_DIR=str(tmp_path / "data"), **PERSON),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("Hint: manage.py migrate, or start the gateway once.")
    assert "Traceback" not in done.stderr
