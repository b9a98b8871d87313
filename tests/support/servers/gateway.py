"""The real servers of the functional tests: the scripted upstream and the gateway, each in its own process."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg
import yaml
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI
from psycopg.types.string import TextLoader

from tests.support.servers.processes import START_S, STOP_S, ServerProcess, clean_environment
from tests.support.servers.upstream import CALL_S, NO_AUTHORITIES
from tests.support.sources import MANAGE
from tests.support.stores import stores, templates

_LISTENING = re.compile(r"listening on (http://\S+)")


class Gateway:
    """The gateway on one data_dir; may be stopped, killed and started again. Listens on another port each time.

    Its database has every table from the beginning (tests/support/stores/templates.py), unless it is to be `empty`.
    `manage`: another program in the place of manage.py.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        data_dir: Path,
        env: Mapping[str, str] | None = None,
        *,
        empty: bool = False,
        manage: Sequence[str] = (MANAGE,),
    ) -> None:
        self._manage = manage
        self.data_dir = data_dir
        self.config_file = data_dir.with_name(f"{data_dir.name}.yaml")
        self._env = clean_environment(
            ROUTER_CONFIG_FILE=str(self.config_file),
            ROUTER_DATA_DIR=str(data_dir),
            ROUTER_ADMIN_SESSION_JWT_SECRET=templates.JWT_SECRET,
            **(env if env and "ROUTER_DB_URL" in env else stores.environment() | dict(env or {})),
        )
        self._is_empty = empty or "ROUTER_DB_URL" in self._env
        self._process: ServerProcess | None = None
        self._ended: ServerProcess | None = None
        self.url = ""
        self.configure(config)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write another configuration, for the next start."""
        self._has_said_workers = "workers" in config.get("server", {})
        self.config_file.write_text(yaml.dump(dict(config), Dumper=yaml.CSafeDumper, sort_keys=False))

    def start(
        self, bind: str = "127.0.0.1:0", *, until: str = "", files: tuple[int, int] | None = None
    ) -> Self:
        """Start, and return once it listens; or, given `until`, once it has said that."""
        assert self._process is None, "it is running"
        env = self._env
        if not self._is_empty and templates.lay_out(self.data_dir):
            env = {**env, **templates.HAS_ITS_TABLES}
        command = ("serve", "--bind", bind, *self._workers())
        self._process = ServerProcess(*self._manage, *command, env=env, cwd=self.data_dir.parent, files=files)
        if until:
            self._process.stderr.first(lambda line: until in line or None, START_S)
            return self
        return self.wait_until_listening()

    def wait_until_listening(self) -> Self:
        assert self._process is not None, "it is not running"
        try:
            self.url = self._process.stderr.first(_address, START_S)
        except AssertionError:
            self.kill()
            raise
        return self

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """Where its configuration, its data and its stores are, for another process on the same ones."""
        return dict(self._env)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.is_running

    def logs(self) -> list[str]:
        """Return what this start, or the last one, has written to standard error so far."""
        process = self._process or self._ended
        return process.stderr.all() if process is not None else []

    def records(self) -> list[dict[str, Any]]:
        """Return the log lines that are JSON objects."""
        return [json.loads(line) for line in self.logs() if line.startswith("{")]

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send(number)

    def stop(self) -> None:
        """Send SIGTERM, and check that it shuts down cleanly."""
        code = self._end(signal.SIGTERM)
        assert code in {0, None}, f"exit code {code}"

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def wait(self, seconds: float = STOP_S) -> int | None:
        """Wait for it to end by itself; return its exit code."""
        return self._end(None, seconds)

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def manage(self, *arguments: str, code: int = 0) -> list[str]:
        """Run a command on the same data_dir, insist on its exit code, and return its lines on stdout."""
        process = ServerProcess(MANAGE, *arguments, env=self._env, cwd=self.data_dir.parent)
        found = process.end(None, 60)
        said, told = process.stdout.all(), process.stderr.all()
        assert found == code, "\n".join([f"exit code {found}", *said, *told])
        return said

    def export_usage(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what the command says; tests that only want rows read them with tests/support/books/ledger.py."""
        return [json.loads(line) for line in self.manage("export_usage", *arguments)]

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Run one statement on its database, beside it, with `?` for each parameter; return the rows, if any."""
        if url := self._env.get("ROUTER_DB_URL"):
            with psycopg.connect(url) as postgres:
                postgres.adapters.register_loader("jsonb", TextLoader)  # as SQLite has it
                done = postgres.execute(statement.replace("?", "%s").encode(), parameters)
                return done.fetchall() if done.description else []
        with closing(sqlite3.connect(self.data_dir / "gateway.sqlite3", timeout=10)) as database, database:
            return database.execute(statement, parameters).fetchall()

    def client(self, key: str | None = None, **arguments: Any) -> httpx.AsyncClient:
        """Return a client that starts at the server's root; with a key it sends the bearer token."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(
            base_url=self.url,
            headers=headers,
            verify=NO_AUTHORITIES,
            **{"timeout": CALL_S, "trust_env": False, **arguments},
        )

    def openai(self, key: str) -> AsyncOpenAI:
        client = DefaultAsyncHttpxClient(verify=NO_AUTHORITIES)
        return AsyncOpenAI(
            api_key=key, base_url=self.base_url, max_retries=0, timeout=CALL_S, http_client=client
        )

    def openai_sync(self, key: str) -> OpenAI:
        client = DefaultHttpxClient(verify=NO_AUTHORITIES)
        return OpenAI(api_key=key, base_url=self.base_url, max_retries=0, timeout=CALL_S, http_client=client)

    def _workers(self) -> Sequence[str]:
        """As many as the run says, unless the test has said it."""
        is_left_open = "ROUTER_DB_URL" in self._env and not self._has_said_workers
        return ("--workers", stores.workers()) if stores.workers() and is_left_open else ()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    def _end(self, number: signal.Signals | None, seconds: float = STOP_S) -> int | None:
        process, self._process = self._process, None
        self._ended = process or self._ended
        return process.end(number, seconds) if process is not None else None


def _address(line: str) -> str | None:
    found = _LISTENING.search(line)
    return found.group(1) if found is not None else None


def merged(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Lay configurations over each other: sections are merged, lists are joined, the later value wins."""
    result: dict[str, Any] = {}
    for part in parts:
        for name, value in part.items():
            before = result.get(name)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                result[name] = merged(before, value)
            elif isinstance(before, Sequence) and isinstance(value, Sequence) and not isinstance(value, str):
                result[name] = [*before, *value]
            else:
                result[name] = value
    return result
