"""The vendors as one process: an address each, with the vendor's APIs, authentication, rules and bills.

`python -m tests.support.vendors.server` prints its addresses and service accounts, and serves. The controls, /__seen
and others, are at every address; tests/support/vendors/vendors.py has them as methods.
"""

from __future__ import annotations

import asyncio
import functools
import json
import signal
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.exchange import Request as Asked
from providers.simulator.core.exchange import Response
from tests.support.provider.http import Connection, Request
from tests.support.vendors.accounts import ONE, TWO, VENDORS, service_account
from tests.support.vendors.apis import failed, model_of, respond
from tests.support.vendors.authentication import account_of
from tests.support.vendors.billing import Prices, cost, vector
from tests.support.vendors.google_tokens import GoogleTokens
from tests.support.vendors.played import Played, Seen, ended, seen_of
from tests.support.vendors.script import Behavior, Script

JSON = "application/json"
KEPT = 5_000  # calls remembered
MOST_BODIES = 256 * 1024 * 1024  # bytes of their bodies; older ones are forgotten
WAIT_S = 10.0


class Process:
    """All state: scripts, what was seen, bills, open connections, tokens."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.tokens: GoogleTokens | None = None
        self._numbers = self._bodies = 0
        self._calls: list[Played] = []
        self._scripts: dict[tuple[str, str, str], list[Behavior]] = {}  # by vendor, account and model
        self._prices: Prices = {}
        self._changed = asyncio.Event()

    def connection(self, vendor: str) -> Connection:
        return Connection(0, functools.partial(self.handle, vendor), self.connections)

    def changed(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def handle(self, vendor: str, connection: Connection, request: Request) -> None:
        if request.path.startswith("/__"):
            await self._control(connection, request)
        elif vendor == "vertex" and request.path == "/token":
            status, made = self._known_tokens.issue(request.body)
            await connection.answer(status, msgspec.json.encode(made), JSON)
        else:
            await self._call(vendor, connection, request)

    async def _call(self, vendor: str, connection: Connection, request: Request) -> None:
        self._numbers += 1
        seen = seen_of(self._numbers, vendor, request)
        asked = Asked(
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=request.body,
        )
        seen.model = model_of(asked)
        refusal: SimulatorError | None = None
        try:
            seen.account = account_of(vendor, request, self._known_tokens)
        except SimulatorError as error:
            refusal = error
        behavior = Behavior() if refusal is not None else self._behavior(vendor, seen)
        if behavior.status is not None:
            refusal = SimulatorError("Scripted.", status=behavior.status)
        played = Played(connection, seen, behavior, self.changed)
        self._calls.append(played)
        self._bodies += len(seen.body)
        while len(self._calls) > KEPT or (self._bodies > MOST_BODIES and len(self._calls) > 1):
            self._bodies -= len(self._calls.pop(0).seen.body)
        self.changed()

        def made() -> Response:
            if refusal is not None:
                return failed(vendor, request.path, refusal)
            return respond(vendor, msgspec.structs.replace(asked, account=f"{vendor}-{seen.account}"))

        await ended(seen, played.play(made), self.changed)

    def _behavior(self, vendor: str, seen: Seen) -> Behavior:
        given = [
            self._scripts.get((each, who, seen.model)) for who in (seen.account, "") for each in (vendor, "")
        ]
        queue = next(filter(None, given), None)
        if not queue:
            return Behavior()
        return queue.pop(0) if len(queue) > 1 else queue[0]

    async def _control(self, connection: Connection, request: Request) -> None:
        query = dict(parse_qsl(request.query))
        try:
            status, made = await self._controlled(request, query)
        except (msgspec.DecodeError, LookupError, TypeError, ValueError) as mistake:
            status, made = 400, {"error": repr(mistake)}
        await connection.answer(status, msgspec.json.encode(made), JSON)

    async def _controlled(self, request: Request, query: dict[str, str]) -> tuple[int, Any]:
        if request.path == "/__wait":
            return await self._wait(query)
        controls: dict[str, Callable[[], Any]] = {
            "/__script": lambda: self._script(request.body),
            "/__forget": self._scripts.clear,
            "/__prices": lambda: self._price(request.body),
            "/__release": lambda: {"released": self._release(query)},
            "/__seen": lambda: [played.seen for played in self._matching(query)],
            "/__bills": lambda: [
                bill for each in self._matching(query) if (bill := self._bill(each)) is not None
            ],
            "/__expire": lambda: {"expired": self._known_tokens.expire()},
            "/__stats": self._stats,
        }
        control = controls.get(request.path)
        return (404, {"error": "unknown control"}) if control is None else (200, control())

    @property
    def _known_tokens(self) -> GoogleTokens:
        assert self.tokens is not None
        return self.tokens

    def _script(self, body: bytes) -> None:
        script = msgspec.json.decode(body, type=Script)
        self._scripts[script.vendor, script.account, script.model] = script.behaviors

    def _price(self, body: bytes) -> None:
        self._prices = msgspec.json.decode(body, type=Prices)

    def _stats(self) -> dict[str, int]:
        issued = self._known_tokens.issued
        return {"open": len(self.connections) - 1, "calls": self._numbers, "tokens_issued": issued}

    def _release(self, query: dict[str, str]) -> int:
        holding = [played for played in self._matching(query) if played.seen.state == "holding"]
        for played in holding:
            played.released.set()
        return len(holding)

    def _matching(self, query: dict[str, str]) -> list[Played]:
        return [
            played
            for played in self._calls
            if all(str(getattr(played.seen, name)) == value for name, value in query.items())
        ]

    async def _wait(self, query: dict[str, str]) -> tuple[int, list[Seen]]:
        """Wait until `count` calls that match have this `state`; arrived: any state."""
        state, count = query.pop("state"), int(query.pop("count", "1"))
        if state != "arrived":
            query = {**query, "state": state}
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while len(found := self._matching(query)) < count:
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._changed.wait(), max(0.0, left))
            except TimeoutError:
                return 408, [played.seen for played in found]
        return 200, [played.seen for played in found]

    def _bill(self, played: Played) -> dict[str, Any] | None:
        bill, seen = played.bill, played.seen
        if bill is None:
            return None
        counts = vector(bill)
        if not seen.finished and 0 <= seen.produced < counts["output"]:
            counts["output"] = seen.produced
        return {
            "number": seen.number,
            "vendor": seen.vendor,
            "account": seen.account,
            "api": bill.api,
            "model": bill.model,
            "usage": bill.usage,
            "counts": counts,
            "cost_nanousd": cost(counts, bill.model, self._prices),
            "finished": seen.finished,
            "notes": bill.notes,
        }


async def serve() -> None:
    """Serve until SIGTERM, or until the parent of this process is gone (its end of stdin closes)."""
    loop = asyncio.get_running_loop()
    process = Process()
    servers = {
        vendor: await loop.create_server(
            functools.partial(process.connection, vendor), "127.0.0.1", 0, backlog=1024
        )
        for vendor in VENDORS
    }
    ports = {vendor: server.sockets[0].getsockname()[1] for vendor, server in servers.items()}
    token_uri = f"http://127.0.0.1:{ports['vertex']}/token"
    accounts = [service_account(account, token_uri) for account in (ONE, TWO)]
    process.tokens = GoogleTokens(token_uri, accounts)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    documents = {account.account: account.document for account in accounts}
    sys.stdout.write(json.dumps({"ports": ports, "service_accounts": documents}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    for server in servers.values():
        server.close()
    for connection in list(process.connections):
        connection.transport.abort()


if __name__ == "__main__":
    asyncio.run(serve())
