"""Material of the questions of the matrix for clients of Messages and Responses, and what became of a call."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
import msgspec

from tests.functional.providers.matrix.rows import FAILING, KEY, Up
from tests.support.books.ledger import row_of, rows_of
from tests.support.clients.media import png
from tests.support.clients.pdfs import plain
from tests.support.servers.gateway import Gateway
from tests.support.vendors.vendors import Vendors

PNG: Final = base64.b64encode(png(64, 64)).decode()
PDF: Final = base64.b64encode(plain()).decode()
SCHEMA: Final = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
PLACE: Final = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
    "additionalProperties": False,
}
LONG: Final = "The rules of the house are written down here, and they are the same each day. " * 400


class Reply(msgspec.Struct, kw_only=True):
    """A response that succeeded, as any client API states it; `said` is to be sent back in the next turn.

    `calls`: (id, name, arguments). `usage` is disjoint: input, cache_read, cache_write, output.
    """

    id: str
    text: str = ""
    thinking: str = ""
    refusal: bool = False
    calls: list[tuple[str, str, dict[str, Any]]] = []
    stop: str = ""
    usage: dict[str, int] = {}
    said: list[Any] = []


async def post(
    gateway: Gateway, path: str, body: Any, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Post a body, or its bytes."""
    raw = {"content": body} if isinstance(body, bytes) else {"json": body}
    given = {"content-type": "application/json", **(headers or {})}
    async with gateway.client(KEY) as client:
        return await client.post(path, headers=given, **raw)


def failing(up: Up) -> str:
    """Return the alias for calls that fail."""
    return f"{FAILING}{up.alias}"


class Books:
    """The vendors' bills of calls that came to their end, to be compared with the ledger when all are made."""

    def __init__(self, gateway: Gateway, vendors: Vendors) -> None:
        self.gateway, self.vendors = gateway, vendors
        self._billed: dict[str, tuple[str, int]] = {}
        self._refused: list[str] = []

    def check(self, up: Up, reply: Reply) -> dict[str, Any]:
        """Compare the vendor's last bill with the usage that the client got; return the bill."""
        bill = self.last(up)
        assert bill["notes"] == []
        assert bill["finished"]
        counts = bill["counts"]
        counted = {name: counts[name] for name in ("input", "cache_read", "output")}
        assert {**counted, "cache_write": counts["cache_write"] + counts["cache_write_1h"]} == reply.usage
        assert bill["cost_nanousd"] > 0
        self._billed[reply.id] = (up.alias, bill["cost_nanousd"])
        return bill

    def refused(self, call_id: str) -> None:
        """Note a call that the vendor does not bill."""
        self._refused.append(call_id)

    def last(self, up: Up) -> dict[str, Any]:
        """Return the last bill of a model."""
        return self.vendors.bills(vendor=up.vendor, model=up.model)[-1]

    async def close(self) -> None:
        """Compare every bill with the ledger, to the nano-USD."""
        rows = await rows_of(self.gateway, *self._billed, *self._refused)
        free = rows[len(self._billed) :]
        assert [row["id"] for row in free if row["cost_nanousd"] or row["status"] == "ok"] == []
        wrong = {
            row["id"]: (alias, cost, row["cost_nanousd"], row["status"], row["estimated"])
            for row, (alias, cost) in zip(rows[: len(self._billed)], self._billed.values(), strict=True)
            if (row["cost_nanousd"], row["status"], row["estimated"]) != (cost, "ok", False)
        }
        assert wrong == {}


@contextmanager
def scripted(vendors: Vendors, up: Up, behavior: Mapping[str, Any]) -> Iterator[None]:
    """Let the calls of an upstream behave like this within the block."""
    vendors.script(up.model, behavior, vendor=up.vendor)
    try:
        yield
    finally:
        vendors.script(up.model, {}, vendor=up.vendor)


async def check_unfinished(books: Books, up: Up, call_id: str) -> None:
    """What a broken call has cost is an estimate: with what is unsettled not less than the vendor's bill."""
    bill, row = books.last(up), await row_of(books.gateway, call_id)
    assert not bill["finished"]
    assert row["estimated"]
    assert row["status"] in {"incomplete", "cancelled", "error"}
    assert row["cost_nanousd"] + row["unsettled_nanousd"] >= bill["cost_nanousd"]
