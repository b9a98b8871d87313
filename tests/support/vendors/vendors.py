"""The vendors as tests see them: a process of its own, its addresses and credentials, and its controls."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Mapping
from typing import Any

import httpx

from tests.support.servers.processes import START_S, ServerProcess, clean_environment
from tests.support.servers.upstream import CALL_S, NO_AUTHORITIES, WAIT_S


class Vendors:
    """OpenAI, Anthropic, Azure, Bedrock, Vertex and Hugging Face on loopback (tests/support/vendors/server.py).

    `urls` is the origin of each by its name in the configuration; `service_accounts` are Google's JSON documents of the
    accounts "one" and "two". Other credentials are in tests/support/vendors/accounts.py.
    """

    def __init__(self) -> None:
        self._process = ServerProcess("-m", "tests.support.vendors.server", env=clean_environment())
        started: dict[str, Any] = self._process.stdout.first(json.loads, START_S)
        self.urls = {vendor: f"http://127.0.0.1:{port}" for vendor, port in started["ports"].items()}
        self.service_accounts: dict[str, dict[str, Any]] = started["service_accounts"]
        self._client = httpx.Client(
            base_url=self.urls["openai"], timeout=CALL_S, trust_env=False, verify=NO_AUTHORITIES
        )

    def script(self, model: str, *behaviors: Mapping[str, Any], vendor: str = "", account: str = "") -> None:
        """Let calls of this upstream model behave like this, one after the other; the last behavior repeats.

        Fields as in tests/support/vendors/script.py `Behavior`; none: as usual.
        """
        self._control(
            "POST",
            "/__script",
            json={"model": model, "behaviors": behaviors, "vendor": vendor, "account": account},
        )

    def forget_scripts(self) -> None:
        self._control("POST", "/__forget")

    def price(self, sheets: Mapping[str, Mapping[str, int]]) -> None:
        """Set the price sheets by model ("*": any): nano-USD a token for input, cache_read, cache_write,
        cache_write_1h, output.
        """
        self._control("POST", "/__prices", json=sheets)

    def seen(self, **given: Any) -> list[dict[str, Any]]:
        """Return the calls that arrived, oldest first: fields as in `Seen`, `body` as bytes. `given` are fields."""
        found: list[dict[str, Any]] = self._control("GET", "/__seen", params=_texts(given))
        return [{**call, "body": base64.b64decode(call["body"])} for call in found]

    def calls(self, **given: Any) -> list[dict[str, Any]]:
        """Return what `seen` does, without a gateway's probes: those have no client's id."""
        return [call for call in self.seen(**given) if "x-client-request-id" in call["headers"]]

    def bills(self, **given: Any) -> list[dict[str, Any]]:
        """Return the bills, oldest first: usage in the vendor's terms, disjoint `counts`, `cost_nanousd`, `notes`.

        Free calls and refused ones have none. `given` are fields of `Seen`: model, vendor, account, number.
        """
        return list(self._control("GET", "/__bills", params=_texts(given)))

    def release(self, **given: Any) -> int:
        """Let the calls continue that hold; return how many."""
        return int(self._control("POST", "/__release", params=_texts(given))["released"])

    def expire_tokens(self) -> int:
        """Let all access tokens of Google be expired; return how many were valid."""
        return int(self._control("POST", "/__expire")["expired"])

    def stats(self) -> dict[str, int]:
        """Return `open` connections, `calls` in all and `tokens_issued`."""
        found: dict[str, int] = self._control("GET", "/__stats")
        return found

    async def wait(self, state: str, *, count: int = 1, **given: Any) -> list[dict[str, Any]]:
        """Wait, 10 s at most, until `count` calls are in a state: arrived (any), holding, ended, closed."""
        params = {**_texts(given), "state": state, "count": str(count)}
        async with httpx.AsyncClient(
            base_url=self.urls["openai"], timeout=WAIT_S, trust_env=False, verify=NO_AUTHORITIES
        ) as client:
            answer = await client.get("/__wait", params=params)
        assert answer.status_code == 200, f"{state} x {count} did not happen; seen: {answer.text}"
        found: list[dict[str, Any]] = answer.json()
        return [{**call, "body": base64.b64decode(call["body"])} for call in found]

    def close(self) -> None:
        self._client.close()
        self._process.end(signal.SIGTERM)

    def _control(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._client.request(method, path, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in given.items()}
