"""The scripted provider as tests see it: a process of its own, and its controls."""

from __future__ import annotations

import json
import signal
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.servers.processes import START_S, ServerProcess, clean_environment

CALL_S = 30.0
WAIT_S = 12.0  # a little more than the upstream's own bound of GET /__wait
NO_AUTHORITIES = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # httpx reads all those of the world for each client: 27 ms


class Upstream:
    """The scripted provider (tests/support/provider/server.py)."""

    def __init__(self, truth_file: Path) -> None:
        self.truth_file = truth_file
        self._process = ServerProcess(
            "-m", "tests.support.provider.server", "--truth", str(truth_file), env=clean_environment()
        )
        self.port: int = self._process.stdout.first(lambda line: int(json.loads(line)["port"]), START_S)
        self.url = f"http://127.0.0.1:{self.port}"
        self.base_url = f"{self.url}/v1"
        self._client = httpx.Client(base_url=self.url, timeout=CALL_S, trust_env=False, verify=NO_AUTHORITIES)
        self._scripted: set[str] = set()

    def script(self, model: str, *behaviors: Mapping[str, Any]) -> None:
        """Let the upstream model behave like this, call after call; the last behavior repeats."""
        self._scripted.add(model)
        self._control("POST", "/__script", json={"model": model, "behaviors": behaviors})

    def forget_scripts(self) -> None:
        """Let every model that was scripted behave as before."""
        while self._scripted:
            self._control("POST", "/__script", json={"model": self._scripted.pop(), "behaviors": []})

    def seen(self, *, model: str = "", call: str = "") -> list[dict[str, Any]]:
        """Return the calls that arrived, oldest first; fields as in tests/support/provider/expected.py `Seen`."""
        return list(self._control("GET", "/__seen", params=_given(model=model, id=call)))

    def release(self, *, model: str = "", call: str = "") -> int:
        """Let waiting calls continue; return how many."""
        return int(self._control("POST", "/__release", params=_given(model=model, id=call))["released"])

    def stats(self) -> dict[str, int]:
        """Return `open` connections (other than this control's own), `accepted` in all, calls `in_flight`."""
        found: dict[str, int] = self._control("GET", "/__stats")
        return found

    async def wait(
        self, event: str, *, model: str = "", call: str = "", count: int = 1
    ) -> list[dict[str, Any]]:
        """Wait, 10 s at most, until `count` calls arrived | head | closed | ended, or one sent `count` (chunk)s."""
        params = _given(model=model, id=call) | {"event": event, "count": str(count)}
        async with httpx.AsyncClient(
            base_url=self.url, timeout=WAIT_S, trust_env=False, verify=NO_AUTHORITIES
        ) as client:
            answer = await client.get("/__wait", params=params)
        assert answer.status_code == 200, f"{event} x {count} did not happen; seen: {answer.text}"
        found: list[dict[str, Any]] = answer.json()
        return found

    def truth(self) -> list[dict[str, Any]]:
        """Return the whole truth file: lines with `event` arrived or ended."""
        return [json.loads(line) for line in self.truth_file.read_text().splitlines()]

    def bills(self) -> dict[str, list[dict[str, Any]]]:
        """Return the last line of every attempt by its call's id; one that has not ended has `ended_at` None."""
        last = {line["number"]: line for line in self.truth()}
        found: dict[str, list[dict[str, Any]]] = {}
        for line in last.values():
            found.setdefault(line["id"], []).append(line)
        return found

    def books(self, prefix: str) -> list[dict[str, Any]]:
        """Return what the calls of the models whose names begin so cost at this moment, oldest first."""
        return list(self._control("GET", "/__books", params={"prefix": prefix}))

    def close(self) -> None:
        self._client.close()
        self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        self._client.close()
        self._process.end(signal.SIGKILL)

    def _control(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._client.request(method, path, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()


def _given(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
