"""A scripted provider in its own process; `python -m tests.support.provider.server --truth FILE` prints its port and
serves.

Each model has a queue of behaviors (the last one repeats), set by POST /__script or written into the
name itself (`m?end=cut&after=2`). A call whose body has a `request_id` may have a queue of its own by that name.
Tests look at GET /__seen and wait at GET /__wait instead of sleeping.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from tests.support.provider.answers import Asked, error
from tests.support.provider.expected import MAX_BODY_SHOWN, Seen, Truth, digest, reached
from tests.support.provider.http import Connection, Request
from tests.support.provider.script import Behavior, of_model
from tests.support.provider.stage import JSON, Stage

KEPT = 20_000  # calls remembered for /__seen; the truth file keeps all


class Script(msgspec.Struct, forbid_unknown_fields=True):
    model: str
    behaviors: list[Behavior]


class Upstream:
    """All state of the process: scripts, books, connections, and the calls that wait to be released."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.connections: set[Connection] = set()
        self._accepted = self._called = 0
        self._scripts: dict[str, list[Behavior]] = {}
        self._stages: dict[int, tuple[Seen, Stage]] = {}

    def connection(self) -> Connection:
        self._accepted += 1
        return Connection(self._accepted, self.handle, self.connections)

    async def handle(self, connection: Connection, request: Request) -> None:
        if request.path.startswith("/__"):
            await self._control(connection, request)
        elif request.path.endswith("/models"):
            listed = {
                "object": "list",
                "data": [{"id": "upstream", "object": "model", "created": 0, "owned_by": "up"}],
            }
            await connection.answer(200, msgspec.json.encode(listed), JSON)
        else:
            await self._call(connection, request)

    async def _call(self, connection: Connection, request: Request) -> None:
        asked = _asked(request)
        model = asked.model if asked is not None else ""
        self._called += 1
        seen = _seen(request, model, self._called)
        self.truth.arrived(seen)
        del self.truth.calls[:-KEPT]
        outcome, closed_early = "closed", True
        stage = Stage(connection, seen, self._behavior(model, asked), self.truth)
        self._stages[seen.number] = (seen, stage)
        try:
            if asked is None or not request.path.endswith(("/chat/completions", "/embeddings")):
                status = 400 if asked is None else 404
                await connection.answer(status, msgspec.json.encode(error("No such thing.", status)), JSON)
                outcome = str(status)
            else:
                outcome = await stage.play(asked)
            closed_early = False
        finally:
            del self._stages[seen.number]
            self.truth.ended(seen, outcome, closed_early=closed_early)

    def _behavior(self, model: str, asked: Asked | None) -> Behavior:
        """Return that of the call, if the script names it, else of its model."""
        call = asked.request_id if asked is not None else None
        queue = self._scripts.get(call if isinstance(call, str) and call in self._scripts else model)
        if queue:
            return queue.pop(0) if len(queue) > 1 else queue[0]
        return of_model(model) or Behavior()

    async def _control(self, connection: Connection, request: Request) -> None:
        query = dict(parse_qsl(request.query))
        try:
            status, said = await self._controlled(request, query)
        except (msgspec.DecodeError, LookupError, TypeError, ValueError) as mistake:
            status, said = 400, {"error": str(mistake)}
        await connection.answer(status, msgspec.json.encode(said), JSON)

    async def _controlled(self, request: Request, query: dict[str, str]) -> tuple[int, Any]:
        match request.path:
            case "/__script":
                script = msgspec.json.decode(request.body, type=Script)
                self._scripts[script.model] = script.behaviors
                return 200, {"scripted": len(script.behaviors)}
            case "/__release":
                waiting = [stage for seen, stage in self._stages.values() if _matches(seen, query)]
                for stage in waiting:
                    stage.released.set()
                return 200, {"released": len(waiting)}
            case "/__seen" | "/__books" as asked:
                read = self.truth.matching if asked == "/__seen" else self.truth.books
                return 200, read(**query)
            case "/__stats":
                open_now = len(self.connections) - 1  # without the one that asks
                return 200, {"open": open_now, "accepted": self._accepted, "in_flight": len(self._stages)}
            case "/__wait":
                event, count = query.pop("event"), int(query.pop("count", "1"))
                held = await self.truth.until(lambda: reached(self.truth.matching(**query), event, count))
                return (200 if held else 408), self.truth.matching(**query)
        return 404, {"error": "unknown control"}


def _matches(seen: Seen, query: dict[str, str]) -> bool:
    return all(getattr(seen, name) == value for name, value in query.items())


def _asked(request: Request) -> Asked | None:
    try:
        asked = msgspec.json.decode(request.body, type=Asked)
    except msgspec.DecodeError:
        return None
    _, azure, rest = request.path.partition("/deployments/")
    if azure and not asked.model:
        asked.model = rest.split("/")[0]
    return asked


def _seen(request: Request, model: str, number: int) -> Seen:
    headers = request.headers
    own = headers.get("x-client-request-id") or headers.get("x-request-id") or f"unnamed-{number}"
    return Seen(
        id=own,
        number=number,
        model=model,
        path=request.path,
        query=request.query,
        at=time.monotonic(),
        connection=request.connection,
        headers=sorted(headers),
        authorization_sha256=digest(headers.get("authorization", "").encode()),
        api_key_sha256=digest(headers.get("api-key", "").encode()),
        body_sha256=digest(request.body),
        body=request.body[:MAX_BODY_SHOWN].decode("utf-8", "replace"),
    )


async def serve(port: int, truth_file: Path | None) -> None:
    """Serve until SIGTERM, or until the parent of this process is gone (its end of stdin closes)."""
    loop = asyncio.get_running_loop()
    upstream = Upstream(Truth(truth_file))
    server = await loop.create_server(upstream.connection, "127.0.0.1", port, backlog=1024)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    for connection in list(upstream.connections):
        connection.transport.abort()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--truth", type=Path)
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.port, chosen.truth))


if __name__ == "__main__":
    main()
